import type { Duplex } from 'node:stream'
import type { Refusals } from './refusals.ts'
import { Room } from './room.ts'
import type { InFlightCall, LaneEgress } from './types.ts'

/** A request under way with a call's token. */
export interface Running {
  /** The call it is booked on; another one with the same lease takes over when that call ends. */
  owner: InFlightCall
  /** Whether another call in flight could have made it too. */
  couldBe(call: InFlightCall): boolean
  /** Destroys both sides. */
  stop(): void
}

/** A call in flight, and its requests: those under way, and how many there were. */
interface Bookings {
  readonly call: InFlightCall
  readonly running: Set<Running>
  count: number
}

/** Connections that a lane has when nothing else is said. */
export const socketsPerLane = 64

/** Bytes of bodies that are read whole to be signed: of one lane, and of all. */
export const heldPerLane = 32 * 1024 * 1024
export const heldByAll = 128 * 1024 * 1024

/** What egress knows of one lane while it lives. */
export class Lane {
  readonly options: LaneEgress
  readonly nonce: string
  readonly refusals: Refusals
  /** For what its requests hold. */
  readonly room: Room
  readonly #calls: Bookings[] = []
  readonly #limit: number
  readonly #sockets = new Set<Duplex>()
  /** Those of them that have not shown yet that they are this lane's, oldest first. */
  readonly #strangers = new Set<Duplex>()
  #closed = false

  constructor(options: LaneEgress, nonce: string, refusals: Refusals, limit = socketsPerLane, all?: Room) {
    this.room = new Room(heldPerLane, all)
    this.#limit = limit
    this.options = options
    this.nonce = nonce
    this.refusals = refusals
  }

  get calls(): readonly InFlightCall[] {
    return this.#calls.map(({ call }) => call)
  }

  begin(call: InFlightCall): () => void {
    if (!this.#closed) this.#calls.push({ call, running: new Set(), count: 0 })
    return () => this.#end(call)
  }

  /**
   * Keeps a client's connection, to destroy it with the lane; what is wrong when there is no room. A stranger, which has not
   * shown a credential of the lane, takes nobody's place: whoever comes later gets that of the oldest one.
   */
  keep(socket: Duplex, isStranger = false): string | undefined {
    if (this.#closed) return 'the lane has ended'
    if (this.#sockets.size >= this.#limit) {
      const [oldest] = this.#strangers
      if (oldest === undefined) return `more than ${this.#limit} connections of one lane`
      this.#forget(oldest)
      oldest.destroy()
    }
    this.#sockets.add(socket)
    if (isStranger) this.#strangers.add(socket)
    socket.once('close', () => this.#forget(socket))
    return undefined
  }

  /** This connection has shown a credential of the lane. */
  prove(socket: Duplex): void {
    this.#strangers.delete(socket)
  }

  /** Books a request on its call; the returned function takes it off again. False: the call has ended meanwhile. */
  run(running: Running): (() => void) | false {
    const bookings = this.#of(running.owner)
    if (bookings === undefined) return false
    bookings.running.add(running)
    bookings.count += 1
    return () => this.#of(running.owner)?.running.delete(running)
  }

  /** How many requests were booked on a call so far. */
  load(call: InFlightCall): number {
    return this.#of(call)?.count ?? 0
  }

  close(): void {
    this.#closed = true
    for (const call of this.calls) this.#end(call)
    for (const socket of this.#sockets) socket.destroy()
    this.refusals.flush()
  }

  #of(call: InFlightCall): Bookings | undefined {
    return this.#calls.find((bookings) => bookings.call === call)
  }

  #forget(socket: Duplex): void {
    this.#sockets.delete(socket)
    this.#strangers.delete(socket)
  }

  /** Equal calls may share a lease: the request of one that still runs must not die with another. */
  #end(call: InFlightCall): void {
    const bookings = this.#of(call)
    if (bookings === undefined) return
    this.#calls.splice(this.#calls.indexOf(bookings), 1)
    for (const running of bookings.running) {
      const heir = this.calls.find((other) => other.lease.id === call.lease.id && running.couldBe(other))
      if (heir === undefined) running.stop()
      else {
        running.owner = heir
        this.#of(heir)?.running.add(running)
      }
    }
  }
}
