import { JitError } from '../../core/errors.ts'
import { type JsonObject, scalarJson } from '../../core/json.ts'
import { ShortLivedMap } from '../../core/short-lived.ts'
import type { Ending } from '../ending.ts'
import { errorAnswer, type Id } from '../protocol/jsonrpc.ts'
import type { Outgoing } from '../upstream/upstream.ts'

export interface RequestsOptions {
  readonly server: string
  /** Longest line of an answer in bytes. */
  cap(): number
  /** Bytes that the child was sent and has not read. */
  backlog(): number
  send(line: string | Buffer, request?: Outgoing): void
  warn(message: string, text: () => string): void
}

type Waiting = (answer: { line: string; value: JsonObject } | JitError) => void

/** Bytes that wait for a server to read them; calls that are cancelled leave theirs behind. */
const backlogCap = 16 * 1024 * 1024

/** What one child was asked and has not answered. */
export class Requests {
  readonly #options: RequestsOptions
  readonly #waiting = new ShortLivedMap<Waiting>()
  #ended: JitError | undefined

  constructor(options: RequestsOptions) {
    this.#options = options
  }

  get size(): number {
    return this.#waiting.size
  }

  /** Whether the request of this id (as JSON) is under way. */
  has(id: string): boolean {
    return this.#waiting.has(id)
  }

  /** The id (as JSON) of the newest request under way. */
  get latest(): string | undefined {
    return [...this.#waiting.keys()].at(-1)
  }

  /** Sends a request and answers with the child's line; the id is unique among those under way. */
  ask(request: Outgoing, line: string | Buffer, ending: Ending): Promise<{ line: string; value: JsonObject }> {
    const { id } = request
    const key = scalarJson(id)
    const { server, backlog, send } = this.#options
    return new Promise((resolve, reject) => {
      if (this.#ended !== undefined) return reject(this.#ended)
      if (ending.reason !== undefined) return reject(ending.reason)
      if (backlog() > backlogCap) return reject(new JitError('server.busy', `server ${server} does not read what it was sent before`))
      const cancel = (reason: JitError): void => {
        this.#waiting.delete(key)
        send(JSON.stringify({ jsonrpc: '2.0', method: 'notifications/cancelled', params: { requestId: id } }))
        reject(reason)
      }
      ending.on(cancel)
      this.#waiting.set(key, (answer) => {
        ending.off(cancel)
        if (answer instanceof JitError) reject(answer)
        else resolve(answer)
      })
      send(line, request)
    })
  }

  answered(id: Id | null, answer: { line: string; value: JsonObject }): void {
    const key = id === null ? 'null' : scalarJson(id)
    if (!this.#settle(key, answer)) this.#options.warn('answer to no request dropped', () => key)
  }

  /** An answer that does not count: its request gets the error. */
  fail(id: Id | null, error: JitError): void {
    this.#settle(id === null ? 'null' : scalarJson(id), error)
  }

  /**
   * A line over the cap: its request gets an error. Where no id can be seen at either end of what looks like a message, and it is
   * none of the server's own, every request does: one of them would wait for ever.
   */
  tooLong(bytes: number, head: Buffer, tail: Buffer = Buffer.alloc(0)): void {
    const { server, cap, warn, send } = this.#options
    warn('line over the cap dropped', () => `${bytes} bytes`)
    const error = new JitError('message.too-large', `server ${server} sent ${bytes} bytes; the cap is ${cap()}`, {
      hint: 'Raise `limits.resultBytes` if it is meant.',
    })
    const begins = head.toString('latin1', 0, 300)
    // No message at all: whatever it answers to is still to come.
    if (!/^\s*[{[]/.test(begins)) return
    const id = /"id"\s*:\s*(\d{1,15}|"[^"\\]{0,200}")/.exec(begins)?.[1]
    if (/^\s*\{[^{[]{0,280}"method"\s*:/.test(begins)) {
      if (id !== undefined) send(JSON.stringify(errorAnswer(JSON.parse(id), error)))
      return
    }
    // The envelope's own: nothing that stands deeper comes before it.
    if (id !== undefined && /^\s*\{\s*(?:"jsonrpc"\s*:\s*"2\.0"\s*,\s*)?"id"\s*:/.test(begins)) return void this.#settle(id, error)
    const last = /,\s*"id"\s*:\s*(\d{1,15}|"[^"\\]{0,200}")\s*\}\s*$/.exec(tail.toString('latin1'))?.[1]
    for (const own of [id, last]) if (own !== undefined && this.#settle(own, error)) return
    for (const own of this.#waiting.keys()) this.#settle(own, error)
  }

  /** The child is gone: what waits, and whatever is asked from now on, fails with the reason. */
  end(reason: JitError): void {
    this.#ended = reason
    for (const waiting of this.#waiting.values()) waiting(reason)
    this.#waiting.clear()
  }

  /** False when nobody waits for it. */
  #settle(key: string, answer: { line: string; value: JsonObject } | JitError): boolean {
    const waiting = this.#waiting.get(key)
    if (waiting === undefined) return false
    this.#waiting.delete(key)
    waiting(answer)
    return true
  }
}
