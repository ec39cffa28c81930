import { randomBytes } from 'node:crypto'
import type { ServerResponse } from 'node:http'
import { JitError, quote, toJitError } from '../../core/errors.ts'
import { isJsonObject } from '../../core/json.ts'
import { ShortLivedMap } from '../../core/short-lived.ts'
import type { Surroundings } from '../../core/types.ts'
import type { Connection } from '../client/connection.ts'
import { errorAnswer, type Id } from '../protocol/jsonrpc.ts'
import { parseLine } from '../protocol/params.ts'
import type { ClientLink } from '../client/link.ts'
import { Channel, readEventId } from './channel.ts'
import { Exchange } from './exchange.ts'
import { Gate } from './gate.ts'
import type { HttpLimits } from './limits.ts'
import { errorCode } from './line.ts'
import type { Posted } from './post.ts'
import { Readers } from './readers.ts'
import { Replay } from './replay.ts'
import { EventStream } from './sse.ts'

export interface SessionDeps extends Surroundings {
  readonly limits: HttpLimits
  /** The session is over, for this reason; nothing of it is answered any more. */
  onEnd(session: ClientSession, error: JitError): void
}

/** What the door keeps of every client that it talks with. */
export interface ClientSession {
  readonly id: string
  readonly connection: Connection | undefined
  /** Somebody waits for it, or listens. */
  readonly busy: boolean
  /** Monotonic milliseconds. */
  readonly lastUsed: number
  /** Ends what is open; it does not come back. */
  finish(error: JitError): void
}

/** Revisions in which a session exists. */
const revisions = new Set(['2024-10-07', '2024-11-05', '2025-03-26', '2025-06-18', '2025-11-25'])
const withBatches = '2025-03-26'
/** From this one on a client knows what an event without data is for. */
const primedFrom = '2025-11-25'

export interface SessionPost {
  readonly post: Posted
  readonly response: ServerResponse
  readonly accept: { readonly json: boolean; readonly events: boolean }
  /** `MCP-Protocol-Version` */
  readonly revision: string | undefined
}

/** A session of Streamable HTTP as it was from 2025-03-26 to 2025-11-25. A client that goes away has cancelled nothing. */
export class Session implements ClientLink, ClientSession {
  readonly id = randomBytes(32).toString('base64url')
  connection: Connection | undefined
  lastUsed: number
  readonly #deps: SessionDeps
  readonly #readers: Readers
  readonly #replay: Replay
  readonly #gate = new Gate()
  /** Id of a request in flight, as JSON → the POST that it came with. */
  readonly #exchanges = new ShortLivedMap<Exchange>()
  /** Of POSTs, which can be listened to again. */
  readonly #channels = new Map<number, Channel>()
  readonly #general: Channel
  #posting: Exchange | undefined
  /** Id (as JSON) of `initialize`. */
  #opening = ''
  #revision = ''
  #lastChannel = 0
  #ended = false

  constructor(deps: SessionDeps) {
    this.#deps = deps
    this.#readers = new Readers(deps.clock, deps.limits.stall)
    this.#replay = new Replay(deps.clock, deps.limits, (line) => this.#undeliverable(line))
    this.#general = new Channel(0, this.#replay)
    this.lastUsed = deps.clock.monotonic()
  }

  get busy(): boolean {
    return this.#exchanges.size > 0 || this.#general.read
  }

  get open(): boolean {
    return !this.#ended
  }

  /** Throws for what may not be posted. */
  post({ post, response, accept, revision }: SessionPost): void {
    this.#checkRevision(revision)
    this.#gate.check()
    const { parsed, ids } = post
    if (parsed === undefined && this.#revision !== withBatches)
      throw new JitError('message.malformed', `there are no batches in the revision ${quote(this.#revision)}`)
    const twice = ids.find((id) => this.#exchanges.has(id))
    if (twice !== undefined) throw new JitError('message.malformed', `the id ${quote(twice)} is in flight already`)
    this.#touch()
    const isInitialize = parsed?.ok === true && parsed.message.kind === 'request' && parsed.message.method === 'initialize'
    if (isInitialize) this.#opening = ids[0] ?? ''
    if (ids.length === 0) {
      this.#gate.pass(() => this.#receive(post), post.done)
      response.writeHead(202).end()
      return
    }
    const exchange = new Exchange(response, {
      clock: this.#deps.clock,
      limits: this.#deps.limits,
      readers: this.#readers,
      ids,
      isArray: parsed === undefined,
      accept,
      status: () => (parsed?.ok === false ? parsed.error.httpStatus : 200),
      headers: (line) => (isInitialize && (line === undefined || errorCode(line) === undefined) ? { 'mcp-session-id': this.id } : {}),
      channel: () => this.#openChannel(),
      ...(this.#revision >= primedFrom ? { prime: this.#deps.limits.retry } : {}),
      onDone: () => {
        for (const id of ids) this.#exchanges.delete(id)
        this.#touch()
      },
    })
    for (const id of ids) this.#exchanges.set(id, exchange)
    this.#gate.pass(() => this.#receive(post, exchange), post.done)
  }

  /** A stream for what belongs to no request in flight, or for one that broke off. Throws when its events are not kept any more. */
  listen(response: ServerResponse, { revision, lastEvent }: { revision: string | undefined; lastEvent: string | undefined }): void {
    this.#checkRevision(revision)
    const from = lastEvent === undefined ? undefined : readEventId(lastEvent)
    const channel = from === undefined || from.channel === 0 ? this.#general : this.#channels.get(from.channel)
    if (channel === undefined || (lastEvent !== undefined && from === undefined))
      throw new JitError('message.malformed', `what came behind the event ${quote(lastEvent)} is not kept any more`)
    this.#touch()
    const stream = new EventStream(response, {
      clock: this.#deps.clock,
      keepAlive: this.#deps.limits.keepAlive,
      headers: { 'mcp-session-id': this.id },
      onBehind: (late) => this.#readers.note(late),
      onClose: () => {
        channel.detach(stream)
        this.#touch()
      },
    })
    channel.attach(stream, {
      ...(from === undefined ? {} : { after: from.sequence }),
      ...(this.#revision >= primedFrom ? { prime: this.#deps.limits.retry } : {}),
    })
  }

  answer(id: string, line: string): boolean {
    const exchange = this.#exchanges.get(id)
    if (exchange !== undefined) {
      if (id === this.#opening) this.#readRevision(line)
      return exchange.answer(id, line)
    }
    // The message was none, and so has no id.
    if (id === 'null') this.#posting?.fail(line)
    return true
  }

  message(line: string, about?: string): boolean {
    const exchange = about === undefined ? undefined : this.#exchanges.get(about)
    return exchange?.message(line) ?? this.#general.send(line)
  }

  /** What a server offers by its streams, its client is offered too: to come back for an answer, and to be sent away until then. */
  stream(id: string, open: boolean): void {
    if (this.#revision < primedFrom) return
    if (open) this.#exchanges.get(id)?.begin()
    else this.#exchanges.get(id)?.sendAway()
  }

  drained(callback: () => void): void {
    this.#readers.drained(callback)
  }

  /** Who is gone shows only at a stream that is open; a client without one may be there. */
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
    for (const [key, exchange] of this.#exchanges.entries()) {
      const id: Id = JSON.parse(key)
      exchange.answer(key, JSON.stringify(errorAnswer(id, error)))
    }
    for (const channel of this.#channels.values()) channel.end()
    this.#general.end()
    this.#replay.clear()
  }

  #receive({ bytes, parsed, done }: Posted, exchange?: Exchange): void {
    this.#posting = exchange
    try {
      if (parsed === undefined) this.connection?.receive(bytes)
      else this.connection?.receive(bytes, parsed)
    } catch (error) {
      this.#deps.log.error('message of a client not taken', { error: toJitError(error).message })
      exchange?.fail(JSON.stringify(errorAnswer(null, new JitError('internal', 'the message could not be taken'))))
    } finally {
      this.#posting = undefined
      done()
    }
  }

  #openChannel(): Channel {
    for (const number of this.#channels.keys()) if (!this.#isAlive(number)) this.#channels.delete(number)
    this.#lastChannel += 1
    const channel = new Channel(this.#lastChannel, this.#replay)
    this.#channels.set(channel.number, channel)
    return channel
  }

  #isAlive(number: number): boolean {
    const channel = this.#channels.get(number)
    return channel !== undefined && (!channel.ended || this.#replay.has(number))
  }

  #readRevision(line: string): void {
    this.#opening = ''
    const { result } = line === '' ? {} : parseLine(line)
    const revision = isJsonObject(result) ? result['protocolVersion'] : undefined
    if (typeof revision === 'string') this.#revision = revision
    else this.#deps.clock.after(0, () => this.#deps.onEnd(this, new JitError('server.unavailable', 'the session did not begin')))
  }

  #checkRevision(named: string | undefined): void {
    if (named === undefined || named === this.#revision || revisions.has(named)) return
    throw new JitError('message.malformed', `this session does not speak the revision ${quote(named)}`)
  }

  /** A question that the client was never shown: its server must not wait for ever. */
  #undeliverable(line: string): void {
    const { id, method } = parseLine(line)
    if (method === undefined || (typeof id !== 'string' && typeof id !== 'number')) return
    const error = new JitError('server.busy', 'the client does not listen, and this question was one too many')
    this.connection?.receive(Buffer.from(JSON.stringify(errorAnswer(id, error))))
  }

  #touch(): void {
    this.lastUsed = this.#deps.clock.monotonic()
  }
}
