import type { Socket } from 'node:net'
import { CONTROL, frame, frameReader, MESSAGE, responseFrame } from '../api/frames.js'
import { type HelloFrame, helloFrame } from '../api/schema.ts'
import { JitError, toJitError } from '../core/errors.ts'
import { newId } from '../core/ids.ts'
import { isJsonObject, type JsonObject } from '../core/json.ts'
import type { Principal } from '../core/types.ts'
import { batchedWriter } from './batched.ts'
import type { CallContext, GovernedRequest } from './call.ts'
import { errorAnswer, type Id, type Message, parseMessage } from './jsonrpc.ts'
import type { Handshake, Lane } from './lane.ts'
import { LanePool } from './lanes.ts'
import { filterList, isList } from './lists.ts'
import { runCall } from './pipeline.ts'
import { refuseReference } from './reference.ts'
import { currentScrubber } from './scrubbing.ts'
import type { GatewayDeps } from './types.ts'

const governed = new Set(['tools/call', 'resources/read', 'prompts/get'])
const inFlightCap = 1024

export interface ConnectionEvents {
  onPin(server: string, pin: string): void
  onServerError(server: string, error: JitError): void
  onClose(connection: Connection): void
}

/** One shim: one MCP client that talks to one server, by way of the lanes it needs. */
export class Connection {
  readonly id = newId('connection')
  readonly server: string
  readonly lanes: LanePool
  readonly #deps: GatewayDeps
  readonly #socket: Socket
  readonly #send: (data: Buffer) => boolean
  readonly #principal: Principal
  readonly #handshake: Handshake = { initialize: undefined, initialized: false }
  readonly #inFlight = new Map<string, (reason: JitError) => void>()
  readonly #definitions = new Map<string, string>()
  /** Lanes that wait until the client has taken what is buffered. */
  readonly #paused = new Set<Lane>()
  readonly #abort = new AbortController()
  readonly #context: CallContext
  #pin = ''

  constructor(deps: GatewayDeps, socket: Socket, hello: HelloFrame, principal: Principal, events: ConnectionEvents) {
    this.#deps = deps
    this.#socket = socket
    this.#send = batchedWriter(socket)
    this.#principal = principal
    this.server = hello.server
    const scrubber = currentScrubber(deps.broker)
    this.lanes = new LanePool(deps, {
      server: hello.server,
      connection: this.id,
      handshake: this.#handshake,
      scrub: (text) => scrubber().scrubText(text),
      onMessage: (lane, message, line) => this.#fromServer(lane, message, scrubber().scrubText(line)),
      onPin: (pin) => {
        this.#pin = pin
        events.onPin(hello.server, pin)
      },
      onLaneEnd: (error) => events.onServerError(hello.server, error),
    })
    this.#context = {
      deps,
      server: hello.server,
      connection: this.id,
      principal,
      lanes: this.lanes,
      pin: () => this.#pin,
      definition: (tool) => this.#definitions.get(tool) ?? '',
      scrubber,
      track: (id, abort) => {
        const key = JSON.stringify(id)
        this.#inFlight.set(key, abort)
        return () => this.#inFlight.delete(key)
      },
      answer: (id, line) => this.#answer(id, line),
      forget: (id) => this.#send(responseFrame(JSON.stringify(id), '')),
    }
  }

  /** One message of the client. */
  receive(bytes: Buffer): void {
    const parsed = parseMessage(bytes, this.#deps.config().limits)
    if (!parsed.ok) {
      this.#note(parsed.error)
      return this.#answer(parsed.id, JSON.stringify(errorAnswer(parsed.id, parsed.error)))
    }
    const { message } = parsed
    if (message.kind === 'response') return this.#toServer(message)
    if (message.kind === 'notification') return this.#notify(message, bytes)
    if (this.#inFlight.has(JSON.stringify(message.id)))
      return this.#fail(message.id, new JitError('message.malformed', `the id ${JSON.stringify(message.id)} is in flight already`))
    if (this.#inFlight.size >= inFlightCap)
      return this.#fail(message.id, new JitError('server.busy', `more than ${inFlightCap} requests in flight`))
    if (isGoverned(message)) return void runCall(this.#context, { id: message.id, method: message.method, params: message.params })
    const refusal = refuseReference(message.id, message.method, message.params, this.#deps.policy().servers.get(this.server))
    if (refusal !== undefined) return this.#answer(message.id, JSON.stringify(refusal))
    void this.#pass(message, bytes)
  }

  async close(reason: JitError): Promise<void> {
    this.abortAll(reason)
    this.#abort.abort(reason)
    await this.lanes.close(reason)
  }

  /** Ends what runs; the client stays, and its next request starts the server anew. */
  async restart(reason: JitError): Promise<void> {
    this.abortAll(reason)
    this.#definitions.clear()
    await this.lanes.close(reason)
  }

  abortAll(reason: JitError): void {
    for (const abort of this.#inFlight.values()) abort(reason)
  }

  /** Ends the connection: for good with the error's reason, or until the client needs the daemon again when it just stops. */
  drop(error: JitError): void {
    const said =
      error.code === 'daemon.restarted'
        ? { bye: 1 }
        : { error: { code: error.code, message: error.message, hint: error.hint, rpc: error.rpcCode } }
    this.#socket.end(frame(CONTROL, JSON.stringify(said)))
  }

  /** What policy has no say in travels byte for byte; lists are filtered on their way back. */
  async #pass(message: Message & { kind: 'request' }, bytes: Buffer): Promise<void> {
    const { id, method } = message
    const abort = new AbortController()
    const untrack = this.#context.track(id, (reason) => abort.abort(reason))
    if (method === 'initialize') this.#handshake.initialize = undefined
    try {
      const lane = await this.lanes.primary(AbortSignal.any([abort.signal, this.#abort.signal]))
      const answer = await lane.request(id, method === 'initialize' ? JSON.stringify(message.value) : bytes, abort.signal)
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
    if (compiled === undefined) return JSON.stringify(value)
    return JSON.stringify(
      filterList(method, value, compiled, (tool, definition) => {
        const before = this.#definitions.get(tool)
        this.#definitions.set(tool, definition)
        if (before !== undefined && before !== definition)
          this.#deps.audit.append({ type: 'server.changed', server: this.server, detail: { tool, before, after: definition } })
      }),
    )
  }

  #notify(message: Message & { kind: 'notification' }, bytes: Buffer): void {
    if (message.method === 'notifications/cancelled') {
      const id = message.params['requestId']
      return this.#inFlight.get(JSON.stringify(id))?.(new JitError('cancelled', 'the client cancelled the call'))
    }
    if (message.method === 'notifications/initialized') this.#handshake.initialized = true
    for (const lane of this.lanes.all) {
      if (lane.send(bytes) || this.#socket.isPaused()) continue
      this.#socket.pause()
      lane.drained(() => this.#socket.resume())
    }
  }

  /** The client's answer to a server's request goes to the lane that asked, under that server's own id. */
  #toServer(message: Message & { kind: 'response' }): void {
    const match = /^jit:(lane_[0-9a-z]+):(.*)$/s.exec(String(message.id))
    const lane = this.lanes.all.find((known) => known.id === match?.[1])
    if (lane === undefined || match?.[2] === undefined)
      return this.#deps.log.warn('answer of a client to no request dropped', { server: this.server })
    lane.send(JSON.stringify({ ...message.value, id: JSON.parse(match[2]) }))
  }

  #fromServer(lane: Lane, message: Message, line: string): void {
    if (message.kind === 'request') {
      if (message.method === 'sampling/createMessage' && this.#deps.config().servers[this.server]?.sampling !== 'allow') {
        lane.send(
          JSON.stringify(
            errorAnswer(
              message.id,
              new JitError('policy.denied', `server ${this.server} may not use the client's model`, {
                hint: 'Set `sampling: allow` for this server if it is meant.',
              }),
            ),
          ),
        )
        return
      }
      const value: unknown = JSON.parse(line)
      if (isJsonObject(value)) this.#write(JSON.stringify({ ...value, id: `jit:${lane.id}:${JSON.stringify(message.id)}` }), lane)
      return
    }
    if (this.lanes.isPrimary(lane) || (message.kind === 'notification' && message.method === 'notifications/progress'))
      this.#write(line, lane)
  }

  #answer(id: Id | null, line: string): void {
    this.#send(responseFrame(JSON.stringify(id), line))
  }

  #fail(id: Id, error: JitError): void {
    this.#answer(id, JSON.stringify(errorAnswer(id, error)))
  }

  /** A server that floods is not read faster than the client takes it. */
  #write(line: string, lane: Lane): void {
    if (this.#send(frame(MESSAGE, line)) || this.#paused.has(lane)) return
    if (this.#paused.size === 0) this.#socket.once('drain', () => this.#resume())
    this.#paused.add(lane)
    lane.pause()
  }

  #resume(): void {
    const lanes = [...this.#paused]
    this.#paused.clear()
    for (const lane of lanes) lane.resume()
  }

  #note(error: JitError): void {
    try {
      this.#deps.audit.append({
        type: 'message.refused',
        detail: { server: this.server, connection: this.id, session: this.#principal.session, code: error.code, message: error.message },
      })
    } catch (failure) {
      this.#deps.log.error('refused message not recorded', { error: String(failure) })
    }
  }
}

/** Reads the hello, answers it, and hands the connection its messages. */
export function acceptConnection(
  deps: GatewayDeps,
  socket: Socket,
  events: ConnectionEvents,
  onOpen: (connection: Connection) => void,
): void {
  let connection: Connection | undefined
  let leave = (): void => undefined
  const refuse = (error: JitError): void => {
    socket.end(
      frame(CONTROL, JSON.stringify({ error: { code: error.code, message: error.message, hint: error.hint, rpc: error.rpcCode } })),
    )
  }
  const read = frameReader((kind, payload) => {
    if (kind === MESSAGE && connection !== undefined) return connection.receive(payload)
    if (kind !== CONTROL || connection !== undefined) return void socket.destroy()
    try {
      const hello = helloFrame.parse(JSON.parse(payload.toString('utf8')))
      const { broken } = deps.policy()
      if (broken !== undefined) throw broken
      if (!deps.policy().servers.has(hello.server))
        throw new JitError(
          deps.policy().servers.size === 0 ? 'config.missing' : 'not-found',
          `there is no server ${JSON.stringify(hello.server)}`,
          {
            hint: '`jit servers` lists them; `jit add` adds one.',
          },
        )
      const identified = deps.identify(socket, hello)
      leave = identified.leave
      connection = new Connection(deps, socket, hello, identified.principal, events)
      onOpen(connection)
      socket.write(frame(CONTROL, JSON.stringify({ welcome: 1, daemon: process.pid })))
    } catch (error) {
      refuse(toJitError(error, 'message.malformed'))
    }
  })
  socket.on('data', (chunk: Buffer) => {
    try {
      read(chunk)
    } catch (error) {
      deps.log.warn('connection dropped', { error: String(error) })
      socket.destroy()
    }
  })
  socket.on('error', () => socket.destroy())
  socket.on('close', () => {
    leave()
    if (connection === undefined) return
    events.onClose(connection)
    void connection.close(new JitError('cancelled', 'the client went away'))
  })
}

function isGoverned(message: Message & { kind: 'request' }): message is Message & { kind: 'request'; method: GovernedRequest['method'] } {
  return governed.has(message.method)
}
