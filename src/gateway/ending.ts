import { type JitError, toJitError } from '../core/errors.ts'
import { ShortLivedSet } from '../core/short-lived.ts'

/** Who ends with a signal. One listener on the signal serves them all. */
const followers = new WeakMap<AbortSignal, ShortLivedSet<Ending>>()

/**
 * How one request is ended from outside, with the reason. It does what an AbortController does at a fraction of the cost, and
 * makes a real signal only for those that ask for one: every call has an ending, and few are ended.
 */
export class Ending {
  #reason: JitError | undefined
  #listeners: ((reason: JitError) => void)[] = []
  #abort: AbortController | undefined
  #leave: (() => void) | undefined

  /** Undefined until it has ended. */
  get reason(): JitError | undefined {
    return this.#reason
  }

  /** Aborts with the reason. */
  get signal(): AbortSignal {
    this.#abort ??= new AbortController()
    if (this.#reason !== undefined) this.#abort.abort(this.#reason)
    return this.#abort.signal
  }

  /** The first reason counts. */
  end(reason: JitError): void {
    if (this.#reason !== undefined) return
    this.#reason = reason
    this.unfollow()
    const listeners = this.#listeners
    this.#listeners = []
    for (const listener of listeners) listener(reason)
    this.#abort?.abort(reason)
  }

  /** Calls back once when it ends; at once when it has. */
  on(listener: (reason: JitError) => void): void {
    if (this.#reason === undefined) this.#listeners.push(listener)
    else listener(this.#reason)
  }

  off(listener: (reason: JitError) => void): void {
    const index = this.#listeners.indexOf(listener)
    if (index !== -1) this.#listeners.splice(index, 1)
  }

  throwIfEnded(): void {
    if (this.#reason !== undefined) throw this.#reason
  }

  /** Ends with the signal, for the signal's reason, until `unfollow`. It follows one at a time. */
  follow(signal: AbortSignal): void {
    this.unfollow()
    if (signal.aborted) return this.end(toJitError(signal.reason))
    this.#leave = followersOf(signal).add(this)
  }

  unfollow(): void {
    this.#leave?.()
    this.#leave = undefined
  }
}

function followersOf(signal: AbortSignal): ShortLivedSet<Ending> {
  const known = followers.get(signal)
  if (known !== undefined) return known
  const made = new ShortLivedSet<Ending>()
  followers.set(signal, made)
  signal.addEventListener(
    'abort',
    () => {
      for (const ending of made) ending.end(toJitError(signal.reason))
    },
    { once: true },
  )
  return made
}
