import { JitError, toJitError } from '../core/errors.ts'
import type { Provider } from '../provider/contract.ts'
import type { LeaseRow } from '../store/store.ts'
import { openCredential, type SealedCredential } from './credential.ts'
import { HeldLease } from './held-lease.ts'
import type { BrokerParts } from './parts.ts'
import { leaseFields, recordIfPossible } from './trail.ts'

export interface RecoverDeps extends BrokerParts {
  provider(name: string): Provider | undefined
  readonly isLocked: () => boolean
}

/**
 * Resolves one row that an earlier process left. A mint without an answer is reported as lost; a live lease stays, unless
 * its call or its time is over; an unfinished revocation goes on. While the store is sealed, what needs the secret waits for
 * the next time. Never throws.
 */
export async function recoverRow(deps: RecoverDeps, row: LeaseRow): Promise<void> {
  const { ledger, clock } = deps
  if (row.state === 'minting') return reportLost(deps, row)
  if (row.validUntil <= clock.now()) return ledger.note(row.id, { state: 'expired', sealed: '' })
  if (row.state === 'lost') return deps.held.report(row)
  if (row.sealed === '') return unopened(deps, row, new JitError('store.corrupt', 'the daemon ended before the credential was stored'))
  let credential: SealedCredential
  try {
    credential = await openCredential(deps.sealer, row.id, row.sealed)
  } catch (thrown) {
    return unopened(deps, row, toJitError(thrown, 'store.corrupt'))
  }
  // Opening took its time: somebody may have revoked it, or recovered it, meanwhile.
  const current = ledger.get(row.id)
  if (current === undefined || deps.held.has(row.id)) return
  putBack(deps, current, credential)
}

function reportLost(deps: RecoverDeps, row: LeaseRow): void {
  const error = 'the daemon ended while this was minted'
  deps.ledger.note(row.id, { state: 'lost', error })
  recordIfPossible(deps, {
    type: 'lease.failed',
    call: row.call,
    lease: leaseFields(row),
    detail: { code: 'daemon.restarted', message: error, state: 'lost', validUntil: new Date(row.validUntil).toISOString() },
  })
  deps.held.report(row)
}

/** A sealed store opens later, if not too late. Anything else is final: nobody here can revoke it any more. */
function unopened({ ledger, log, held }: RecoverDeps, row: LeaseRow, failure: JitError): void {
  if (failure.code === 'store.sealed' || failure.code === 'store.unavailable') return held.report(row)
  log.warn('lease irrevocable', { lease: row.id, provider: row.provider, validUntil: row.validUntil, error: failure.message })
  ledger.note(row.id, { state: 'irrevocable', error: failure.message })
  held.report(row)
}

function putBack(deps: RecoverDeps, row: LeaseRow, credential: SealedCredential): void {
  const { clock, ender, secrets } = deps
  const provider = deps.provider(row.provider)
  const now = clock.now()
  // A wall clock that was set back does not make a lease longer than it was.
  const remaining = Math.min(row.expiresAt - now, row.expiresAt - row.mintedAt)
  const bornAt = clock.monotonic() - Math.max(0, now - row.mintedAt)
  const held = new HeldLease({
    row,
    credential,
    provider,
    partition: provider === undefined ? '' : partitionOf(provider, row),
    key: undefined,
    lifetime: credential.lifetime,
    bornAt,
    endsAt: clock.monotonic() + remaining,
  })
  secrets.learn(credential)
  deps.held.hold(held)
  if (row.state === 'irrevocable') {
    held.cut(new JitError('lease.expired', `lease ${row.id} ended with the daemon`))
    return deps.held.report(row)
  }
  if (row.state === 'live' && remaining > 0 && credential.lifetime === 'ttl' && provider !== undefined && !deps.isLocked())
    return deps.held.keep(held)
  held.cut(new JitError('lease.expired', `lease ${row.id} ended with the daemon`))
  void ender.end(held, { result: 'ended after a restart', state: 'revoked' })
}

function partitionOf(provider: Provider, row: LeaseRow): string {
  try {
    return provider.partition(row.scope)
  } catch {
    return ''
  }
}
