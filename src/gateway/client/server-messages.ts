import { JitError, quote, toJitError } from '../../core/errors.ts'
import { isJsonObject, type JsonObject } from '../../core/json.ts'
import { errorAnswer, type Message } from '../protocol/jsonrpc.ts'
import type { Lane } from '../lane/lane.ts'
import { fromServer, unknownMethod } from '../protocol/methods.ts'
import { metaOf, paramsOf, parseLine, withParams } from '../protocol/params.ts'
import type { Questions } from '../lane/questions.ts'
import { subscriptionKey } from './subscriptions.ts'

type Request = Message & { readonly kind: 'request' }
type Notification = Message & { readonly kind: 'notification' }
type Response = Message & { readonly kind: 'response' }

/** Questions that one server may have open; a client that answers none must not fill the memory. */
const askedCap = 256
/** Of what is kept of each question. */
const tokenCap = 1024

export interface ServerMessagesOptions {
  readonly server: string
  readonly questions: Questions
  lanes(): readonly Lane[]
  isPrimary(lane: Lane): boolean
  /** Whether the config lets this method beside MCP's own pass; records that it does. */
  passes(message: Request | Notification): boolean
  /** A message of a server does not go on. */
  refused(error: JitError): void
  /** JSON of the ids of the client's requests in flight that named this progress token (as JSON). */
  progressOf(token: string): Iterable<string>
  /** Whether a task in that lane was made by a request that named this progress token (as JSON). */
  isProgressOfTask(lane: Lane, token: string): boolean
  /** News of a task; false when it is none of this lane's. It is written once that may be. */
  ofTask(lane: Lane, message: Notification): boolean
  /** The server will not answer this request of the client (its id as JSON), if it is one that may end so. */
  closed(id: string): void
  /** News of that subscription (its id as JSON) as its client gets it; undefined when it gets nothing. */
  ofSubscription(id: string, method: string, line: string): string | undefined
  /** To the client; `about`: the id (as JSON) of its request that it belongs to, as far as can be told. */
  write(line: string, about: string | undefined): void
}

/** What a lane may say to the client whatever it is there for; everything else unasked comes from the first lane alone. */
const fromAnyLane = new Set(['notifications/message', 'notifications/elicitation/complete'])

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
    const { method, params } = message
    if (!fromServer.notifications.has(method)) {
      if (!this.#options.passes(message)) return this.#options.refused(unknown(line))
    } else if (method === 'notifications/progress') return this.#progress(lane, JSON.stringify(params['progressToken']), line)
    else if (method === 'notifications/cancelled') return this.#cancelled(lane, JSON.stringify(params['requestId']), line, about)
    else if (method === 'notifications/tasks/status' || method === 'notifications/tasks') {
      if (!this.#options.ofTask(lane, message)) this.#foreign(`news of a task that it was not given came from server`)
      return
    }
    const subscription = metaOf(message.value['params'])[subscriptionKey]
    if (subscription !== undefined) {
      const id = JSON.stringify(subscription)
      if (!lane.serves(id)) return this.#foreign('a message for a subscription that nobody has came from server')
      const news = this.#options.ofSubscription(id, method, line)
      return news === undefined ? undefined : this.#options.write(news, id)
    }
    if (this.#options.isPrimary(lane) || (fromAnyLane.has(method) && about !== undefined)) this.#options.write(line, about)
  }

  /** The client's answer goes to the lane that asked, under that server's own id. False when none did. */
  fromClient(message: Response): boolean {
    const found = this.#find(message.id)
    const asked = found?.lane.asked.get(found.own)
    if (found === undefined || asked === undefined) return false
    found.lane.asked.delete(found.own)
    const answer = { ...message.value, id: JSON.parse(found.own) }
    try {
      if (asked.question !== undefined) this.#options.questions.answered(asked.question, message.value)
      found.lane.send(JSON.stringify(found.lane.clientTasks.answer(asked, answer)))
    } catch (error) {
      found.lane.send(JSON.stringify(errorAnswer(answer.id, toJitError(error))))
    }
    return true
  }

  /** The client's progress on what a server asked for. */
  progress(message: Notification): void {
    const found = this.#find(message.params['progressToken'])
    if (found !== undefined && [...found.lane.asked.values()].some(({ token }) => token === found.own))
      found.lane.send(withParams(message.value, { progressToken: JSON.parse(found.own) }))
  }

  /** News of a task that the client works on for a server: to that lane alone. False when there is none. */
  taskStatus(message: Notification): boolean {
    const lane = this.#options.lanes().find(({ clientTasks }) => clientTasks.has(message.params['taskId']))
    lane?.send(JSON.stringify(message.value))
    return lane !== undefined
  }

  #progress(lane: Lane, token: string, line: string): void {
    for (const id of this.#options.progressOf(token)) if (lane.serves(id)) return this.#options.write(line, id)
    if (this.#options.isProgressOfTask(lane, token)) this.#options.write(line, undefined)
  }

  #cancelled(lane: Lane, id: string, line: string, about: string | undefined): void {
    const asked = lane.asked.get(id)
    if (asked !== undefined) {
      lane.asked.delete(id)
      if (asked.question !== undefined) this.#options.questions.answered(asked.question, undefined)
      this.#options.write(withParams(parseLine(line), { requestId: nameOf(lane, id) }), about)
    } else if (lane.serves(id)) {
      this.#options.write(line, id)
      this.#options.closed(id)
    }
  }

  #ask(lane: Lane, message: Request, line: string, about: string | undefined): void {
    const { method, params } = message
    if (!fromServer.requests.has(method) && !this.#options.passes(message)) {
      const error = unknown(line)
      this.#options.refused(error)
      return refuse(lane, message, error)
    }
    if (lane.asked.size >= askedCap)
      return refuse(lane, message, new JitError('server.busy', `more than ${askedCap} questions to the client are open`))
    const id = JSON.stringify(message.id)
    if (lane.asked.has(id)) return refuse(lane, message, new JitError('message.malformed', `the id ${quote(message.id)} is in use already`))
    if (JSON.stringify(metaOf(message.value['params'])['progressToken'] ?? null).length > tokenCap)
      return refuse(lane, message, new JitError('message.malformed', `a progress token of more than ${tokenCap} characters`))
    const value: JsonObject = { ...parseLine(line), id: nameOf(lane, id) }
    try {
      lane.clientTasks.check(method, params)
      const question = this.#options.questions.governs(method)
        ? this.#options.questions.ask({ method, params: paramsOf(value), way: 'request', lane: lane.id })
        : undefined
      const meta = metaOf(value['params'])
      const token = JSON.stringify(meta['progressToken'] ?? null)
      const named = token === 'null' ? JSON.stringify(value) : withParams(value, { _meta: { ...meta, progressToken: nameOf(lane, token) } })
      lane.asked.set(id, { method, token, question, makesTask: isJsonObject(params['task']) })
      this.#options.write(named, about)
    } catch (error) {
      refuse(lane, message, toJitError(error))
    }
  }

  #foreign(what: string): void {
    this.#options.refused(new JitError('message.foreign', `${what} ${this.#options.server}`))
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
  return unknownMethod(String(parseLine(line)['method']))
}
