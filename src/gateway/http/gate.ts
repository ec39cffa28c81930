/** Where messages of a client wait while its server does not read. */
export class Gate {
  #open = true
  #waiting: (() => void)[] = []

  /** Runs `work` now, or in its turn once the gate is open. */
  pass(work: () => void): void {
    if (this.#open && this.#waiting.length === 0) work()
    else this.#waiting.push(work)
  }

  set(open: boolean): void {
    this.#open = open
    while (this.#open) {
      const work = this.#waiting.shift()
      if (work === undefined) return
      work()
    }
  }
}
