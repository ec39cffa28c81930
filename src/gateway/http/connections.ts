import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import type { HttpLimits } from './limits.ts'

/**
 * The connections of the door. Whoever has shown no token makes room for whoever comes next, oldest first, so that nobody on this
 * machine can close the door by standing in it; and no token has more than its share.
 */
export class Connections {
  readonly #limits: Pick<HttpLimits, 'connections' | 'connectionsOfToken'>
  /** Oldest first. */
  readonly #strangers = new Set<Socket>()
  readonly #known = new Map<Socket, string>()
  /** The last answer of each. */
  readonly #answers = new WeakMap<Socket, ServerResponse>()

  constructor(limits: Pick<HttpLimits, 'connections' | 'connectionsOfToken'>) {
    this.#limits = limits
  }

  /** A new one; some other is closed for it, or it is when there is none to close. */
  add(socket: Socket): void {
    if (this.#strangers.size + this.#known.size >= this.#limits.connections) {
      const [oldest = socket] = this.#strangers
      this.#strangers.delete(oldest)
      oldest.destroy()
      if (oldest === socket) return
    }
    this.#strangers.add(socket)
    socket.once('close', () => {
      this.#strangers.delete(socket)
      this.#known.delete(socket)
    })
  }

  /**
   * False when the request before it is not answered: many in one packet would all be under way at once, and what they are
   * answered would wait in memory for one reader.
   */
  begins({ socket }: IncomingMessage, response: ServerResponse): boolean {
    const before = this.#answers.get(socket)
    if (before !== undefined && !before.writableFinished && !before.destroyed) return false
    this.#answers.set(socket, response)
    return true
  }

  /** A token was shown here, by name; undefined for a wrong one. False when it has its share of connections without this one. */
  shows(socket: Socket, name: string | undefined): boolean {
    if (socket.destroyed || this.#known.get(socket) === name) return true
    this.#known.delete(socket)
    this.#strangers.delete(socket)
    const isFull =
      name !== undefined && [...this.#known.values()].filter((other) => other === name).length >= this.#limits.connectionsOfToken
    if (name === undefined || isFull) this.#strangers.add(socket)
    else this.#known.set(socket, name)
    return !isFull
  }
}
