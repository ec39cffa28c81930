import { JitError } from '../../core/errors.ts'

/** Small messages take many times their size. */
const mostWaiting = 1024

/** Where messages of a client wait while its server does not read. */
export class Gate {
  #open = true
  #waiting: (() => void)[] = []

  /** Throws `server.busy` when too much waits; asked before a message is taken. */
  check(): void {
    if (this.#waiting.length >= mostWaiting) throw new JitError('server.busy', `${mostWaiting} messages wait for the server already`)
  }

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
