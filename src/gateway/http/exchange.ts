import type { ServerResponse } from 'node:http'
import type { Clock } from '../../core/clock.ts'
import type { Channel } from './channel.ts'
import type { HttpLimits } from './limits.ts'
import type { Readers } from './readers.ts'
import { EventStream, eventText } from './sse.ts'

export interface ExchangeOptions {
  readonly clock: Clock
  readonly limits: HttpLimits
  readonly readers: Readers
  /** Ids (as JSON) of the requests that were posted. */
  readonly ids: readonly string[]
  /** They were posted as an array, and are answered as one. */
  readonly isArray: boolean
  readonly accept: { readonly json: boolean; readonly events: boolean }
  /** HTTP status of an answer that comes alone. */
  status(line: string): number
  /** Headers beside the usual ones; `line`: the answer, where it comes alone. */
  headers?(line?: string): Readonly<Record<string, string>>
  /** The stream that a client can come back for; without one the events have no ids. */
  channel?(): Channel
  /** Milliseconds for `retry:` of the first event, where the client knows what that is. */
  readonly prime?: number
  /** All is answered. */
  onDone(): void
}

/** Above this the answer may still be on its way when it was handed over. */
const large = 64 * 1024

/**
 * One POST and its answer. What comes first decides its form: an answer is plain JSON, a message of the server about the
 * request begins a stream of events, and so does a silence that is too long.
 */
export class Exchange {
  readonly #response: ServerResponse
  readonly #options: ExchangeOptions
  readonly #pending: Set<string>
  readonly #lines: string[] = []
  readonly #cancelQuiet: () => void
  #stream: EventStream | undefined
  #channel: Channel | undefined
  #done = false

  constructor(response: ServerResponse, options: ExchangeOptions) {
    this.#response = response
    this.#options = options
    this.#pending = new Set(options.ids)
    this.#cancelQuiet = options.accept.events ? options.clock.after(options.limits.quiet, () => this.#begin()) : () => undefined
  }

  /** Ids (as JSON) that are not answered. */
  get pending(): ReadonlySet<string> {
    return this.#pending
  }

  /** An empty line: no answer comes. False while the client does not take what it is sent. */
  answer(id: string, line: string): boolean {
    if (this.#done) return true
    // An array has one line for all of them, or none.
    if (line.startsWith('[') || (line === '' && this.#options.isArray)) this.#pending.clear()
    else this.#pending.delete(id)
    const begun = this.#channel !== undefined || this.#stream !== undefined
    const taken = !begun || line === '' || this.#send(line)
    if (!begun && line !== '') this.#lines.push(line)
    if (this.#pending.size > 0) return taken
    if (!begun && this.#lines.length > 0 && !this.#options.accept.json) this.#begin()
    return this.#finish() && taken
  }

  /** What the server says about the request. False while the client does not take it; undefined when it takes only the answer. */
  message(line: string): boolean | undefined {
    if (this.#done || !this.#options.accept.events) return undefined
    this.#begin()
    return this.#send(line)
  }

  /** Its answer comes on a stream, for who takes one. */
  begin(): void {
    if (this.#options.accept.events) this.#begin()
  }

  /** Ends the stream before the answer, which is kept for when the client comes back. */
  sendAway(): void {
    if (this.#done || this.#stream === undefined || this.#channel === undefined) return
    this.#channel.detach(this.#stream)
    this.#stream.end()
  }

  /** One answer for all that is not answered, as plain JSON where nothing was sent yet. */
  fail(line: string): void {
    this.#pending.clear()
    this.answer('', line)
  }

  #begin(): void {
    if (this.#done || this.#stream !== undefined) return
    const { clock, limits, readers, channel, prime, headers } = this.#options
    this.#cancelQuiet()
    this.#channel = channel?.()
    const stream = new EventStream(this.#response, {
      clock,
      keepAlive: limits.keepAlive,
      headers: headers?.() ?? {},
      onBehind: (response) => readers.note(response),
      onClose: () => this.#channel?.detach(stream),
    })
    this.#stream = stream
    this.#channel?.attach(stream, prime === undefined ? {} : { prime })
    for (const line of this.#lines.splice(0)) this.#send(line)
  }

  #send(line: string): boolean {
    return this.#channel === undefined ? (this.#stream?.send(eventText(line)) ?? true) : this.#channel.send(line)
  }

  #finish(): boolean {
    this.#done = true
    this.#cancelQuiet()
    this.#options.onDone()
    if (this.#stream === undefined) return this.#plain()
    if (this.#channel === undefined) this.#stream.end()
    else this.#channel.end()
    return true
  }

  /** What was cancelled has no answer. */
  #plain(): boolean {
    const response = this.#response
    if (response.destroyed) return true
    const [first] = this.#lines
    if (first === undefined) {
      response.writeHead(202).end()
      return true
    }
    const { isArray, status, headers, readers } = this.#options
    const body = isArray && !first.startsWith('[') ? `[${this.#lines.join(',')}]` : first
    const extra = headers?.(first)
    const length = Buffer.byteLength(body)
    response.writeHead(status(first), {
      'content-type': 'application/json',
      'content-length': length,
      'cache-control': 'no-store',
      ...extra,
    })
    response.end(body)
    if (length < large || response.writableFinished) return true
    readers.note(response)
    return false
  }
}
