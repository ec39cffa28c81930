import { JitError, quote } from '../core/errors.ts'
import type { SelfServiceDeps } from './types.ts'

/** Throws `not-found`. */
export function knownServer({ config }: Pick<SelfServiceDeps, 'config'>, server: string): void {
  if (Object.hasOwn(config().servers, server)) return
  throw new JitError('not-found', `there is no server ${quote(server)}`, { hint: '`what_may_i_do` lists those that there are.' })
}

/** A tool that is denied and one that does not exist are the same to an agent. */
export function knowsTool({ policy }: Pick<SelfServiceDeps, 'policy'>, server: string, tool: string): boolean {
  return policy().servers.get(server)?.visible(tool) === true
}
