import type { Socket } from 'node:net'
import { CONTROL, frame } from '../api/frames.js'
import { Outlet } from '../api/outlet.js'
import type { Clock } from '../core/clock.ts'
import type { Lane } from './lane.ts'

/** How often a client that is not heard is asked whether it is there. */
const probeEvery = 1000
/** It says nothing. The system answers for a client that is gone: it cannot be sent. */
const probe = frame(CONTROL, '{}')

/** What travels between one client and its lanes, no faster than the slower end takes it: nothing that either makes piles up. */
export class Flow {
  readonly #clock: Clock
  readonly #socket: Socket
  readonly #lanes: () => readonly Lane[]
  readonly #outlet: Outlet
  /** Lanes that are not heard until the client has taken what is buffered. */
  readonly #paused = new Set<Lane>()
  /** The client does not take what it is sent. */
  #isBehind = false
  /** Lanes whose server does not read what its client sends. */
  readonly #deaf = new Set<Lane>()
  #isProbing = false

  constructor(clock: Clock, socket: Socket, lanes: () => readonly Lane[]) {
    this.#clock = clock
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
      this.#probe()
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

  /** The end of a client that is not read shows only when it is written to; one that is behind has been. */
  #probe(): void {
    if (this.#isProbing) return
    this.#isProbing = true
    this.#clock.after(probeEvery, () => {
      this.#isProbing = false
      if (this.#deaf.size === 0 || !this.#socket.writable) return
      if (!this.#isBehind) this.toClient(probe)
      this.#probe()
    })
  }

  /** Reads the client or does not, as things stand. */
  #hear(): void {
    if (this.#isBehind || this.#deaf.size > 0) this.#socket.pause()
    else this.#socket.resume()
  }
}
