import type { IncomingMessage } from 'node:http'
import { pauseFor } from '../../../test/support/pause.ts'
import type { Answer } from './answers.ts'

/** A failure chosen by input: which requests, and what happens to them. */
export interface Fault {
  readonly match: { readonly method?: string; readonly path?: string | RegExp }
  readonly status?: number
  readonly body?: unknown
  readonly headers?: Record<string, string>
  /** Milliseconds before the answer; ends early when the client goes away. */
  readonly delay?: number
  /** Closes the connection instead of an answer. */
  readonly cut?: boolean
  /** How often; always when absent. */
  readonly times?: number
}

export interface HeldFault {
  /** Resolves when a request has met this fault. */
  hit(): Promise<void>
  remove(): void
}

export function createFaults(): {
  add(fault: Fault): HeldFault
  meet(method: string, path: string, request: IncomingMessage): Promise<Answer | 'cut' | undefined>
  release(): void
} {
  const active: { fault: Fault; left: number; met: () => void }[] = []
  const closing = new AbortController()
  return {
    add(fault) {
      let met: () => void = () => undefined
      const hit = new Promise<void>((resolve) => (met = resolve))
      const entry = { fault, left: fault.times ?? Number.POSITIVE_INFINITY, met }
      active.push(entry)
      return { hit: () => hit, remove: () => void active.splice(active.indexOf(entry), 1) }
    },
    async meet(method, path, request) {
      const entry = active.find(({ fault, left }) => left > 0 && (fault.match.method ?? method) === method && fits(fault.match.path, path))
      if (entry === undefined) return undefined
      entry.left -= 1
      entry.met()
      const { fault } = entry
      if (fault.delay !== undefined) await pauseFor(request, fault.delay, closing.signal)
      if (fault.cut === true) return 'cut'
      return fault.status === undefined
        ? undefined
        : {
            status: fault.status,
            body: fault.body ?? { message: 'a fault of the stand-in' },
            ...(fault.headers === undefined ? {} : { headers: fault.headers }),
          }
    },
    release: () => closing.abort(),
  }
}

function fits(pattern: string | RegExp | undefined, path: string): boolean {
  return pattern === undefined || (typeof pattern === 'string' ? pattern === path : pattern.test(path))
}
