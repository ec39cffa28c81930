import type { Server, Socket } from 'node:net'
import { CONTROL, frame } from '../api/frames.js'
import { JitError, toJitError } from '../core/errors.ts'
import type { Surroundings } from '../core/types.ts'

export interface DoorLimits {
  /** Connections at once, with those that have not said hello. */
  readonly connections: number
  /** Milliseconds from a connection to its hello. */
  readonly helloWithin: number
  /** Milliseconds that whoever is refused has to read why. */
  readonly lingering: number
  /** Refused ones that may read why at once; what comes beyond is closed without a word. */
  readonly refused: number
}

export const doorLimits: DoorLimits = { connections: 256, helloWithin: 10_000, lingering: 1000, refused: 64 }

export interface DoorDeps extends Surroundings {
  /** Throws for a peer that is not taken. */
  admit(socket: Socket): unknown
  /** Speaks with the shim. */
  accept(socket: Socket): void
}

/** Lets shims in: so many, and none that says nothing. */
export class Door {
  readonly #deps: DoorDeps
  readonly #limits: DoorLimits
  /** Connections, and what cancels the wait for their hello. */
  readonly #open = new Map<Socket, () => void>()
  #full = false

  constructor(deps: DoorDeps, limits: DoorLimits = doorLimits) {
    this.#deps = deps
    this.#limits = limits
  }

  guard(server: Server): void {
    server.maxConnections = this.#limits.connections + this.#limits.refused
    server.on('connection', (socket) => this.#take(socket))
  }

  /** This one has said hello and was welcomed. */
  welcomed(socket: Socket): void {
    this.#open.get(socket)?.()
  }

  #take(socket: Socket): void {
    try {
      // Before anything is counted: another account takes nobody's place.
      this.#deps.admit(socket)
      this.#checkRoom()
    } catch (error) {
      return this.#refuse(socket, toJitError(error))
    }
    const { helloWithin } = this.#limits
    this.#open.set(
      socket,
      this.#deps.clock.after(helloWithin, () => socket.destroy()),
    )
    socket.once('close', () => {
      this.#open.get(socket)?.()
      this.#open.delete(socket)
      this.#full = false
    })
    this.#deps.accept(socket)
  }

  #checkRoom(): void {
    const { connections } = this.#limits
    if (this.#open.size < connections) return
    if (!this.#full) this.#deps.log.warn('no room for another connection', { connections })
    this.#full = true
    throw new JitError('daemon.busy', `the daemon has ${connections} connections of clients, and takes no more`)
  }

  /** What the other end says is read and thrown away: unread, it would cost it the answer. */
  #refuse(socket: Socket, { code, message, hint, rpcCode }: JitError): void {
    socket.on('error', () => socket.destroy())
    socket.once(
      'close',
      this.#deps.clock.after(this.#limits.lingering, () => socket.destroy()),
    )
    socket.resume()
    socket.end(frame(CONTROL, JSON.stringify({ error: { code, message, hint, rpc: rpcCode } })))
  }
}
