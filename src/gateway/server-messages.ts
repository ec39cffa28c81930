import { JitError } from '../core/errors.ts'
import { isJsonObject, type Json, type JsonObject } from '../core/json.ts'
import { errorAnswer, type Message } from './jsonrpc.ts'
import type { Lane } from './lane.ts'
import { fromServer, unknownMethod } from './methods.ts'

type Request = Message & { readonly kind: 'request' }
type Notification = Message & { readonly kind: 'notification' }
type Response = Message & { readonly kind: 'response' }

/** Questions that one server may have open; a client that answers none must not fill the memory. */
const askedCap = 256
/** Of what is kept of each question. */
const tokenCap = 1024

export interface ServerMessagesOptions {
  readonly server: string
  lanes(): readonly Lane[]
  isPrimary(lane: Lane): boolean
  mayAskModel(): boolean
  /** A message of a server does not go on. */
  refused(error: JitError): void
  /** JSON of the ids of the client's requests in flight that named this progress token (as JSON). */
  progressOf(token: string): Iterable<string>
  /** To the client; `about`: the id (as JSON) of its request that it belongs to, as far as can be told. */
  write(line: string, about: string | undefined): void
}

/**
 * What a server says unasked, and what the client says to that. Ids and progress tokens that a server chose mean something in
 * its own lane only, so towards the client they carry the lane's name. A lane hears and speaks of its own calls only.
 */
export class ServerMessages {
  readonly #options: ServerMessagesOptions

  constructor(options: ServerMessagesOptions) {
    this.#options = options
  }

  /** `line` is the message's text, scrubbed; `about`: the request on whose answer stream it came, where the transport tells. */
  fromServer(lane: Lane, message: Message, line: string, about = lane.latest): void {
    if (message.kind === 'request') return this.#ask(lane, message, line, about)
    if (message.kind !== 'notification') return
    if (!fromServer.notifications.has(message.method)) return this.#options.refused(unknown(line))
    if (message.method === 'notifications/progress') {
      const token = JSON.stringify(message.params['progressToken'])
      for (const id of this.#options.progressOf(token)) if (lane.serves(id)) return this.#options.write(line, id)
    } else if (message.method === 'notifications/cancelled') {
      const id = JSON.stringify(message.params['requestId'])
      if (lane.asked.delete(id)) this.#options.write(withParams(parse(line), { requestId: nameOf(lane, id) }), about)
      else if (lane.serves(id)) this.#options.write(line, id)
    } else if (this.#options.isPrimary(lane)) this.#options.write(line, about)
  }

  /** The client's answer goes to the lane that asked, under that server's own id. False when none did. */
  fromClient(message: Response): boolean {
    const found = this.#find(message.id)
    if (found === undefined || !found.lane.asked.delete(found.own)) return false
    found.lane.send(JSON.stringify({ ...message.value, id: JSON.parse(found.own) }))
    return true
  }

  /** The client's progress on what a server asked for. */
  progress(message: Notification): void {
    const found = this.#find(message.params['progressToken'])
    if (found !== undefined && [...found.lane.asked.values()].includes(found.own))
      found.lane.send(withParams(message.value, { progressToken: JSON.parse(found.own) }))
  }

  #ask(lane: Lane, message: Request, line: string, about: string | undefined): void {
    if (!fromServer.requests.has(message.method)) {
      const error = unknown(line)
      this.#options.refused(error)
      return refuse(lane, message, error)
    }
    if (message.method === 'sampling/createMessage' && !this.#options.mayAskModel())
      return refuse(
        lane,
        message,
        new JitError('policy.denied', `server ${this.#options.server} may not use the client's model`, {
          hint: 'Set `sampling: allow` for this server if it is meant.',
        }),
      )
    if (lane.asked.size >= askedCap)
      return refuse(lane, message, new JitError('server.busy', `more than ${askedCap} questions to the client are open`))
    const id = JSON.stringify(message.id)
    if (JSON.stringify(metaOf(message.value)['progressToken'] ?? null).length > tokenCap)
      return refuse(lane, message, new JitError('message.malformed', `a progress token of more than ${tokenCap} characters`))
    const value = { ...parse(line), id: nameOf(lane, id) }
    const meta = metaOf(value)
    const token = JSON.stringify(meta['progressToken'] ?? null)
    const named = token === 'null' ? JSON.stringify(value) : withParams(value, { _meta: { ...meta, progressToken: nameOf(lane, token) } })
    lane.asked.set(id, token)
    this.#options.write(named, about)
  }

  #find(name: unknown): { lane: Lane; own: string } | undefined {
    const match = typeof name === 'string' ? /^jit:(lane_[0-9a-z]+):(.*)$/s.exec(name) : null
    const lane = this.#options.lanes().find((known) => known.id === match?.[1])
    return lane === undefined || match?.[2] === undefined ? undefined : { lane, own: match[2] }
  }
}

function nameOf(lane: Lane, own: string): string {
  return `jit:${lane.id}:${own}`
}

function refuse(lane: Lane, message: Request, error: JitError): void {
  lane.reply(JSON.stringify(errorAnswer(message.id, error)))
}

/** The method comes from the scrubbed text: the error stands in the trail. */
function unknown(line: string): JitError {
  return unknownMethod(String(parse(line)['method']))
}

/** What was scrubbed is JSON still. */
function parse(line: string): JsonObject {
  const value: unknown = JSON.parse(line)
  return isJsonObject(value) ? value : {}
}

function metaOf({ params }: JsonObject): JsonObject {
  const meta = isJsonObject(params) ? params['_meta'] : undefined
  return isJsonObject(meta) ? meta : {}
}

function withParams(value: JsonObject, params: Readonly<Record<string, Json>>): string {
  const before = value['params']
  return JSON.stringify({ ...value, params: { ...(isJsonObject(before) ? before : {}), ...params } })
}
