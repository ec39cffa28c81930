import { randomUUID } from 'node:crypto'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { type Loopback, listenOnLoopback, readJson } from './fixtures/loopback.ts'
import { Exchange } from './exchange.ts'
import { type HeaderProblem, headerProblem } from './headers.ts'
import { isObject, type Message, Pipe, type Program } from './pipe.ts'

/**
 * Streamable HTTP in front of a program that speaks stdio, for a client that speaks only HTTP. It is what any such bridge is,
 * and judges nothing but what HTTP adds to a message. A session of the revisions with a handshake gets a program of its own;
 * all requests of 2026-07-28, which knows no sessions, share one.
 */
export async function startBridge(program: Program): Promise<Loopback> {
  const bridge = new Bridge(program)
  const loopback = await listenOnLoopback((incoming, outgoing) => bridge.handle(incoming, outgoing))
  return {
    address: `${loopback.address}/mcp`,
    close: async () => {
      await bridge.close()
      await loopback.close()
    },
  }
}

class Bridge {
  readonly #program: Program
  readonly #sessions = new Map<string, Conversation>()
  #modern: Conversation | undefined

  constructor(program: Program) {
    this.#program = program
  }

  async handle(incoming: IncomingMessage, outgoing: ServerResponse): Promise<void> {
    const name = incoming.headers['mcp-session-id']
    if (typeof name === 'string') return this.#inSession(name, incoming, outgoing)
    if (incoming.method !== 'POST') return refuse(outgoing, 405, { code: -32_000, message: 'there is no stream without a session' })
    const body = await readJson(incoming)
    if (!isObject(body)) return refuse(outgoing, 400, { code: -32_700, message: 'the body is no message' })
    if (body['method'] === 'initialize' && !hasEnvelope(body)) {
      const id = randomUUID()
      const session = new Conversation(this.#program)
      this.#sessions.set(id, session)
      outgoing.setHeader('mcp-session-id', id)
      return session.post(body, new Exchange(outgoing, 'stream'))
    }
    const problem = headerProblem(incoming.headers, body)
    if (problem !== undefined) return refuse(outgoing, 400, problem, body['id'])
    this.#modern ??= modernConversation(this.#program)
    this.#modern.post(body, new Exchange(outgoing, 'answer'))
  }

  async #inSession(name: string, incoming: IncomingMessage, outgoing: ServerResponse): Promise<void> {
    const session = this.#sessions.get(name)
    if (session === undefined) return refuse(outgoing, 404, { code: -32_001, message: 'there is no such session' })
    if (incoming.method === 'DELETE') {
      this.#sessions.delete(name)
      await session.close()
      outgoing.writeHead(200).end()
    } else if (incoming.method === 'GET') {
      session.listen(new Exchange(outgoing, 'stream'))
    } else {
      const body = await readJson(incoming)
      if (!isObject(body)) return refuse(outgoing, 400, { code: -32_700, message: 'the body is no message' })
      session.post(body, new Exchange(outgoing, 'stream'))
    }
  }

  async close(): Promise<void> {
    await Promise.all([...this.#sessions.values(), ...(this.#modern === undefined ? [] : [this.#modern])].map((one) => one.close()))
  }
}

interface Open {
  readonly exchange: Exchange
  readonly id: unknown
  readonly progressToken: unknown
}

/** One program, and the HTTP exchanges that wait for it. Ids are the bridge's own, since unrelated requests may use the same. */
class Conversation {
  readonly #pipe: Pipe
  readonly #open = new Map<number, Open>()
  #next = 1
  #standalone: Exchange | undefined

  constructor(program: Program) {
    this.#pipe = new Pipe(program)
    this.#pipe.onMessage = (message) => this.#receive(message)
    void this.#pipe.ended.then(() => this.#lose())
  }

  listen(exchange: Exchange): void {
    this.#standalone = exchange
    exchange.begin()
    exchange.onGone(() => {
      if (this.#standalone === exchange) this.#standalone = undefined
    })
  }

  post(message: Message, exchange: Exchange): void {
    if (typeof message['method'] !== 'string' || message['id'] === undefined) {
      this.#pipe.send(this.#withOurIds(message))
      return exchange.accept()
    }
    const number = this.#next++
    const meta = isObject(message['params']) && isObject(message['params']['_meta']) ? message['params']['_meta'] : {}
    this.#open.set(number, { exchange, id: message['id'], progressToken: meta['progressToken'] })
    // Whoever asks without a session and leaves has cancelled; in a session, going away means nothing.
    exchange.onGone(() => {
      if (!this.#open.delete(number) || exchange.mode === 'stream') return
      this.#pipe.send({ jsonrpc: '2.0', method: 'notifications/cancelled', params: { requestId: number, reason: 'the client went away' } })
    })
    this.#pipe.send({ ...message, id: number })
  }

  /** Sends what no client asked for; its answer goes nowhere. */
  send(message: Message): void {
    this.#pipe.send(message)
  }

  async close(): Promise<void> {
    for (const { exchange } of this.#open.values()) exchange.end()
    this.#standalone?.end()
    await this.#pipe.close()
  }

  #receive(message: Message): void {
    const { id, method } = message
    if (method === undefined) {
      const open = typeof id === 'number' ? this.#open.get(id) : undefined
      if (open === undefined || typeof id !== 'number') return
      this.#open.delete(id)
      return open.exchange.finish({ ...message, id: open.id })
    }
    const [number, open] = this.#belonging(message) ?? []
    if (open === undefined) return void this.#standalone?.write(message)
    open.exchange.write(withSubscription(message, number, open.id))
  }

  /** The exchange that a message from the server belongs to: by its token or subscription, else the newest one. */
  #belonging(message: Message): [number, Open] | undefined {
    const params = isObject(message['params']) ? message['params'] : {}
    const meta = isObject(params['_meta']) ? params['_meta'] : {}
    const subscription = meta[subscriptionKey]
    const entries = [...this.#open]
    if (subscription !== undefined) return entries.find(([number]) => String(number) === String(subscription))
    if (message['method'] === 'notifications/progress') {
      return entries.find(([, { progressToken }]) => progressToken === params['progressToken'])
    }
    return entries.findLast(([, { exchange }]) => !exchange.listens)
  }

  /** `notifications/cancelled` names the client's id of a request, which the program knows by ours. */
  #withOurIds(message: Message): Message {
    if (message['method'] !== 'notifications/cancelled' || !isObject(message['params'])) return message
    const named = message['params']['requestId']
    const number = [...this.#open].find(([, { id }]) => id === named)?.[0]
    return number === undefined ? message : { ...message, params: { ...message['params'], requestId: number } }
  }

  #lose(): void {
    for (const { exchange, id } of this.#open.values()) {
      exchange.finish({ jsonrpc: '2.0', id, error: { code: -32_603, message: 'the program behind the bridge has ended' } })
    }
    this.#open.clear()
    this.#standalone?.end()
  }
}

/**
 * Without a session and without `initialize`, HTTP speaks 2026-07-28. On stdio the first message that is no probe decides,
 * so that one is a complete one, whatever the client's own lacks.
 */
function modernConversation(program: Program): Conversation {
  const conversation = new Conversation(program)
  const _meta = { 'io.modelcontextprotocol/protocolVersion': '2026-07-28', 'io.modelcontextprotocol/clientCapabilities': {} }
  conversation.send({ jsonrpc: '2.0', id: 0, method: 'tools/list', params: { _meta } })
  return conversation
}

const subscriptionKey = 'io.modelcontextprotocol/subscriptionId'

/** A subscription is named by the id of the request that opened it, so the client must read its own. */
function withSubscription(message: Message, number: number | undefined, id: unknown): Message {
  const params = isObject(message['params']) ? message['params'] : {}
  const meta = isObject(params['_meta']) ? params['_meta'] : {}
  if (meta[subscriptionKey] === undefined || String(meta[subscriptionKey]) !== String(number)) return message
  return {
    ...message,
    params: { ...params, _meta: { ...meta, [subscriptionKey]: typeof meta[subscriptionKey] === 'string' ? String(id) : id } },
  }
}

function hasEnvelope(body: Message): boolean {
  const params = isObject(body['params']) ? body['params'] : {}
  return isObject(params['_meta']) && params['_meta']['io.modelcontextprotocol/protocolVersion'] !== undefined
}

function refuse(outgoing: ServerResponse, status: number, error: HeaderProblem, id: unknown = null): void {
  outgoing.writeHead(status, { 'content-type': 'application/json' })
  outgoing.end(JSON.stringify({ jsonrpc: '2.0', id, error }))
}
