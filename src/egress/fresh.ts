import type { Lease } from '../broker/types.ts'
import type { Clock } from '../core/clock.ts'

const freshFor = 10_000
const retryFor = 5000
const firstWait = 200

/** A fresh token may be unknown to some of the upstream's replicas: a 401 on it is asked again, after 200 ms and then ever later. */
export class FreshRetries {
  readonly #clock: Clock
  readonly #lease: Pick<Lease, 'mintedAt'>
  readonly #started: number
  #wait = firstWait

  constructor(clock: Clock, lease: Pick<Lease, 'mintedAt'>) {
    this.#clock = clock
    this.#lease = lease
    this.#started = clock.monotonic()
  }

  /** Milliseconds to wait before the request is sent again; undefined when it is not. */
  next(): number | undefined {
    const wait = this.#wait
    const isFresh = this.#clock.now() - this.#lease.mintedAt < freshFor
    if (!isFresh || this.#clock.monotonic() - this.#started + wait > retryFor) return undefined
    this.#wait *= 2
    return wait
  }
}
