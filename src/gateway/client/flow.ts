import type { Clock } from '../../core/clock.ts'
import { JitError } from '../../core/errors.ts'
import { errorAnswer } from '../protocol/jsonrpc.ts'
import type { Lane } from '../lane/lane.ts'
import type { ClientLink } from './link.ts'

/** How often a client that is not heard is asked whether it is there. */
const probeEvery = 1000

/** Bytes of the longest message that any way to a client carries (api/frames.js). */
export const longestMessage = 64 * 1024 * 1024

/** What was filtered or scrubbed may have become longer than it came. */
function isTooLong(line: string): boolean {
  return line.length * 3 > longestMessage && Buffer.byteLength(line) > longestMessage
}

function tooLong(): JitError {
  return new JitError('message.too-large', `the answer has more than ${longestMessage} bytes`, { hint: 'Ask for less at once.' })
}

/** What travels between one client and its lanes, no faster than the slower end takes it: nothing that either makes piles up. */
export class Flow {
  readonly #clock: Clock
  readonly #link: ClientLink
  readonly #lanes: () => readonly Lane[]
  /** Lanes that are not heard until the client has taken what is buffered. */
  readonly #paused = new Set<Lane>()
  /** The client does not take what it is sent. */
  #isBehind = false
  /** Lanes whose server does not read what its client sends. */
  readonly #deaf = new Set<Lane>()
  #isProbing = false

  constructor(clock: Clock, link: ClientLink, lanes: () => readonly Lane[]) {
    this.#clock = clock
    this.#link = link
    this.#lanes = lanes
  }

  /** The answer to a request of the client, by its id as JSON; an empty line when it wants none any more. */
  answer(id: string, line: string): void {
    const sent = isTooLong(line) ? JSON.stringify(errorAnswer(JSON.parse(id), tooLong())) : line
    if (!this.#link.answer(id, sent)) this.#wait()
  }

  /** A notification, or a request of a server; `about`: the request of the client that it belongs to, by its id as JSON. */
  message(line: string, about?: string): void {
    if (!isTooLong(line) && !this.#link.message(line, about)) this.#wait()
  }

  /** The answer to this request (its id as JSON) comes on a stream of its server's, which began, or was ended before it. */
  stream(id: string, open: boolean): void {
    this.#link.stream?.(id, open)
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

  end(error: JitError): void {
    this.#link.end(error)
  }

  /** While the client does not take what it is sent, neither it nor its servers are heard. */
  #wait(): void {
    for (const lane of this.#lanes()) {
      if (this.#paused.has(lane)) continue
      this.#paused.add(lane)
      lane.pause()
    }
    if (this.#isBehind) return
    this.#isBehind = true
    this.#hear()
    this.#link.drained(() => {
      this.#isBehind = false
      this.#hear()
      const lanes = [...this.#paused]
      this.#paused.clear()
      for (const lane of lanes) lane.resume()
    })
  }

  /** The end of a client that is not read shows only when it is written to; one that is behind has been. */
  #probe(): void {
    if (this.#isProbing) return
    this.#isProbing = true
    this.#clock.after(probeEvery, () => {
      this.#isProbing = false
      if (this.#deaf.size === 0 || !this.#link.open) return
      if (!this.#isBehind && !this.#link.probe()) this.#wait()
      this.#probe()
    })
  }

  /** Reads the client or does not, as things stand. */
  #hear(): void {
    this.#link.hear(!this.#isBehind && this.#deaf.size === 0)
  }
}
