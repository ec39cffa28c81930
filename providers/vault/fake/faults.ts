import type { IncomingMessage } from 'node:http'
import { pauseFor } from '../../../test/support/pause.ts'
import type { Answer } from './state.ts'

/** A failure chosen by input: which requests, and what happens to them. */
export interface Fault {
  readonly method?: string
  readonly path: RegExp
  readonly status?: number
  readonly body?: unknown
  readonly headers?: Readonly<Record<string, string>>
  /** Milliseconds before the answer; ends early when the client goes away. */
  readonly delay?: number
  /** Closes the connection instead of an answer. */
  readonly cut?: boolean
  /** The request takes effect, and then the fault happens. */
  readonly after?: boolean
}

export class Faults {
  readonly #active = new Set<Fault>()
  readonly #closing = new AbortController()

  add(fault: Fault): () => void {
    this.#active.add(fault)
    return () => void this.#active.delete(fault)
  }

  async meet(method: string, path: string, request: IncomingMessage, after: boolean): Promise<Answer | 'cut' | undefined> {
    const fault = [...this.#active].find(
      (one) => (one.method ?? method) === method && one.path.test(path) && (one.after ?? false) === after,
    )
    if (fault === undefined) return undefined
    if (fault.delay !== undefined) await pauseFor(request, fault.delay, this.#closing.signal)
    if (fault.cut === true) return 'cut'
    if (fault.status === undefined) return undefined
    const { status, headers = {} } = fault
    return { status, headers, body: fault.body ?? { errors: ['a fault of the stand-in'] } }
  }

  release(): void {
    this.#closing.abort()
  }
}
