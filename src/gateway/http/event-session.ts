import { randomBytes } from 'node:crypto'
import type { ServerResponse } from 'node:http'
import type { JitError } from '../../core/errors.ts'
import type { Connection } from '../client/connection.ts'
import { errorAnswer, type Id } from '../protocol/jsonrpc.ts'
import type { ClientLink } from '../client/link.ts'
import { Gate } from './gate.ts'
import type { Posted } from './post.ts'
import { Readers } from './readers.ts'
import type { ClientSession, SessionDeps } from './session.ts'
import { EventStream, eventText } from './sse.ts'

/** A client of 2024-11-05: one stream for all that it is told, POSTs for what it says. The stream's end is the session's. */
export class EventSession implements ClientLink, ClientSession {
  readonly id = randomBytes(32).toString('base64url')
  readonly busy = true
  readonly lastUsed: number
  connection: Connection | undefined
  readonly #deps: SessionDeps
  readonly #readers: Readers
  readonly #gate = new Gate()
  readonly #waiting = new Set<string>()
  readonly #stream: EventStream

  /** `path`: where the client posts to; the session's id is added. */
  constructor(deps: SessionDeps, response: ServerResponse, path: string, gone: JitError) {
    this.#deps = deps
    this.#readers = new Readers(deps.clock, deps.limits.stall)
    this.lastUsed = deps.clock.monotonic()
    this.#stream = new EventStream(response, {
      clock: deps.clock,
      keepAlive: deps.limits.keepAlive,
      onBehind: (late) => this.#readers.note(late),
      onClose: () => deps.onEnd(this, gone),
    })
    this.#stream.send(eventText(`${path}?session=${this.id}`, { event: 'endpoint' }))
  }

  get open(): boolean {
    return this.#stream.open
  }

  post({ bytes, parsed, ids, done }: Posted, response: ServerResponse): void {
    this.#gate.check()
    for (const id of ids) this.#waiting.add(id)
    this.#gate.pass(() => {
      if (parsed === undefined) this.connection?.receive(bytes)
      else this.connection?.receive(bytes, parsed)
      done()
    }, done)
    response.writeHead(202).end()
  }

  answer(id: string, line: string): boolean {
    this.#waiting.delete(id)
    return line === '' || this.message(line)
  }

  message(line: string): boolean {
    return this.#stream.send(eventText(line, { event: 'message' }))
  }

  drained(callback: () => void): void {
    this.#readers.drained(callback)
  }

  probe(): boolean {
    return !this.#readers.behind
  }

  hear(on: boolean): void {
    this.#gate.set(on)
  }

  end(error: JitError): void {
    this.#deps.onEnd(this, error)
  }

  finish(error: JitError): void {
    this.#gate.close()
    for (const key of this.#waiting) {
      const id: Id | null = JSON.parse(key)
      this.message(JSON.stringify(errorAnswer(id, error)))
    }
    this.#waiting.clear()
    this.#stream.end()
  }
}
