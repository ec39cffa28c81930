import type { UpstreamRequest } from '../../audit/event.ts'
import type { Lease } from '../../broker/types.ts'
import { JitError } from '../../core/errors.ts'
import { Ending } from '../ending.ts'
import { beginStartup, type Startup } from './startup.ts'
import type { GatewayDeps } from '../types.ts'

/** Leases of one lane at once: requests under way go on with the one that they left with. */
const keptCap = 4
/** Between two that its server did not take, in milliseconds: it can have itself answered, and turn that away, as often as it likes. */
const renewEvery = 10_000

/**
 * The credential of what happens around calls in one lane of a remote server: its handshake, its lists, its own stream. It is
 * acquired when something needs it, held until it ends, and then acquired anew.
 */
export class Standing {
  readonly #deps: GatewayDeps
  readonly #server: string
  readonly #lane: string
  readonly #ending = new Ending()
  /** Of which the last is used; those before it were not taken, and end with the lane or their time. */
  readonly #begun = new Set<Startup>()
  #startup: Startup | undefined
  #starting: Promise<Startup | undefined> | undefined
  #over = false
  /** Monotonic milliseconds. */
  #renewFrom = Number.NEGATIVE_INFINITY

  constructor(deps: GatewayDeps, server: string, lane: string) {
    this.#deps = deps
    this.#server = server
    this.#lane = lane
  }

  /** False when `startup:` says nothing: then such requests travel without a credential. */
  get configured(): boolean {
    return this.#deps.policy().servers.get(this.#server)?.startup !== undefined
  }

  /** The one that is held; undefined when there is none at the moment. */
  get held(): Lease | undefined {
    const lease = this.#startup?.call.lease
    return lease?.signal.aborted === true ? undefined : lease
  }

  /** The one that is held, or a new one; undefined when none is configured. Throws what `acquire` of the broker throws. */
  async lease(): Promise<Lease | undefined> {
    if (this.held !== undefined || !this.configured || this.#over) return this.held
    this.#starting ??= this.#begin().finally(() => (this.#starting = undefined))
    return (await this.#starting)?.call.lease
  }

  /** Another one in place of one that the server did not take. Throws like `lease`, and `server.unauthorized` so soon after the last. */
  async renew(refused: Lease): Promise<Lease | undefined> {
    if (this.#startup?.call.lease !== refused) return this.lease()
    const now = this.#deps.clock.monotonic()
    if (now < this.#renewFrom)
      throw new JitError('server.unauthorized', `server ${this.#server} did not take the credential before this one either`)
    this.#renewFrom = now + renewEvery
    this.#deps.broker.retire(refused)
    this.#startup = undefined
    return this.lease()
  }

  /** A request was made with it. */
  onRequest(request: UpstreamRequest): void {
    this.#startup?.call.onRequest(request)
  }

  /** Gives it back. */
  end(): void {
    this.#over = true
    for (const startup of this.#begun) this.#drop(startup)
  }

  async #begin(): Promise<Startup | undefined> {
    const startup = await beginStartup(this.#deps, this.#server, this.#lane, this.#ending.signal)
    if (startup === undefined) return undefined
    this.#begun.add(startup)
    // A server that takes none of them gets no pile of live ones.
    const [oldest] = this.#begun
    if (this.#begun.size > keptCap && oldest !== undefined) this.#drop(oldest)
    this.#startup = startup
    if (this.#over) this.#drop(startup)
    else startup.call.lease.signal.addEventListener('abort', () => this.#drop(startup), { once: true })
    return startup
  }

  #drop(startup: Startup): void {
    if (this.#startup === startup) this.#startup = undefined
    if (this.#begun.delete(startup)) startup.end()
  }
}
