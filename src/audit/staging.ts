import type { Entry } from './record.ts'

/** One turn's records. They share their fate, and so those who wait for them share a promise. */
interface Staged extends PromiseWithResolvers<void> {
  readonly entries: Entry[]
}

/**
 * Collects the records of one turn of the event loop, which are written together at its end. While they come one at a time, each is
 * written at once instead: nobody else's would come with it.
 */
export class Staging {
  readonly #write: (entries: readonly Entry[]) => void
  #staged: Staged | undefined
  /** Of this turn of the event loop, and of the last one in which there were any. */
  #count = 0
  #lastCount = 0

  /** `write` puts all of them into the file or throws. */
  constructor(write: (entries: readonly Entry[]) => void) {
    this.#write = write
  }

  /** Resolves once the record is in the file; rejects with what `write` threw. */
  add(entry: Entry): Promise<void> {
    if (this.#count === 0) setImmediate(this.#endTurn)
    this.#count += 1
    if (this.#staged === undefined) {
      this.#staged = { entries: [], ...Promise.withResolvers<void>() }
      if (this.#count === 1 && this.#lastCount <= 1) process.nextTick(this.#flush)
    }
    this.#staged.entries.push(entry)
    return this.#staged.promise
  }

  /** Writes what there is now: all of it is in the file, or none is and each waiter hears why. Never throws. */
  flush(): void {
    const staged = this.#staged
    if (staged === undefined) return
    this.#staged = undefined
    try {
      this.#write(staged.entries)
      staged.resolve()
    } catch (error) {
      staged.reject(error)
    }
  }

  readonly #flush = (): void => this.flush()

  readonly #endTurn = (): void => {
    this.#lastCount = this.#count
    this.#count = 0
    this.flush()
  }
}
