import type { Clock } from '../core/clock.ts'
import type { JitError } from '../core/errors.ts'

/** Aborts `abort` with `reason()` after `delay` milliseconds; the returned function calls it off. */
export function abortAfter(clock: Clock, delay: number, abort: AbortController, reason: () => JitError): () => void {
  return clock.after(delay, () => abort.abort(reason()))
}

/** What `work` settles to, or the signal's reason when that comes first: also when whoever does the work ignores the signal. */
export function raceSignal<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const abort = (): void => reject(signal.reason)
    const done = (): void => signal.removeEventListener('abort', abort)
    if (signal.aborted) abort()
    else signal.addEventListener('abort', abort, { once: true })
    work.then(
      (value) => {
        done()
        resolve(value)
      },
      (error: unknown) => {
        done()
        reject(error)
      },
    )
  })
}

/** Resolves after `delay` milliseconds, or at once when the signal aborts. */
export function pause(clock: Clock, delay: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) return resolve()
    const end = (): void => {
      cancel()
      signal.removeEventListener('abort', end)
      resolve()
    }
    const cancel = clock.after(delay, end)
    signal.addEventListener('abort', end, { once: true })
  })
}

/** `base` doubled for each attempt after the first, give or take half, so that many do not come back at once. */
export function backOff(base: number, attempt: number): number {
  return base * 2 ** (attempt - 1) * (0.5 + Math.random())
}

/** Lets `width` pieces of work run at a time, in the order they came. */
export class Gate {
  readonly #width: number
  readonly #queue: (() => void)[] = []
  #running = 0

  constructor(width: number) {
    this.#width = width
  }

  async run<T>(work: () => Promise<T>): Promise<T> {
    if (this.#running >= this.#width) await new Promise<void>((resolve) => this.#queue.push(resolve))
    else this.#running += 1
    try {
      return await work()
    } finally {
      const next = this.#queue.shift()
      if (next === undefined) this.#running -= 1
      else next()
    }
  }
}
