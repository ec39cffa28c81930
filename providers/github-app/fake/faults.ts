import type { IncomingMessage, ServerResponse } from 'node:http'
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
  /** Closes the connection instead of an answer, before anything has happened; `half`: in the middle of it, when all has. */
  readonly cut?: boolean | 'half'
  /** Another body than what the request achieved. */
  readonly change?: (body: unknown) => unknown
  /** Milliseconds between the bytes of the answer. */
  readonly drip?: number
  /** Answers by itself, with whatever it makes of the request. */
  readonly reply?: (request: IncomingMessage, response: ServerResponse) => void | Promise<void>
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
  /** The fault that this request meets, after its delay. */
  meet(method: string, path: string, request: IncomingMessage): Promise<Fault | undefined>
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
      return fault
    },
    release: () => closing.abort(),
  }
}

/** What it answers in place of the stand-in; undefined when the request is answered as usual. */
export function answerOf({ status, body, headers = {} }: Fault): Answer | undefined {
  return status === undefined ? undefined : { status, headers, body: body ?? { message: 'a fault of the stand-in' } }
}

/** Sends the body as the fault has it: byte by byte, or only half of it. */
export async function send(response: ServerResponse, text: string, fault: Fault | undefined): Promise<void> {
  if (fault?.cut === 'half') {
    response.write(text.slice(0, text.length / 2))
    await new Promise((resolve) => setImmediate(resolve))
    response.destroy()
  } else if (fault?.drip === undefined) response.end(text)
  else {
    for (const letter of text) {
      if (response.destroyed) return
      response.write(letter)
      await pauseFor(response.req, fault.drip)
    }
    response.end()
  }
}

function fits(pattern: string | RegExp | undefined, path: string): boolean {
  return pattern === undefined || (typeof pattern === 'string' ? pattern === path : pattern.test(path))
}
