import type { Clock } from '../core/clock.ts'
import { JitError, toJitError } from '../core/errors.ts'
import type { Receipt } from '../core/types.ts'
import { abortAfter } from './deadline.ts'
import type { HeldLease } from './held-lease.ts'
import type { Selectable } from './select.ts'
import type { Lease, LeaseAsk } from './types.ts'

interface Asker {
  readonly ask: LeaseAsk
  readonly resolve: (lease: Lease) => void
  readonly reject: (error: JitError) => void
  readonly signal: AbortSignal
  readonly leave: () => void
}

/**
 * How long a request that nobody waits for any more may still bring its answer. Cut at once, its token could be alive for
 * an hour and nobody would hold what revokes it; with its answer, it is revoked a moment later.
 */
const grace = 5000

/** One mint and everybody who waits for it. */
export class Flight {
  /** Under which others may join; undefined: nobody may. */
  readonly key: string | undefined
  readonly first: LeaseAsk
  /** The lease that is being minted just now; a retry is another lease. */
  lease = ''
  /** Resolves when the mint is over: with the receipt of a credential that came when nobody wanted it any more. */
  landed: Promise<Receipt | undefined> = Promise.resolve(undefined)
  readonly #askers = new Set<Asker>()
  readonly #unwanted = new AbortController()
  readonly #stopped = new AbortController()
  readonly #clock: Clock
  readonly #onUnwanted: (flight: Flight) => void
  #cancelGrace: () => void = () => undefined

  constructor(key: string | undefined, first: LeaseAsk, clock: Clock, onUnwanted: (flight: Flight) => void) {
    this.key = key
    this.first = first
    this.#clock = clock
    this.#onUnwanted = onUnwanted
  }

  /** Aborts when nobody wants the lease any more: no further attempt is made. */
  get unwanted(): AbortSignal {
    return this.#unwanted.signal
  }

  /** Aborts when the provider must stop: a while after `unwanted`, or at the deadline of the mint. */
  get stopped(): AbortSignal {
    return this.#stopped.signal
  }

  get asks(): readonly LeaseAsk[] {
    return this.#askers.size === 0 ? [this.first] : Array.from(this.#askers, ({ ask }) => ask)
  }

  /** As a selector sees it. */
  get view(): Selectable {
    const { grant, principal } = this.first
    return { id: this.lease, provider: grant.provider, session: principal.session, servers: this.asks.map((ask) => ask.server) }
  }

  join(ask: LeaseAsk, signal: AbortSignal, resolve: (lease: Lease) => void, reject: (error: JitError) => void): void {
    const leave = (): void => {
      this.#askers.delete(asker)
      reject(toJitError(signal.reason, 'cancelled'))
      if (this.#askers.size === 0) this.drop(new JitError('cancelled', 'nobody waits for this credential any more'))
    }
    const asker: Asker = { ask, resolve, reject, signal, leave }
    this.#askers.add(asker)
    signal.addEventListener('abort', leave, { once: true })
  }

  /** Nobody gets this lease. The request that is under way may come back within the grace time, to be revoked. */
  drop(reason: JitError): void {
    if (this.#unwanted.signal.aborted) return
    this.#unwanted.abort(reason)
    this.#cancelGrace = abortAfter(this.#clock, grace, this.#stopped, () => reason)
    this.#settle((asker) => asker.reject(reason))
    this.#onUnwanted(this)
  }

  /** Stops the provider's request at once. */
  stop(reason: JitError): void {
    this.#stopped.abort(reason)
  }

  /** The lease is there: everybody who still waits has it before anything else can happen. */
  land(held: HeldLease): void {
    this.#settle((asker) => asker.resolve(held.take(asker.ask.server, asker.ask === this.first)))
  }

  fail(error: JitError): void {
    this.#settle((asker) => asker.reject(error))
  }

  #settle(settle: (asker: Asker) => void): void {
    const askers = [...this.#askers]
    this.#askers.clear()
    for (const asker of askers) {
      asker.signal.removeEventListener('abort', asker.leave)
      settle(asker)
    }
  }

  /** The mint is over; the grace time has no meaning any more. */
  close(): void {
    this.#cancelGrace()
  }
}
