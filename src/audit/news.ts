/** Wakes those who wait for the next record. */
export class News {
  readonly #waiting = new Set<() => void>()
  #over = false

  tell(): void {
    for (const wake of this.#waiting) wake()
  }

  /** No more news will come: whoever waits, or will, is woken. */
  end(): void {
    this.#over = true
    this.tell()
  }

  get over(): boolean {
    return this.#over
  }

  /** Until the next `tell` or `end`, or until the signal aborts. */
  wait(signal: AbortSignal): Promise<void> {
    return new Promise((settle) => {
      const wake = (): void => {
        this.#waiting.delete(wake)
        signal.removeEventListener('abort', wake)
        settle()
      }
      this.#waiting.add(wake)
      signal.addEventListener('abort', wake)
      if (signal.aborted || this.#over) wake()
    })
  }
}
