import type { AuditSink } from '../audit/event.ts'
import type { Clock } from '../core/clock.ts'
import { JitError, quote, toJitError } from '../core/errors.ts'
import type { Logger, Receipt } from '../core/types.ts'
import type { Provider, RevokeOutcome } from '../provider/contract.ts'
import type { LeaseRow, LeaseState } from '../store/store.ts'
import { abortAfter, backOff, Gate, raceSignal } from './deadline.ts'
import type { HeldLease } from './held-lease.ts'
import type { Ledger } from './ledger.ts'
import type { Schedule } from './schedule.ts'
import { leaseFields, recordIfPossible } from './trail.ts'

export interface EnderDeps {
  provider(name: string): Provider | undefined
  readonly ledger: Ledger
  readonly schedule: Schedule
  readonly audit: Pick<AuditSink, 'append'>
  readonly clock: Clock
  readonly log: Logger
  /** The credential is dead, or nothing more can be done about it before `validUntil`. */
  over(held: HeldLease, validUntil: number): void
}

/** Why a credential is ended: how the trail says it, and the state that the row comes to. */
export interface Ending {
  readonly result: string
  readonly state: Extract<LeaseState, 'revoked' | 'expired' | 'failed'>
}

interface Work {
  readonly held: HeldLease
  readonly ending: Ending
  attempts: number
  running: Promise<Receipt> | undefined
  cancelRetry: () => void
}

const attemptLimit = 6
const firstRetry = 10_000
/** Longest that one attempt may take. */
const attemptTimeout = 10_000
const width = 16
/** Of an upstream's words in the store and in receipts. */
const errorLength = 240

/** Ends credentials upstream: at once, then again and again in the background, then says that it could not. */
export class Ender {
  readonly #deps: EnderDeps
  readonly #work = new Map<string, Work>()
  /** What a person waits for is not queued behind what nobody does. */
  readonly #asked = new Gate(width)
  readonly #background = new Gate(width)

  constructor(deps: EnderDeps) {
    this.#deps = deps
  }

  /**
   * Ends a lease that was cut. Whoever asks again joins the attempt under way, or brings the next one forward. Never
   * rejects: what goes wrong stands in the receipt.
   */
  end(held: HeldLease, ending: Ending, urgency: 'asked' | 'background' = 'background'): Promise<Receipt> {
    const work = this.#work.get(held.id) ?? { held, ending, attempts: held.row.attempts, running: undefined, cancelRetry: () => undefined }
    this.#work.set(held.id, work)
    work.cancelRetry()
    work.running ??= this.#attempt(work, urgency === 'asked' ? this.#asked : this.#background).finally(() => (work.running = undefined))
    return work.running
  }

  /** What can be said of a lease whose attempt has not come to an end yet. */
  pending(held: HeldLease): Receipt {
    return this.#receipt(held, { outcome: 'pending', validUntil: held.row.validUntil, detail: 'the upstream has not answered yet' })
  }

  async #attempt(work: Work, gate: Gate): Promise<Receipt> {
    const { held } = work
    const { clock, ledger } = this.#deps
    // The first attempt is always made: a wall clock that was set wrong must not leave a live credential alone.
    if (work.attempts > 0 && clock.now() >= held.row.validUntil)
      return this.#finish(work, { outcome: 'expires', detail: 'it expired upstream' }, 'expired', undefined)
    work.attempts += 1
    ledger.note(held.id, { state: 'revoking', attempts: work.attempts })
    try {
      const outcome = await gate.run(() => this.#revokeUpstream(held, work.attempts))
      return this.#succeeded(work, outcome)
    } catch (thrown) {
      return this.#failed(work, toJitError(thrown, 'provider.unavailable'))
    }
  }

  /** The instance that minted it comes first; a later attempt goes to the one that is registered by then. */
  async #revokeUpstream(held: HeldLease, attempt: number): Promise<RevokeOutcome> {
    const registered = this.#deps.provider(held.row.provider)
    const provider = attempt === 1 ? (held.provider ?? registered) : (registered ?? held.provider)
    if (provider === undefined) throw new JitError('provider.login', `provider ${quote(held.row.provider)} is not registered any more`)
    if (provider.revoke === undefined)
      return { outcome: 'expires', validUntil: held.row.validUntil, detail: 'the upstream cannot end a credential early' }
    const abort = new AbortController()
    const cancel = abortAfter(
      this.#deps.clock,
      attemptTimeout,
      abort,
      () => new JitError('provider.unavailable', `no answer to the revocation within ${attemptTimeout} ms`),
    )
    try {
      return await raceSignal(provider.revoke(held.credential, abort.signal), abort.signal)
    } finally {
      cancel()
    }
  }

  #succeeded(work: Work, outcome: RevokeOutcome): Receipt {
    const { row } = work.held
    switch (outcome.outcome) {
      case 'revoked':
        return this.#finish(work, { outcome: 'revoked', verified: outcome.verified }, work.ending.state, undefined)
      case 'accepted':
        return this.#finish(
          work,
          { outcome: 'accepted', validUntil: row.validUntil, detail: outcome.detail },
          work.ending.state,
          row.validUntil,
        )
      case 'expires':
        return this.#finish(
          work,
          { outcome: 'expires', validUntil: outcome.validUntil, detail: outcome.detail },
          'expired',
          outcome.validUntil,
        )
      case 'kept':
        return this.#finish(work, { outcome: 'kept', detail: outcome.detail }, work.ending.state, undefined)
    }
  }

  #failed(work: Work, failure: JitError): Receipt {
    const { held, attempts } = work
    const { validUntil } = held.row
    const detail = failure.message.slice(0, errorLength)
    if (attempts >= attemptLimit) return this.#giveUp(work, detail)
    this.#deps.ledger.note(held.id, { error: detail })
    work.cancelRetry = this.#deps.schedule.after(backOff(firstRetry, attempts), () => void this.end(held, work.ending))
    const receipt = this.#receipt(held, { outcome: 'pending', validUntil, detail })
    if (attempts === 1) this.#record(work, receipt)
    return receipt
  }

  /** The credential stays held until its end, so that a person can have it tried once more. */
  #giveUp(work: Work, detail: string): Receipt {
    const { held } = work
    const { validUntil } = held.row
    const { clock, schedule, ledger, log } = this.#deps
    ledger.note(held.id, { state: 'irrevocable', error: detail })
    log.warn('lease irrevocable', { lease: held.id, provider: held.row.provider, attempts: work.attempts, validUntil, error: detail })
    work.cancelRetry = schedule.after(validUntil - clock.now(), () =>
      this.#finish(work, { outcome: 'expires', detail: 'it expired upstream' }, 'expired', undefined),
    )
    const receipt = this.#receipt(held, { outcome: 'irrevocable', validUntil, detail })
    this.#record(work, receipt)
    return receipt
  }

  #finish(work: Work, told: Pick<Receipt, 'outcome'> & Partial<Receipt>, state: LeaseState, validUntil: number | undefined): Receipt {
    const { held } = work
    work.cancelRetry()
    this.#work.delete(held.id)
    this.#deps.ledger.note(held.id, { state, sealed: '' })
    const receipt = this.#receipt(held, told)
    this.#record(work, receipt)
    this.#deps.over(held, validUntil ?? 0)
    return receipt
  }

  #receipt(held: HeldLease, told: Pick<Receipt, 'outcome'> & Partial<Receipt>): Receipt {
    const { id, provider, server, scope } = held.row
    const lived = Math.max(0, Math.round(this.#deps.clock.monotonic() - held.bornAt))
    return { lease: id, provider, server, scope, cut: true, verified: false, lived, ...told }
  }

  #record({ held, ending, attempts }: Work, { outcome, verified, validUntil, lived, detail }: Receipt): void {
    const row: LeaseRow = held.row
    recordIfPossible(this.#deps, {
      type: 'lease.ended',
      call: row.call,
      lease: leaseFields(row),
      result: ending.result,
      detail: {
        outcome,
        verified,
        lived,
        attempts,
        ...(validUntil === undefined ? {} : { validUntil: new Date(validUntil).toISOString() }),
        ...(detail === undefined ? {} : { detail }),
      },
    })
  }
}
