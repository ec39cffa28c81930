import { JitError, quote, toJitError } from '../../core/errors.ts'
import { newId } from '../../core/ids.ts'
import { isJsonObject, type JsonObject, scalarJson } from '../../core/json.ts'
import type { Principal } from '../../core/types.ts'
import { Batches } from './batches.ts'
import { isGoverned } from '../call/call.ts'
import type { CallContext } from '../call/context.ts'
import { batchRevision, errorAnswer, type Id, type Message, type Parsed, parseMessage } from '../protocol/jsonrpc.ts'
import { Flow } from './flow.ts'
import { InFlight } from './in-flight.ts'
import type { Handshake } from '../lane/settings.ts'
import { LanePool } from '../lane/lanes.ts'
import type { ClientLink } from './link.ts'
import { fromClient, fromServer, isVendor, unknownMethod } from '../protocol/methods.ts'
import { Passing } from './passing.ts'
import { Cleaner } from '../scrub/cleaner.ts'
import type { KnownTools } from '../call/known-tools.ts'
import { runCall } from '../call/pipeline.ts'
import { Questions } from '../lane/questions.ts'
import { refuseReference } from './reference.ts'
import { Refusals } from './refusals.ts'
import { Rounds } from '../call/rounds.ts'
import { ServerMessages } from './server-messages.ts'
import { spellingOf } from '../protocol/spelling.ts'
import { newsOfTask, runTaskLeg } from '../call/task-legs.ts'
import { Tasks } from '../call/tasks.ts'
import type { ToolHeaders } from '../protocol/tool-headers.ts'
import type { GatewayDeps } from '../types.ts'

export interface ConnectionEvents {
  onPin(server: string, pin: string): void
  onServerError(server: string, error: JitError): void
}

/** What a connection has of the gateway. */
export interface ConnectionHost extends ConnectionEvents {
  readonly tools: KnownTools
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
  readonly #handshake: Handshake = { initialize: undefined, initialized: false, revision: '', level: undefined }
  readonly #inFlight = new InFlight()
  readonly #context: CallContext
  readonly #serverMessages: ServerMessages
  readonly #batches: Batches
  readonly #passing: Passing
  #pin = ''
  #closed = false

  constructor(deps: GatewayDeps, link: ClientLink, { server, principal }: ClientIdentity, host: ConnectionHost) {
    this.#deps = deps
    this.#flow = new Flow(deps.clock, link, () => this.lanes.all)
    this.#refusals = new Refusals(deps, { server, connection: this.id, session: principal.session })
    this.server = server
    const { scrubber } = deps.broker.search
    const cleaner = new Cleaner(deps.broker.search)
    this.lanes = new LanePool(deps, {
      server,
      connection: this.id,
      principal,
      handshake: this.#handshake,
      toolHeaders: () => host.tools.of(server),
      scrub: (text) => scrubber().scrubText(text),
      onMessage: (lane, message, line, about) => {
        try {
          this.#serverMessages.fromServer(lane, message, cleaner.clean(line), about)
        } catch (thrown) {
          const error = toJitError(thrown)
          if (error.code !== 'message.credential') throw thrown
          this.#refusals.note('server', error)
          if (message.kind === 'request') lane.reply(JSON.stringify(errorAnswer(message.id, error)))
        }
      },
      onRefused: (error) => this.#refusals.note('server', error),
      onPin: (pin) => {
        this.#pin = pin
        host.onPin(server, pin)
      },
      onStream: (id, open) => this.#flow.stream(id, open),
      onLaneEnd: (error) => host.onServerError(server, error),
    })
    const questions = new Questions(deps, {
      server,
      connection: this.id,
      session: principal.session,
      scrub: (text) => scrubber().scrubText(text),
    })
    const tasks = new Tasks({ clock: deps.clock, questions, release: (lease) => deps.broker.release(lease) })
    this.#serverMessages = new ServerMessages({
      server,
      lanes: () => this.lanes.all,
      isPrimary: (lane) => this.lanes.isPrimary(lane),
      questions,
      passes: (message) => this.#passes('server', message),
      refused: (error) => this.#refusals.note('server', error),
      progressOf: (token) => this.#inFlight.withProgress(token),
      isProgressOfTask: (lane, token) => tasks.hasProgress(lane, token),
      ofTask: (lane, message) => newsOfTask(this.#context, lane, message, (news, about) => this.#flow.message(news, about)),
      closed: (id) => this.#passing.closed(id),
      ofSubscription: (id, method, line) => this.#passing.ofSubscription(id, method, line),
      write: (line, about) => this.#flow.message(line, about),
    })
    this.#context = {
      deps,
      server,
      connection: this.id,
      principal,
      lanes: this.lanes,
      pin: () => this.#pin,
      definition: (tool) => this.#passing.definition(tool),
      scrubber,
      clean: (line) => cleaner.clean(line),
      questions,
      rounds: new Rounds(questions),
      tasks,
      revision: (params) => this.#revisionOf(params),
      tools: host.tools,
      capabilities: () => {
        const params = this.#handshake.initialize?.['params']
        return isJsonObject(params) ? params['capabilities'] : undefined
      },
      toolOfPage: (uri) => this.#passing.toolOfPage(uri),
      refused: (error, from) => this.#refusals.note(from, error),
      track: (id, ending) => this.#inFlight.track(id, ending),
      answer: (id, line) => this.#answer(id, line),
      forget: (id) => this.#answer(id, ''),
    }
    this.#passing = new Passing(this.#context, this.#handshake, (error) => this.#refusals.note('server', error))
    this.#batches = new Batches({
      isInFlight: (id) => this.#inFlight.has(id),
      deliver: (message) => this.#receive(message, Buffer.from(JSON.stringify(message.value))),
      answer: (id, line) => this.#flow.answer(id, line),
      refused: (error) => this.#refusals.note('client', error),
      cap: () => deps.config().limits.resultBytes,
    })
  }

  /** What the server's tools want repeated in headers, as far as they were listed to anybody. */
  get toolHeaders(): ToolHeaders {
    return this.#context.tools.of(this.server)
  }

  /** One message of the client; `parsed` where that was done. */
  receive(payload: Buffer, parsed: Parsed = parseMessage(payload, this.#deps.config().limits)): void {
    if (this.#closed) return
    if (!parsed.ok) {
      if (parsed.batch !== undefined && this.#handshake.revision === batchRevision) return this.#batches.receive(parsed.batch)
      this.#refusals.note('client', parsed.error)
      return this.#answer(parsed.id, JSON.stringify(errorAnswer(parsed.id, parsed.error)))
    }
    const { message } = parsed
    // A line break between tokens would make a second message, which nobody looked at, of what stands behind it.
    this.#receive(message, payload.includes(10) || payload.includes(13) ? Buffer.from(JSON.stringify(message.value)) : payload)
  }

  #receive(message: Message, bytes: Buffer): void {
    if (message.kind === 'response') {
      if (!this.#serverMessages.fromClient(message))
        this.#deps.log.warn('answer of a client to no request dropped', { server: this.server })
      return
    }
    if (message.kind === 'notification') {
      if (fromClient.notifications.has(message.method) || this.#passes('client', message)) return this.#notify(message, bytes)
      // Some server might take it for a request all the same; nobody would have decided on it.
      const isRequest = fromClient.requests.has(message.method) || fromServer.requests.has(message.method)
      return this.#refusals.note(
        'client',
        isRequest ? new JitError('message.malformed', `a request ${quote(message.method)} without an id`) : this.#unknown(message.method),
      )
    }
    if (this.#inFlight.has(scalarJson(message.id)))
      return this.#fail(message.id, new JitError('message.malformed', `the id ${JSON.stringify(message.id)} is in flight already`))
    if (this.#inFlight.isFull)
      return this.#fail(message.id, new JitError('server.busy', 'as many requests in flight as one client may have'))
    const odd = fromClient.requests.has(message.method) ? spellingOf(message.params) : undefined
    if (odd !== undefined) {
      this.#refusals.note('client', odd)
      return this.#fail(message.id, odd)
    }
    if (isGoverned(message)) {
      this.#inFlight.noteProgress(message.id, message.params)
      return void runCall(this.#context, { id: message.id, method: message.method, params: message.params })
    }
    if (!fromClient.requests.has(message.method) && !this.#passes('client', message)) {
      const error = this.#unknown(message.method)
      this.#refusals.note('client', error)
      return this.#fail(message.id, error)
    }
    const refusal = refuseReference(message, this.#deps.policy().servers.get(this.server), this.#revisionOf(message.params))
    if (refusal !== undefined) return this.#answer(message.id, JSON.stringify(refusal))
    this.#inFlight.noteProgress(message.id, message.params)
    if (message.method.startsWith('tasks/')) return void runTaskLeg(this.#context, message)
    if (message.method === 'subscriptions/listen') return void this.#passing.listen(message, bytes)
    void this.#passing.pass(message, bytes)
  }

  async close(reason: JitError): Promise<void> {
    this.#closed = true
    this.abortAll(reason)
    const closed = this.lanes.close(reason)
    this.#refusals.end()
    await closed
  }

  /** Ends what runs; the client stays, looks at its lists again, and its next request starts the server anew. */
  async restart(reason: JitError): Promise<void> {
    // Subscriptions go on in the lanes that come.
    this.#inFlight.endAll(reason, (id) => this.#passing.isListening(id))
    this.#context.tasks.endAll(reason)
    this.#passing.forget()
    this.#context.tasks.forget()
    await this.lanes.restart(reason)
    if (this.#closed) return
    for (const { line, about } of this.#passing.newsOfLists) this.#flow.message(line, about)
  }

  abortAll(reason: JitError): void {
    this.#inFlight.endAll(reason)
    this.#context.tasks.endAll(reason)
  }

  /** Ends the connection: for good with the error's reason, or until the client needs the daemon again when it just stops. */
  drop(error: JitError): void {
    this.#flow.end(error)
  }

  #revisionOf({ _meta: meta }: JsonObject): string {
    const named = isJsonObject(meta) ? meta['io.modelcontextprotocol/protocolVersion'] : undefined
    return typeof named === 'string' ? named : this.#handshake.revision
  }

  #notify(message: Message & { kind: 'notification' }, bytes: Buffer): void {
    if (message.method === 'notifications/cancelled') {
      const id = message.params['requestId']
      return this.#inFlight.end(JSON.stringify(id), new JitError('cancelled', 'the client cancelled the call'))
    }
    if (message.method === 'notifications/progress') return this.#serverMessages.progress(message)
    if (message.method === 'notifications/tasks/status') {
      if (!this.#serverMessages.taskStatus(message))
        this.#refusals.note('client', new JitError('message.foreign', `no server asked for the task ${quote(message.params['taskId'])}`))
      return
    }
    if (message.method === 'notifications/initialized') this.#handshake.initialized = true
    this.#flow.toServers(bytes)
  }

  /** Beside MCP's own methods those that the config names pass, on the record. */
  #passes(from: 'client' | 'server', { kind, method }: Message & { kind: 'request' | 'notification' }): boolean {
    if (!isVendor(method, this.#deps.config().servers[this.server]?.methods ?? [])) return false
    try {
      this.#refusals.passed(from, kind, method)
      return true
    } catch (failure) {
      this.#deps.log.error('message of a vendor not recorded, and refused', { error: String(failure) })
      return false
    }
  }

  #unknown(method: string): JitError {
    return unknownMethod(this.#context.scrubber().scrubText(method))
  }

  #answer(id: Id | null, line: string): void {
    const key = id === null ? 'null' : scalarJson(id)
    if (this.#batches.size > 0 && this.#batches.answered(key, line)) return
    this.#flow.answer(key, line)
  }

  #fail(id: Id, error: JitError): void {
    this.#answer(id, JSON.stringify(errorAnswer(id, error)))
  }
}
