import type { Broker, Lease } from '../../broker/types.ts'
import type { Permission } from '../../core/types.ts'
import type { Call } from './call.ts'
import type { Trail } from './record.ts'

/** What a call has of the broker while it runs: a lease, or nothing for tools that need none. Its end ends the call. */
export class Holding {
  readonly #broker: Broker
  readonly #call: Call
  readonly #permission: Permission
  readonly #trail: Trail
  #lease: Lease | undefined

  constructor(broker: Broker, call: Call, permission: Permission, trail: Trail) {
    this.#broker = broker
    this.#call = call
    this.#permission = permission
    this.#trail = trail
  }

  get lease(): Lease | undefined {
    return this.#lease
  }

  /** lease: the live one of this scope and session, or a new one. */
  acquire(): undefined | Promise<void> {
    const { grant } = this.#permission
    if (grant.credential === 'none') return undefined
    const { id, principal, operation, ending } = this.#call
    const ask = { grant, call: id, principal, server: operation.server, tool: operation.name }
    const cached = this.#broker.cached(ask)
    if (cached === undefined) return this.#broker.acquire(ask, ending.signal).then((lease) => this.#hold(lease))
    this.#hold(cached)
    return undefined
  }

  /** Another one, in place of one that a remote server did not take. */
  async renew(): Promise<void> {
    const refused = this.#lease
    if (refused === undefined) return
    // Its end is no end of the call any more.
    this.#call.ending.unfollow()
    this.#lease = undefined
    this.#broker.retire(refused)
    this.#broker.release(refused)
    await this.acquire()
  }

  /** Gives it back. */
  release(): void {
    if (this.#lease !== undefined) this.#broker.release(this.#lease)
    this.#lease = undefined
  }

  #hold(lease: Lease): void {
    this.#lease = lease
    this.#call.ending.follow(lease.signal)
    this.#trail.leased(lease)
  }
}
