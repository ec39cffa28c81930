import type { ServerResponse } from 'node:http'
import type { Clock } from '../../core/clock.ts'

/** The responses of one client that do not take what they were sent. What is sent to the client waits for all of them. */
export class Readers {
  readonly #clock: Clock
  readonly #stall: number
  readonly #behind = new Map<ServerResponse, () => void>()
  #waiting: (() => void)[] = []

  /** `stall`: milliseconds after which a response that takes nothing is cut. */
  constructor(clock: Clock, stall: number) {
    this.#clock = clock
    this.#stall = stall
  }

  get behind(): boolean {
    return this.#behind.size > 0
  }

  note(response: ServerResponse): void {
    if (this.#behind.has(response)) return
    if (response.destroyed) return
    const done = (): void => {
      cancel()
      response.off('drain', done).off('finish', done).off('close', done)
      this.#behind.delete(response)
      if (this.#behind.size === 0) this.#release()
    }
    const cancel = this.#clock.after(this.#stall, () => response.destroy())
    this.#behind.set(response, done)
    response.once('drain', done).once('finish', done).once('close', done)
  }

  /** Calls back once all have taken what they were sent, or are gone. */
  drained(callback: () => void): void {
    if (this.#behind.size === 0) callback()
    else this.#waiting.push(callback)
  }

  #release(): void {
    const waiting = this.#waiting
    this.#waiting = []
    for (const callback of waiting) callback()
  }
}
