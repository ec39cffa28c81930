import type { IncomingHttpHeaders, ServerResponse } from 'node:http'
import { JitError } from '../../core/errors.ts'
import { isJsonObject, type Json, type JsonObject, scalarJson } from '../../core/json.ts'
import { ShortLivedMap } from '../../core/short-lived.ts'
import type { Connection } from '../client/connection.ts'
import { errorAnswer, type Id, type Message } from '../protocol/jsonrpc.ts'
import { metaOf, parseLine, withParams } from '../protocol/params.ts'
import { type ParameterHeader, ToolHeaders } from '../protocol/tool-headers.ts'
import type { ClientLink } from '../client/link.ts'
import { Exchange } from './exchange.ts'
import { Gate } from './gate.ts'
import { statusOf, withId } from './line.ts'
import { checkMetadata } from './metadata.ts'
import { metaKeys, type Posted } from './post.ts'
import { Readers } from './readers.ts'
import type { ClientSession, SessionDeps } from './session.ts'

type Request = Message & { readonly kind: 'request' }

/** What earlier revisions had, and servers of both would answer. Whoever asks for it here looks for the one code. */
const removed = new Set([
  'initialize',
  'ping',
  'logging/setLevel',
  'resources/subscribe',
  'resources/unsubscribe',
  'tasks/list',
  'tasks/result',
])

/** A request under way: what it is called here, and by its client. */
interface Asked {
  readonly key: string
  readonly own: Id
  readonly method: string
  readonly progress: Json | undefined
  readonly exchange: Exchange
}

export interface StatelessPost {
  readonly post: Posted
  readonly message: Message
  readonly response: ServerResponse
  readonly accept: { readonly json: boolean; readonly events: boolean }
  readonly headers: IncomingHttpHeaders
}

/**
 * All requests of 2026-07-28 that one token sends to one server: they share a connection, since none knows of the others, and
 * each has ids of its own here, since two clients may choose the same. A client that goes away has cancelled.
 */
export class Stateless implements ClientLink, ClientSession {
  readonly id: string
  connection: Connection | undefined
  lastUsed: number
  readonly #deps: SessionDeps
  readonly #readers: Readers
  readonly #gate = new Gate()
  /** By the id that it has here, as JSON. */
  readonly #asked = new ShortLivedMap<Asked>()
  /** As the tools were last listed here. */
  readonly #tools = new ToolHeaders()
  #count = 0
  #ended = false

  /** `id`: what the door knows it by; it is shown to nobody. */
  constructor(deps: SessionDeps, id: string) {
    this.#deps = deps
    this.id = id
    this.#readers = new Readers(deps.clock, deps.limits.stall)
    this.lastUsed = deps.clock.monotonic()
  }

  get busy(): boolean {
    return this.#asked.size > 0
  }

  get open(): boolean {
    return !this.#ended
  }

  post({ post, message, response, accept, headers }: StatelessPost): void {
    this.lastUsed = this.#deps.clock.monotonic()
    this.#gate.check()
    if (message.kind === 'response') throw new JitError('message.malformed', 'in this revision a client answers nothing')
    if (message.kind === 'notification') {
      // A stream that closes is what cancels; an id says nothing where several clients choose theirs.
      if (message.method !== 'notifications/cancelled') this.#gate.pass(() => this.#receive(message.value, post), post.done)
      else post.done()
      response.writeHead(202).end()
      return
    }
    if (removed.has(message.method)) {
      post.done()
      const error = { code: -32601, message: `Method not found: ${message.method} is none of this revision` }
      return answerPlainly(response, 404, { jsonrpc: '2.0', id: message.id, error })
    }
    const name = message.params['name']
    const mirrored = message.method === 'tools/call' && typeof name === 'string' ? this.#mirroredBy(name) : []
    const problem = checkMetadata(message, headers, mirrored)
    if (problem !== undefined) post.done()
    if (problem !== undefined) return answerPlainly(response, 400, { jsonrpc: '2.0', id: message.id, error: { ...problem } })
    this.#ask(message, response, { post, accept })
  }

  answer(id: string, line: string): boolean {
    const asked = this.#asked.get(id)
    return asked === undefined || asked.exchange.answer(id, line === '' ? '' : this.#restored(asked, line))
  }

  message(line: string, about?: string): boolean {
    const value = parseLine(line)
    if (value['id'] !== undefined) {
      this.#refuseQuestion(value)
      return true
    }
    const asked = this.#subjectOf(value) ?? (about === undefined ? undefined : this.#asked.get(about))
    if (asked === undefined) return true
    return asked.exchange.message(this.#translated(asked, value, line)) ?? true
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
    if (this.#ended) return
    this.#ended = true
    this.#gate.close()
    for (const { key, own, exchange } of this.#asked.values()) exchange.answer(key, JSON.stringify(errorAnswer(own, error)))
  }

  #ask(message: Request, response: ServerResponse, { post, accept }: Pick<StatelessPost, 'post' | 'accept'>): void {
    this.#count += 1
    const id = this.#count
    const key = String(id)
    const exchange = new Exchange(response, {
      clock: this.#deps.clock,
      limits: this.#deps.limits,
      readers: this.#readers,
      ids: [key],
      isArray: false,
      accept,
      status: statusOf,
      onDone: () => {
        this.#asked.delete(key)
        this.lastUsed = this.#deps.clock.monotonic()
      },
    })
    const { _meta: meta = {}, ...params } = message.params
    const progress = isJsonObject(meta) ? meta['progressToken'] : undefined
    const ownMeta = progress === undefined || !isJsonObject(meta) ? meta : { ...meta, progressToken: id }
    this.#asked.set(key, { key, own: message.id, method: message.method, progress, exchange })
    response.once('close', () => this.#gone(id))
    const value = { ...message.value, id, params: { ...params, _meta: ownMeta } }
    this.#gate.pass(() => {
      if (this.#asked.has(key)) this.#receive(value, post)
      else post.done()
    }, post.done)
  }

  /** The client closed the stream before its answer: that is how it cancels. */
  #gone(id: number): void {
    if (!this.#asked.delete(String(id))) return
    this.#receive({ jsonrpc: '2.0', method: 'notifications/cancelled', params: { requestId: id } })
  }

  #receive(value: JsonObject, post?: Posted): void {
    try {
      this.connection?.receive(Buffer.from(JSON.stringify(value)))
    } finally {
      post?.done()
    }
  }

  /** The answer as its client wants it; a list of tools is remembered for what it says about headers. */
  #restored({ key, own, method }: Asked, line: string): string {
    const ownJson = scalarJson(own)
    if (method === 'tools/list') this.#tools.learn(parseLine(line))
    if (method !== 'subscriptions/listen') return withId(line, key, ownJson)
    const value = parseLine(line)
    const { result } = value
    if (!isJsonObject(result) || metaOf(result)[metaKeys.subscription] === undefined) return withId(line, key, ownJson)
    return JSON.stringify({ ...value, id: own, result: { ...result, _meta: { ...metaOf(result), [metaKeys.subscription]: own } } })
  }

  /**
   * Its own clients have read the list that they were sent, and keep to that, whatever the server tells others. Of a tool that it was
   * not sent, what the server told another is the next best.
   */
  #mirroredBy(tool: string): readonly ParameterHeader[] {
    return this.#tools.wantedBy(tool) ?? this.connection?.toolHeaders.wantedBy(tool) ?? []
  }

  /** The request that a notification names: by its subscription, its progress token or its id. */
  #subjectOf({ method, params }: JsonObject): Asked | undefined {
    const fields = isJsonObject(params) ? params : {}
    const name =
      metaOf(params)[metaKeys.subscription] ?? (method === 'notifications/cancelled' ? fields['requestId'] : fields['progressToken'])
    return typeof name === 'number' ? this.#asked.get(String(name)) : undefined
  }

  #translated({ own, progress }: Asked, value: JsonObject, line: string): string {
    const { method, params } = value
    if (metaOf(params)[metaKeys.subscription] !== undefined)
      return withParams(value, { _meta: { ...metaOf(params), [metaKeys.subscription]: own } })
    if (method === 'notifications/cancelled') return withParams(value, { requestId: own })
    return method === 'notifications/progress' && progress !== undefined ? withParams(value, { progressToken: progress }) : line
  }

  /** In this revision a server asks by its answers alone. */
  #refuseQuestion({ id, method }: JsonObject): void {
    if (method === undefined || (typeof id !== 'string' && typeof id !== 'number')) return
    this.#receive({ jsonrpc: '2.0', id, error: { code: -32601, message: 'a client of 2026-07-28 takes no requests' } })
  }
}

export function answerPlainly(
  response: ServerResponse,
  status: number,
  body: JsonObject,
  headers: Readonly<Record<string, string>> = {},
): void {
  const text = JSON.stringify(body)
  response.writeHead(status, {
    'content-type': 'application/json',
    'content-length': Buffer.byteLength(text),
    'cache-control': 'no-store',
    ...headers,
  })
  response.end(text)
}
