import { toJitError, type JitError } from '../core/errors.ts'
import type { Provider } from '../provider/contract.ts'
import { Flight } from './flight.ts'
import type { HeldLease } from './held-lease.ts'
import { mint, type MintDeps } from './mint.ts'
import { selects } from './select.ts'
import type { Lease, LeaseAsk, RevokeSelector } from './types.ts'

/** The mints under way, and who may join which. */
export class Flights {
  readonly #deps: MintDeps
  /** Also those that nobody waits for any more. */
  readonly #flights = new Set<Flight>()
  /** Those that others may join, by cache key. */
  readonly #joinable = new Map<string, Flight>()

  constructor(deps: MintDeps) {
    this.#deps = deps
  }

  /** The leases that are being minted just now. */
  get leases(): Set<string> {
    return new Set(Array.from(this.#flights, (flight) => flight.lease))
  }

  matching(selector: RevokeSelector): Flight[] {
    return [...this.#flights].filter((flight) => selects(selector, flight.view))
  }

  /** Joins the mint of this key, or starts one; without a key nobody else joins it. Rejects with `signal`'s reason when it aborts. */
  board(key: string | undefined, ask: LeaseAsk, provider: Provider, signal: AbortSignal): Promise<Lease> {
    return new Promise((resolve, reject) => {
      const underWay = key === undefined ? undefined : this.#joinable.get(key)
      if (underWay !== undefined) return underWay.join(ask, signal, resolve, reject)
      const flight = new Flight(key, ask, this.#deps.clock, () => this.#unlist(flight))
      flight.join(ask, signal, resolve, reject)
      this.#fly(flight, provider)
    })
  }

  /** Stops the requests of all mints at once. */
  stop(reason: JitError): void {
    for (const flight of this.#flights) flight.stop(reason)
  }

  #fly(flight: Flight, provider: Provider): void {
    this.#flights.add(flight)
    if (flight.key !== undefined) this.#joinable.set(flight.key, flight)
    // A copy: a mint keeps the timeout that it began with.
    const result = mint({ ...this.#deps }, flight, provider, (held) => this.#land(flight, held))
    flight.landed = result.then(
      (end) => {
        this.#over(flight)
        if (end.kind === 'live') return undefined
        flight.fail(end.error)
        return end.ended
      },
      (error: unknown) => {
        this.#over(flight)
        flight.fail(toJitError(error))
        return undefined
      },
    )
  }

  #land(flight: Flight, held: HeldLease): void {
    this.#over(flight)
    this.#deps.held.keep(held)
    flight.land(held)
  }

  #over(flight: Flight): void {
    this.#flights.delete(flight)
    this.#unlist(flight)
  }

  #unlist(flight: Flight): void {
    if (flight.key !== undefined && this.#joinable.get(flight.key) === flight) this.#joinable.delete(flight.key)
  }
}
