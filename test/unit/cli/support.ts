import type { KindView } from '../../../src/api/schema.ts'
import type { ProviderPlugin } from '../../../src/provider/contract.ts'

/** A kind as the daemon shows it. */
export function plainKind<T>({ kind, summary, revocation, login }: ProviderPlugin<T>): KindView {
  return { kind, summary, revocation, login: [...login] }
}
