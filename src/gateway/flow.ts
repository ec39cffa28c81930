import type { Socket } from 'node:net'
import { Outlet } from '../api/outlet.js'
import type { Lane } from './lane.ts'

/** What travels between one client and its lanes, no faster than the slower end takes it: nothing that either makes piles up. */
export class Flow {
  readonly #socket: Socket
  readonly #lanes: () => readonly Lane[]
  readonly #outlet: Outlet
  /** Lanes that are not heard until the client has taken what is buffered. */
  readonly #paused = new Set<Lane>()
  /** The client does not take what it is sent. */
  #isBehind = false
  /** Lanes whose server does not read what its client sends. */
  readonly #deaf = new Set<Lane>()

  constructor(socket: Socket, lanes: () => readonly Lane[]) {
    this.#socket = socket
    this.#lanes = lanes
    this.#outlet = new Outlet(socket)
  }

  /** One frame. While the client does not take what it is sent, neither it nor its servers are heard. */
  toClient(bytes: Buffer): void {
    if (this.#outlet.send(bytes)) return
    for (const lane of this.#lanes()) {
      if (this.#paused.has(lane)) continue
      this.#paused.add(lane)
      lane.pause()
    }
    if (this.#isBehind) return
    this.#isBehind = true
    this.#hear()
    this.#socket.once('drain', () => {
      this.#isBehind = false
      this.#hear()
      const lanes = [...this.#paused]
      this.#paused.clear()
      for (const lane of lanes) lane.resume()
    })
  }

  /** One message to every lane. While one of them does not read it, the client is not heard. */
  toServers(bytes: Buffer): void {
    for (const lane of this.#lanes()) {
      if (lane.send(bytes) || this.#deaf.has(lane)) continue
      this.#deaf.add(lane)
      this.#hear()
      lane.drained(() => {
        this.#deaf.delete(lane)
        this.#hear()
      })
    }
  }

  /** One frame, and no other after it. */
  end(last: Buffer): void {
    this.#outlet.end(last)
  }

  /** Reads the client or does not, as things stand. */
  #hear(): void {
    if (this.#isBehind || this.#deaf.size > 0) this.#socket.pause()
    else this.#socket.resume()
  }
}
