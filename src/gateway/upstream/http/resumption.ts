/** Milliseconds until the first resumption, unless the server says otherwise. */
const resumeAfter = 1000
const longestWait = 60_000
/** Whatever the server asks for: nobody is to have it asked for as fast as the machine can. */
const shortestWait = 100
/** One after the other that brought nothing. */
const resumeTries = 5

/** When the answer to a request, whose stream broke off, is asked for again; the server keeps it for whoever names the last event. */
export class Resumption {
  #lastId = ''
  #retry = resumeAfter
  #tries = 0

  /** The last event that came; empty: none that could be named, so that nothing can be resumed. */
  get lastId(): string {
    return this.#lastId
  }

  /** Something came. */
  heard(): void {
    this.#tries = 0
  }

  /** The server wants to be left alone for so long, in milliseconds. */
  wait(delay: number): void {
    this.#retry = Math.max(shortestWait, Math.min(delay, longestWait))
  }

  /** The stream is over; `lastId`: of its last event, empty when it named none. */
  over(lastId: string): void {
    if (lastId !== '' && lastId !== this.#lastId) this.#tries = 0
    if (lastId !== '') this.#lastId = lastId
  }

  /** Milliseconds until it is asked for again; undefined when that is over. */
  next(): number | undefined {
    if (this.#lastId === '' || this.#tries >= resumeTries) return undefined
    const delay = Math.min(longestWait, this.#retry * 2 ** this.#tries)
    this.#tries += 1
    return delay
  }
}
