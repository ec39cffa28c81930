import { JitError, quote, toJitError } from '../core/errors.ts'
import { newId } from '../core/ids.ts'
import { isJsonObject, type JsonObject, scalarJson } from '../core/json.ts'
import type { Principal } from '../core/types.ts'
import type { CallContext, GovernedRequest } from './call.ts'
import { Ending } from './ending.ts'
import { errorAnswer, type Id, type Message, type Parsed, parseMessage } from './jsonrpc.ts'
import { Flow } from './flow.ts'
import type { Handshake } from './lane.ts'
import { LanePool } from './lanes.ts'
import type { ClientLink } from './link.ts'
import { filterList, isList } from './lists.ts'
import { fromClient, fromServer, unknownMethod } from './methods.ts'
import { runCall } from './pipeline.ts'
import { refuseReference } from './reference.ts'
import { Refusals } from './refusals.ts'
import { currentScrubber } from './scrubbing.ts'
import { ServerMessages } from './server-messages.ts'
import type { GatewayDeps } from './types.ts'

const governed = new Set(['tools/call', 'resources/read', 'prompts/get'])
const inFlightCap = 1024

export interface ConnectionEvents {
  onPin(server: string, pin: string): void
  onServerError(server: string, error: JitError): void
}

export interface ClientIdentity {
  readonly server: string
  readonly principal: Principal
}

/** One MCP client that talks to one server, by way of the lanes it needs. */
export class Connection {
  readonly id = newId('connection')
  readonly server: string
  readonly lanes: LanePool
  readonly #deps: GatewayDeps
  readonly #flow: Flow
  readonly #refusals: Refusals
  readonly #handshake: Handshake = { initialize: undefined, initialized: false }
  readonly #inFlight = new Map<string, Ending>()
  /** Id of a request in flight → its progress token, both as JSON. */
  readonly #progress = new Map<string, string>()
  readonly #definitions = new Map<string, string>()
  readonly #context: CallContext
  readonly #serverMessages: ServerMessages
  #pin = ''
  #closed = false

  constructor(deps: GatewayDeps, link: ClientLink, { server, principal }: ClientIdentity, events: ConnectionEvents) {
    this.#deps = deps
    this.#flow = new Flow(deps.clock, link, () => this.lanes.all)
    this.#refusals = new Refusals(deps, { server, connection: this.id, session: principal.session })
    this.server = server
    const scrubber = currentScrubber(deps.broker)
    this.lanes = new LanePool(deps, {
      server,
      connection: this.id,
      handshake: this.#handshake,
      scrub: (text) => scrubber().scrubText(text),
      onMessage: (lane, message, line, about) => this.#serverMessages.fromServer(lane, message, scrubber().scrubText(line), about),
      onRefused: (error) => this.#refusals.note('server', error),
      onPin: (pin) => {
        this.#pin = pin
        events.onPin(server, pin)
      },
      onLaneEnd: (error) => events.onServerError(server, error),
    })
    this.#serverMessages = new ServerMessages({
      server,
      lanes: () => this.lanes.all,
      isPrimary: (lane) => this.lanes.isPrimary(lane),
      mayAskModel: () => deps.config().servers[server]?.sampling === 'allow',
      refused: (error) => this.#refusals.note('server', error),
      progressOf: (token) => this.#inFlightWith(token),
      write: (line, about) => this.#flow.message(line, about),
    })
    this.#context = {
      deps,
      server,
      connection: this.id,
      principal,
      lanes: this.lanes,
      pin: () => this.#pin,
      definition: (tool) => this.#definitions.get(tool) ?? '',
      scrubber,
      track: (id, ending) => {
        const key = scalarJson(id)
        this.#inFlight.set(key, ending)
        return () => {
          this.#inFlight.delete(key)
          this.#progress.delete(key)
        }
      },
      answer: (id, line) => this.#answer(id, line),
      forget: (id) => this.#flow.answer(scalarJson(id), ''),
    }
  }

  /** One message of the client; `parsed` where that was done. */
  receive(payload: Buffer, parsed: Parsed = parseMessage(payload, this.#deps.config().limits)): void {
    if (this.#closed) return
    if (!parsed.ok) {
      this.#refusals.note('client', parsed.error)
      return this.#answer(parsed.id, JSON.stringify(errorAnswer(parsed.id, parsed.error)))
    }
    const { message } = parsed
    // A line break between tokens would make a second message, which nobody looked at, of what stands behind it.
    const bytes = payload.includes(10) || payload.includes(13) ? Buffer.from(JSON.stringify(message.value)) : payload
    if (message.kind === 'response') {
      if (!this.#serverMessages.fromClient(message))
        this.#deps.log.warn('answer of a client to no request dropped', { server: this.server })
      return
    }
    if (message.kind === 'notification') {
      if (fromClient.notifications.has(message.method)) return this.#notify(message, bytes)
      // Some server might take it for a request all the same; nobody would have decided on it.
      const isRequest = fromClient.requests.has(message.method) || fromServer.requests.has(message.method)
      return this.#refusals.note(
        'client',
        isRequest ? new JitError('message.malformed', `a request ${quote(message.method)} without an id`) : this.#unknown(message.method),
      )
    }
    if (this.#inFlight.has(scalarJson(message.id)))
      return this.#fail(message.id, new JitError('message.malformed', `the id ${JSON.stringify(message.id)} is in flight already`))
    if (this.#inFlight.size >= inFlightCap)
      return this.#fail(message.id, new JitError('server.busy', `more than ${inFlightCap} requests in flight`))
    if (isGoverned(message)) {
      this.#noteProgress(message)
      return void runCall(this.#context, { id: message.id, method: message.method, params: message.params })
    }
    if (!fromClient.requests.has(message.method)) {
      const error = this.#unknown(message.method)
      this.#refusals.note('client', error)
      return this.#fail(message.id, error)
    }
    const refusal = refuseReference(message.id, message.method, message.params, this.#deps.policy().servers.get(this.server))
    if (refusal !== undefined) return this.#answer(message.id, JSON.stringify(refusal))
    this.#noteProgress(message)
    void this.#pass(message, bytes)
  }

  async close(reason: JitError): Promise<void> {
    this.#closed = true
    this.abortAll(reason)
    const closed = this.lanes.close(reason)
    this.#refusals.end()
    await closed
  }

  /** Ends what runs; the client stays, and its next request starts the server anew. */
  async restart(reason: JitError): Promise<void> {
    this.abortAll(reason)
    this.#definitions.clear()
    await this.lanes.restart(reason)
  }

  abortAll(reason: JitError): void {
    for (const ending of this.#inFlight.values()) ending.end(reason)
  }

  /** Ends the connection: for good with the error's reason, or until the client needs the daemon again when it just stops. */
  drop(error: JitError): void {
    this.#flow.end(error)
  }

  /** What policy has no say in travels byte for byte; lists are filtered on their way back. */
  async #pass(message: Message & { kind: 'request' }, bytes: Buffer): Promise<void> {
    const { id, method } = message
    const ending = new Ending()
    const untrack = this.#context.track(id, ending)
    if (method === 'initialize') this.#handshake.initialize = undefined
    try {
      const lane = await this.lanes.primary(ending)
      const answer = await lane.request(id, method === 'initialize' ? JSON.stringify(message.value) : bytes, ending)
      if (method === 'initialize') this.#handshake.initialize = message.value
      const line = isList(method) ? this.#filtered(method, answer.value) : answer.line
      untrack()
      this.#answer(id, this.#context.scrubber().scrubText(line))
    } catch (thrown) {
      untrack()
      const error = toJitError(thrown)
      if (error.code === 'cancelled') this.#context.forget(id)
      else this.#fail(id, error)
    }
  }

  #filtered(method: string, value: JsonObject): string {
    const compiled = this.#deps.policy().servers.get(this.server)
    if (compiled === undefined) throw new JitError('not-found', `there is no server ${JSON.stringify(this.server)} any more`)
    return JSON.stringify(
      filterList(method, value, compiled, (tool, definition) => {
        const before = this.#definitions.get(tool)
        this.#definitions.set(tool, definition)
        if (before !== undefined && before !== definition)
          this.#deps.audit.append({ type: 'server.changed', server: this.server, detail: { tool, before, after: definition } })
      }),
    )
  }

  #noteProgress({ id, params }: Message & { kind: 'request' }): void {
    const meta = params['_meta']
    if (isJsonObject(meta) && meta['progressToken'] !== undefined)
      this.#progress.set(JSON.stringify(id), JSON.stringify(meta['progressToken']))
  }

  *#inFlightWith(token: string): Iterable<string> {
    for (const [id, own] of this.#progress) if (own === token) yield id
  }

  #notify(message: Message & { kind: 'notification' }, bytes: Buffer): void {
    if (message.method === 'notifications/cancelled') {
      const id = message.params['requestId']
      return this.#inFlight.get(JSON.stringify(id))?.end(new JitError('cancelled', 'the client cancelled the call'))
    }
    if (message.method === 'notifications/progress') return this.#serverMessages.progress(message)
    if (message.method === 'notifications/initialized') this.#handshake.initialized = true
    this.#flow.toServers(bytes)
  }

  #unknown(method: string): JitError {
    return unknownMethod(this.#context.scrubber().scrubText(method))
  }

  #answer(id: Id | null, line: string): void {
    this.#flow.answer(id === null ? 'null' : scalarJson(id), line)
  }

  #fail(id: Id, error: JitError): void {
    this.#answer(id, JSON.stringify(errorAnswer(id, error)))
  }
}

function isGoverned(message: Message & { kind: 'request' }): message is Message & { kind: 'request'; method: GovernedRequest['method'] } {
  return governed.has(message.method)
}
