import type { Lease } from '../broker/types.ts'
import { JitError } from '../core/errors.ts'
import { newId } from '../core/ids.ts'
import { type JsonObject, scalarJson } from '../core/json.ts'
import type { Box } from '../sandbox/types.ts'
import { boxLaunch, nobody } from './boxed.ts'
import type { Principal } from '../core/types.ts'
import { Ending } from './ending.ts'
import { batchRevision } from './batches.ts'
import { type Asked, ClientTasks } from './client-tasks.ts'
import { type CredentialsEndpoint, openCredentialsEndpoint } from './inject/credentials.ts'
import { injectedEnvironment } from './inject/environment.ts'
import type { Id, Message } from './jsonrpc.ts'
import { sparseLog } from './noise.ts'
import { Requests } from './requests.ts'
import { ambiguity, excessiveDepth, readBatch, readLine, readPlainAnswer } from './server-line.ts'
import type { GatewayDeps, LaneStatus, LaunchSpec } from './types.ts'
import { type LocalServer, LocalUpstream } from './upstream/local.ts'
import { Standing } from './standing.ts'
import type { ServerConfig } from '../config/schema.ts'
import { Remote } from './upstream/http/remote.ts'
import type { ToolHeaders } from './upstream/http/tool-headers.ts'
import { Child } from './upstream/stdio.ts'
import type { Outgoing, Upstream, UpstreamEvents } from './upstream/upstream.ts'
import { Wire } from './wire.ts'

/** The client's handshake, kept for lanes that start later. */
export interface Handshake {
  initialize: JsonObject | undefined
  initialized: boolean
  /** The revision that was agreed on; empty before that. */
  revision: string
  /** The client's last `logging/setLevel`. */
  level: JsonObject | undefined
}

export interface LaneOptions {
  readonly server: string
  /** Whose connection it belongs to. */
  readonly principal: Principal
  readonly handshake: Handshake
  readonly lease: Lease | undefined
  /** Of the tools that a remote server listed to this client. */
  readonly toolHeaders: ToolHeaders
  scrub(text: string): string
  /** What the server sends that answers nothing: notifications, and requests to the client; `about` which of the client's, if known. */
  onMessage(lane: Lane, message: Message, line: string, about: string | undefined): void
  /** A message of the server does not go on. */
  onRefused(error: JitError): void
  /** A remote server did not answer a request, for this reason. */
  onTrouble(error: JitError): void
  onEnd(lane: Lane, error: JitError): void
}

const replayId = 'jit:initialize'
const levelId = 'jit:level'
const startupLinger = 5000
/** Of a child that has the client's handshake replayed; the first child's handshake is the client's own affair. */
const startTimeout = 30_000

/** One child process of a local server, or one session with a remote one, for one connection and one partition. */
export class Lane {
  readonly id = newId('lane')
  readonly startedAt: number
  /** What the server asked the client, by the JSON of its id. */
  readonly asked = new Map<string, Asked>()
  readonly clientTasks = new ClientTasks()
  key: string | undefined
  inUse = 0
  lastUsed = 0
  readonly wire: Wire
  readonly #deps: GatewayDeps
  readonly #options: LaneOptions
  readonly #requests: Requests
  readonly #ending = new Ending()
  readonly #warn: (message: string, text: () => string) => void
  #pauses = 0
  #levels = 0
  /** What it was answered waits for it. */
  #isWaiting = false
  #upstream: Upstream | undefined
  #credentials: CredentialsEndpoint | undefined
  #box: Box | undefined
  #ended: JitError | undefined

  constructor(deps: GatewayDeps, options: LaneOptions) {
    this.#deps = deps
    this.#options = options
    this.wire = new Wire(deps, { server: options.server, lane: this.id, ending: this.#ending, ended: () => this.#ended })
    this.#warn = sparseLog(deps.log, { server: options.server, lane: this.id })
    this.#requests = new Requests({
      server: options.server,
      cap: () => deps.config().limits.resultBytes,
      backlog: () => this.#upstream?.backlog ?? 0,
      send: (line, request) => void this.send(line, request),
      warn: this.#warn,
    })
    this.startedAt = deps.clock.now()
  }

  get ended(): boolean {
    return this.#ended !== undefined
  }

  /** Requests that the child has not answered. */
  get pending(): number {
    return this.#requests.size
  }

  /** Starts the child; with a handshake that was made already, replays it. Whoever waits for it may leave; it goes on. */
  async start(): Promise<{ pin: string }> {
    const { server, handshake } = this.#options
    const cancel = this.#deps.clock.after(startTimeout, () =>
      this.#ending.end(new JitError('server.start', `server ${server} did not answer its handshake within ${startTimeout / 1000} s`)),
    )
    try {
      const pin = await this.#spawn()
      if (handshake.initialize !== undefined) {
        const { value } = await this.request(replayId, JSON.stringify({ ...handshake.initialize, id: replayId }), this.#ending)
        if ('error' in value) throw new JitError('server.start', `server ${server} refused the handshake in another lane`)
        if (handshake.initialized) this.send('{"jsonrpc":"2.0","method":"notifications/initialized"}')
        if (handshake.level !== undefined) await this.request(levelId, JSON.stringify({ ...handshake.level, id: levelId }), this.#ending)
      }
      return { pin }
    } finally {
      cancel()
      this.#deps.clock.after(startupLinger, () => this.wire.endStartup())
    }
  }

  /** Sends a request and answers with the child's line; the id is unique among those under way. */
  request(
    id: Id,
    line: string | Buffer,
    ending: Ending,
    governed?: Pick<Outgoing, 'lease' | 'onRequest'>,
  ): Promise<{ line: string; value: JsonObject }> {
    return this.#requests.ask({ id, lease: undefined, ...governed }, line, ending)
  }

  /** The client's `logging/setLevel`, for a lane that did not hear it; whether the server minds is its own affair. */
  setLevel(request: JsonObject): void {
    const id = `${levelId}:${(this.#levels += 1)}`
    this.request(id, JSON.stringify({ ...request, id }), this.#ending).catch(() => undefined)
  }

  /** The id (as JSON) of the newest request under way: what a server says unasked is most likely about it. */
  get latest(): string | undefined {
    return this.#requests.latest
  }

  /** Whether the request of this id (as JSON) is under way here. */
  serves(id: string): boolean {
    return this.#requests.has(id)
  }

  send(line: string | Buffer, request?: Outgoing): boolean {
    return this.#upstream?.send(line, request) ?? true
  }

  /** Calls back once the child has read what was sent, or will never. */
  drained(callback: () => void): void {
    if (this.#upstream === undefined) callback()
    else this.#upstream.drained(callback)
  }

  /** Answers what the server asked. While it does not read that, it is not heard: its questions cost it nothing. */
  reply(line: string): void {
    if (this.send(line) || this.#isWaiting) return
    this.#isWaiting = true
    this.pause()
    this.drained(() => {
      this.#isWaiting = false
      this.resume()
    })
  }

  /** Stops hearing the server until each `pause` has had its `resume`. */
  pause(): void {
    this.#pauses += 1
    this.#upstream?.pause()
  }

  resume(): void {
    this.#pauses -= 1
    if (this.#pauses === 0) this.#upstream?.resume()
  }

  /** Calls back with the reason once the lane ends; at once when it has. */
  onEnd(listener: (reason: JitError) => void): void {
    this.#ending.on(listener)
  }

  offEnd(listener: (reason: JitError) => void): void {
    this.#ending.off(listener)
  }

  async close(reason: JitError): Promise<void> {
    this.#end(reason)
    await this.#upstream?.close()
  }

  status(): LaneStatus {
    return {
      lane: this.id,
      pid: this.#upstream?.pid ?? 0,
      partition: this.key ?? '',
      inFlight: this.#requests.size,
      startedAt: this.startedAt,
    }
  }

  async #spawn(): Promise<string> {
    const { server, lease } = this.#options
    const local = this.#deps.local?.(server)
    if (local !== undefined) return this.#join(local)
    const config = this.#deps.config().servers[server]
    if (config === undefined) throw new JitError('not-found', `there is no server ${JSON.stringify(server)}`)
    if (config.url !== undefined) return this.#reach(config, config.url)
    const launch = await this.#deps.launch(server)
    try {
      this.#throwIfEnded()
      const box = await this.#openBox()
      const closed = box?.network === 'broker'
      const standIn = config.provider !== undefined ? this.#deps.standIn(config.provider) : closed ? nobody() : undefined
      const { mode } = config.inject
      const redirected = closed || mode === 'egress' || mode === 'endpoint'
      if (standIn !== undefined && redirected) await this.wire.open(config, standIn, closed ? box?.folder : undefined)
      if (mode === 'credentials' && lease !== undefined) await this.#openCredentials(lease)
      const injected = standIn === undefined ? {} : injectedEnvironment(config.inject, standIn, this.wire.network, lease)
      const provided = { ...standIn?.environment(redirected), ...this.#credentials?.environment }
      const whole = { ...provided, ...launch.environment, ...injected }
      const boxed = boxLaunch(this.#deps, { name: server, config }, box, this.wire.network, launch, whole)
      const child = this.#startChild(boxed.launch, boxed.environment)
      this.#upstream = child
      this.#deps.audit.append({
        type: 'server.started',
        server,
        lane: this.id,
        detail: {
          pid: child.pid,
          pin: launch.pin,
          mode: config.provider === undefined ? 'none' : config.inject.mode,
          sandbox: box?.kind ?? 'none',
        },
      })
      return launch.pin
    } catch (error) {
      launch.release?.()
      throw error
    }
  }

  /** Must not stay when the lane ended meanwhile. */
  async #openBox(): Promise<Box | undefined> {
    const box = await this.#deps.sandbox.open(this.#options.server)
    if (this.ended) box?.close()
    this.#throwIfEnded()
    this.#box = box
    return box
  }

  /** A server of jit's own: nothing to start. */
  async #join(local: LocalServer): Promise<string> {
    const { server, principal } = this.#options
    const upstream = new LocalUpstream({ onLine: (line) => this.#read(line, undefined) })
    this.#upstream = upstream
    await upstream.open(local, principal)
    this.#throwIfEnded()
    this.#deps.audit.append({ type: 'server.started', server, lane: this.id, detail: { pid: 0, pin: local.pin, mode: 'none' } })
    return local.pin
  }

  async #openCredentials(lease: Lease): Promise<void> {
    const { clock, handover: folder } = this.#deps
    const endpoint = await openCredentialsEndpoint({ lane: this.id, lease, folder, clock })
    if (this.ended) endpoint.close()
    this.#throwIfEnded()
    this.#credentials = endpoint
  }

  #startChild(launch: LaunchSpec, environment: Readonly<Record<string, string>>): Child {
    const { server } = this.#options
    return new Child({
      server,
      lane: this.id,
      launch,
      environment,
      children: this.#deps.children,
      clock: this.#deps.clock,
      log: this.#deps.log,
      cap: this.#deps.config().limits.resultBytes,
      scrub: (text) => this.#options.scrub(text),
      ...this.#events(),
    })
  }

  /** A remote server is reached when it is first asked. Answers an empty pin: what runs there is not ours to pin. */
  #reach(config: ServerConfig, url: string): string {
    const { server, toolHeaders } = this.#options
    const { clock, log, network } = this.#deps
    this.#upstream = new Remote({
      server,
      url: new URL(url),
      transport: config.transport ?? 'streamable-http',
      inject: config.inject,
      network,
      clock,
      log,
      standing: new Standing(this.#deps, server, this.id),
      tools: toolHeaders,
      cap: () => this.#deps.config().limits.resultBytes,
      scrub: (text) => this.#options.scrub(text),
      warn: this.#warn,
      ...this.#events(),
    })
    const { origin, pathname } = new URL(url)
    const mode = config.provider === undefined ? 'none' : config.inject.mode
    this.#deps.audit.append({ type: 'server.started', server, lane: this.id, detail: { url: `${origin}${pathname}`, mode } })
    return ''
  }

  #events(): UpstreamEvents {
    const { server } = this.#options
    return {
      onLine: (line, about) => this.#read(line, about),
      onTooLong: (bytes, head, tail) => this.#requests.tooLong(bytes, head, tail),
      onFailed: (id, error) => {
        this.#requests.fail(id, error)
        if (error.code.startsWith('server.')) this.#options.onTrouble(error)
      },
      onEnd: (how, words) =>
        this.#end(
          new JitError(
            'server.unavailable',
            `server ${server} ended (${how})${words === '' ? '' : `; its last words: ${JSON.stringify(words.slice(0, 300))}`}`,
          ),
        ),
    }
  }

  #throwIfEnded(): void {
    if (this.#ended !== undefined) throw this.#ended
  }

  /** True when it was the answer to the request that it is about. */
  #read(bytes: Buffer, about: string | undefined): boolean {
    if (this.ended) return false
    let line = bytes.toString('utf8')
    const plain = readPlainAnswer(line)
    const message = plain ?? readLine(line)
    const depth = excessiveDepth(line)
    if (depth !== undefined) return this.#refuseAll(message === undefined ? readBatch(line) : [message], depth, about)
    if (message === undefined && this.#options.handshake.revision === batchRevision && /^\s*\[/.test(line))
      return this.#readBatch(line, about)
    if (message === undefined) {
      this.#warn('server wrote something that is not JSON-RPC', () => this.#options.scrub(line.slice(0, 500)))
      return false
    }
    const isAnswer = message.kind === 'response' && (message.id === null ? 'null' : scalarJson(message.id)) === about
    if (message.kind === 'response' && about !== undefined && !isAnswer) {
      this.#warn('answer on the stream of another request dropped', () => about.slice(0, 100))
      return false
    }
    const problem = plain === undefined ? ambiguity(line) : undefined
    if (problem !== undefined) {
      this.#refuse(message, problem)
      return isAnswer
    }
    // Some readers take it for the end of a line: what stands behind it would be a message that nobody looked at.
    line = line.replaceAll('\r', ' ')
    if (message.kind === 'response') {
      this.#requests.answered(message.id, { line, value: message.value })
      return isAnswer
    }
    try {
      this.#options.onMessage(this, message, line, about)
    } catch (error) {
      // Nested so deeply, for one, that it cannot be written again.
      this.#warn('message of a server dropped', () => String(error))
    }
    return false
  }

  /** Taken apart: each message counts for itself, and travels alone. */
  #readBatch(line: string, about: string | undefined): boolean {
    const answered = readBatch(line).map((message) => this.#read(Buffer.from(JSON.stringify(message.value)), about))
    return answered.includes(true)
  }

  /** Its calls must not wait for an answer that was thrown away. True when the request that it is about was among them. */
  #refuseAll(messages: readonly Message[], error: JitError, about: string | undefined): boolean {
    if (messages.length === 0) this.#options.onRefused(error)
    for (const message of messages) this.#refuse(message, error)
    return messages.some((message) => message.kind === 'response' && message.id !== null && scalarJson(message.id) === about)
  }

  #refuse(message: Message, error: JitError): void {
    this.#options.onRefused(error)
    if (message.kind === 'response') this.#requests.fail(message.id, error)
  }

  #end(error: JitError): void {
    if (this.#ended !== undefined) return
    this.#ended = error
    this.#ending.end(error)
    this.wire.close()
    this.#credentials?.close()
    this.#box?.close()
    this.#requests.end(error)
    try {
      this.#deps.audit.append({ type: 'server.stopped', server: this.#options.server, lane: this.id, detail: { reason: error.message } })
    } catch (failure) {
      this.#deps.log.error('end of a server not recorded', { server: this.#options.server, error: String(failure) })
    }
    this.#options.onEnd(this, error)
  }
}
