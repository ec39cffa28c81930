import { JitError } from '../core/errors.ts'
import { canonicalJson, type JsonObject } from '../core/json.ts'
import type { Provider } from '../provider/contract.ts'
import type { LeaseAsk, RevokeReason, RevokeSelector } from './types.ts'

/** What a selector looks at. */
export interface Selectable {
  readonly id: string
  readonly provider: string
  readonly session: string
  /** Every server whose calls had it. */
  readonly servers: Iterable<string>
}

export function selects(selector: RevokeSelector, lease: Selectable): boolean {
  if ('all' in selector) return true
  if ('server' in selector) return [...lease.servers].includes(selector.server)
  if ('provider' in selector) return lease.provider === selector.provider
  if ('session' in selector) return lease.session === selector.session
  return lease.id === selector.lease
}

const instances = new WeakMap<Provider, number>()
let opened = 0

/** Two openings of one provider's name may be two identities: an edited config never answers from the cache of the old one. */
function instanceOf(provider: Provider): number {
  const known = instances.get(provider)
  if (known !== undefined) return known
  opened += 1
  instances.set(provider, opened)
  return opened
}

/** A key that was made, and what for. */
interface KnownKey {
  readonly provider: Provider
  readonly lifetime: string
  readonly ttl: number
  readonly session: string
  readonly key: string
}

/** By scope: policy hands out the same frozen object for the same scope, and mostly the same agent asks for it again. */
const keys = new WeakMap<JsonObject, KnownKey>()

/** All that shapes the credential; no part but the last can hold a space. The server is not in it: one agent's servers may share. */
export function cacheKey({ grant, principal }: LeaseAsk, provider: Provider): string {
  const { scope, lifetime, ttl } = grant
  const { session } = principal
  const known = keys.get(scope)
  if (known?.provider === provider && known.lifetime === lifetime && known.ttl === ttl && known.session === session) return known.key
  const key = `${instanceOf(provider)} ${provider.origin} ${lifetime} ${ttl} ${session} ${canonicalJson(scope)}`
  if (Object.isFrozen(scope)) keys.set(scope, { provider, lifetime, ttl, session, key })
  return key
}

export function reasonError(reason: RevokeReason): JitError {
  switch (reason) {
    case 'locked':
      return new JitError('locked', 'jit was locked while this call ran')
    case 'revoked':
      return new JitError('lease.revoked', 'the credential was revoked while this call ran')
    case 'session':
      return new JitError('lease.revoked', 'the agent of this call has gone')
    case 'shutdown':
      return new JitError('lease.revoked', 'the daemon stopped while this call ran')
  }
}
