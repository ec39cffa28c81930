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

/** All that shapes the credential; no part but the last can hold a space. The server is not in it: one agent's servers may share. */
export function cacheKey({ grant, principal }: LeaseAsk, provider: Provider): string {
  return `${instanceOf(provider)} ${provider.origin} ${grant.lifetime} ${grant.ttl} ${principal.session} ${canonicalScope(grant.scope)}`
}

const canonical = new WeakMap<JsonObject, string>()

/** Policy hands out the same frozen object for the same scope. */
function canonicalScope(scope: JsonObject): string {
  const known = canonical.get(scope)
  if (known !== undefined) return known
  const made = canonicalJson(scope)
  if (Object.isFrozen(scope)) canonical.set(scope, made)
  return made
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
