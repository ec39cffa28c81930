import type { Clock } from '../../core/clock.ts'
import { JitError } from '../../core/errors.ts'
import type { InFlightCall } from '../../egress/types.ts'
import { mayOverlap } from './overlap.ts'

interface Waiting {
  readonly call: InFlightCall
  go(): void
}

/**
 * The calls of one lane that may be on the wire. Egress tells them apart by their request rules alone, so a call whose rules
 * could match the same request as those of a call with another lease waits until that one has ended. First come, first served.
 */
export class Turns {
  readonly #clock: Clock
  readonly #server: string
  readonly #running: InFlightCall[] = []
  readonly #waiting = new Set<Waiting>()

  constructor(clock: Clock, server: string) {
    this.#clock = clock
    this.#server = server
  }

  /** True: it is the call's turn, and `leave` ends it. False: it would have to wait. */
  tryEnter(call: InFlightCall): boolean {
    if (this.#holder(call) !== undefined) return false
    this.#running.push(call)
    return true
  }

  leave(call: InFlightCall): void {
    const place = this.#running.indexOf(call)
    if (place === -1) return
    this.#running.splice(place, 1)
    this.#advance()
  }

  #advance(): void {
    for (const waiting of this.#waiting) {
      if (this.#holder(waiting.call) !== undefined) continue
      this.#waiting.delete(waiting)
      this.#running.push(waiting.call)
      waiting.go()
    }
  }

  /** What the call waits for: a running call, or one that waited before it. */
  #holder(call: InFlightCall): InFlightCall | undefined {
    for (const running of this.#running) if (confusable(running, call)) return running
    for (const waiting of this.#waiting) {
      if (waiting.call === call) return undefined
      if (confusable(waiting.call, call)) return waiting.call
    }
    return undefined
  }

  /** For a call that could not enter: resolves when it is its turn. Throws `server.busy` after `wait` milliseconds. */
  wait(call: InFlightCall, wait: number, signal: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      const settle = (): void => {
        cancel()
        signal.removeEventListener('abort', abort)
      }
      const fail = (error: unknown): void => {
        settle()
        this.#waiting.delete(waiting)
        this.#advance()
        reject(error)
      }
      const abort = (): void => fail(signal.reason)
      const waiting = {
        call,
        go() {
          settle()
          resolve()
        },
      }
      this.#waiting.add(waiting)
      const cancel = this.#clock.after(wait, () => fail(this.#busy(call)))
      signal.addEventListener('abort', abort, { once: true })
      if (signal.aborted) abort()
    })
  }

  #busy(call: InFlightCall): JitError {
    const holder = this.#holder(call)?.call ?? 'another call'
    return new JitError(
      'server.busy',
      `${holder} still runs in server ${this.#server}, and this call could not be told from it on the wire`,
      {
        hint: 'Wait for its end, or cancel it; with `lifetime: ttl` equal calls share a lease and run side by side.',
      },
    )
  }
}

function confusable(left: InFlightCall, right: InFlightCall): boolean {
  return left.lease.id !== right.lease.id && mayOverlap(left.requests, right.requests)
}
