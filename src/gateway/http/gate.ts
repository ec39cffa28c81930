import { JitError } from '../../core/errors.ts'

/** Small messages take many times their size. */
const mostWaiting = 1024

/** Where messages of a client wait while its server does not read. */
export class Gate {
  #open = true
  #closed = false
  #waiting: { readonly work: () => void; readonly drop: () => void }[] = []

  /** Throws `server.busy` when too much waits; asked before a message is taken. */
  check(): void {
    if (this.#waiting.length >= mostWaiting) throw new JitError('server.busy', `${mostWaiting} messages wait for the server already`)
  }

  /** Runs `work` now, or in its turn once the gate is open; or `drop` when it is closed for good. */
  pass(work: () => void, drop: () => void): void {
    if (this.#closed) drop()
    else if (this.#open && this.#waiting.length === 0) work()
    else this.#waiting.push({ work, drop })
  }

  set(open: boolean): void {
    this.#open = open
    while (this.#open) {
      const next = this.#waiting.shift()
      if (next === undefined) return
      next.work()
    }
  }

  /** Nothing passes any more, and what waits does not either: who sent it may have lost the right to. */
  close(): void {
    this.#closed = true
    for (const { drop } of this.#waiting.splice(0)) drop()
  }
}
