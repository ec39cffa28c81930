import type { Lease } from '../broker/types.ts'
import type { ServerConfig } from '../config/schema.ts'
import { JitError } from '../core/errors.ts'
import { newId } from '../core/ids.ts'
import { type JsonObject, scalarJson } from '../core/json.ts'
import type { InFlightCall, LaneNetwork } from '../egress/types.ts'
import { Ending } from './ending.ts'
import { injectedEnvironment } from './inject/environment.ts'
import { classify, type Id, type Message } from './jsonrpc.ts'
import { sparseLog } from './noise.ts'
import { beginStartup, type Startup } from './startup.ts'
import { Turns } from './turns.ts'
import type { GatewayDeps, LaneStatus, LaunchSpec } from './types.ts'
import { Child } from './upstream/stdio.ts'

/** The client's handshake, kept for lanes that start later. */
export interface Handshake {
  initialize: JsonObject | undefined
  initialized: boolean
}

export interface LaneOptions {
  readonly server: string
  readonly handshake: Handshake
  readonly lease: Lease | undefined
  scrub(text: string): string
  /** What the server sends that answers nothing: notifications, and requests to the client. */
  onMessage(lane: Lane, message: Message, line: string): void
  onEnd(lane: Lane, error: JitError): void
}

type Waiting = (answer: { line: string; value: JsonObject } | JitError) => void

const replayId = 'jit:initialize'
const startupLinger = 5000
/** Bytes that wait for a server to read them; calls that are cancelled leave theirs behind. */
const backlogCap = 16 * 1024 * 1024
/** Of a child that has the client's handshake replayed; the first child's handshake is the client's own affair. */
const startTimeout = 30_000

/** One child process of a server, for one connection and one partition. */
export class Lane {
  readonly id = newId('lane')
  readonly startedAt: number
  /** What the server asked the client: JSON of its id → JSON of its progress token. */
  readonly asked = new Map<string, string>()
  key: string | undefined
  inUse = 0
  lastUsed = 0
  readonly #deps: GatewayDeps
  readonly #options: LaneOptions
  readonly #waiting = new Map<string, Waiting>()
  readonly #turns: Turns
  readonly #onWire = new Map<InFlightCall, () => void>()
  readonly #ending = new Ending()
  readonly #warn: (message: string, text: () => string) => void
  #pauses = 0
  #child: Child | undefined
  #network: LaneNetwork | undefined
  #startup: Startup | undefined
  #ended: JitError | undefined

  constructor(deps: GatewayDeps, options: LaneOptions) {
    this.#deps = deps
    this.#options = options
    this.#turns = new Turns(deps.clock, options.server)
    this.#warn = sparseLog(deps.log, { server: options.server, lane: this.id })
    this.startedAt = deps.clock.now()
  }

  get network(): LaneNetwork | undefined {
    return this.#network
  }

  get ended(): boolean {
    return this.#ended !== undefined
  }

  /** Requests that the child has not answered. */
  get pending(): number {
    return this.#waiting.size
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
      }
      return { pin }
    } finally {
      cancel()
      this.#deps.clock.after(startupLinger, () => this.#endStartup())
    }
  }

  /** Puts the call on the wire once no other could be taken for it. Throws `server.busy` after `wait` milliseconds. */
  async enter(call: InFlightCall, wait: number, ending: Ending): Promise<void> {
    if (this.tryEnter(call)) return
    await this.#turns.wait(call, wait, ending.signal)
    this.#begin(call)
  }

  /** The same where nothing has to be waited for; false when it has. */
  tryEnter(call: InFlightCall): boolean {
    if (this.#network === undefined) return true
    if (!this.#turns.tryEnter(call)) return false
    this.#begin(call)
    return true
  }

  leave(call: InFlightCall): void {
    this.#onWire.get(call)?.()
    this.#onWire.delete(call)
    this.#turns.leave(call)
  }

  #begin(call: InFlightCall): void {
    if (this.#network !== undefined) this.#onWire.set(call, this.#network.begin(call))
  }

  /** Sends a request and answers with the child's line; the id is unique among those under way. */
  request(id: Id, line: string | Buffer, ending: Ending): Promise<{ line: string; value: JsonObject }> {
    const key = scalarJson(id)
    return new Promise((resolve, reject) => {
      if (this.#ended !== undefined) return reject(this.#ended)
      if (ending.reason !== undefined) return reject(ending.reason)
      if ((this.#child?.backlog ?? 0) > backlogCap)
        return reject(new JitError('server.busy', `server ${this.#options.server} does not read what it was sent before`))
      const cancel = (reason: JitError): void => {
        this.#waiting.delete(key)
        this.send(JSON.stringify({ jsonrpc: '2.0', method: 'notifications/cancelled', params: { requestId: id } }))
        reject(reason)
      }
      ending.on(cancel)
      this.#waiting.set(key, (answer) => {
        ending.off(cancel)
        if (answer instanceof JitError) reject(answer)
        else resolve(answer)
      })
      this.send(line)
    })
  }

  /** Whether the request of this id (as JSON) is under way here. */
  serves(id: string): boolean {
    return this.#waiting.has(id)
  }

  send(line: string | Buffer): boolean {
    return this.#child?.send(line) ?? true
  }

  /** Calls back once the child has read what was sent, or will never. */
  drained(callback: () => void): void {
    if (this.#child === undefined) callback()
    else this.#child.drained(callback)
  }

  /** Answers what the server asked. While it does not read that, it is not heard: its questions cost it nothing. */
  reply(line: string): void {
    if (this.send(line)) return
    this.pause()
    this.drained(() => this.resume())
  }

  /** Stops hearing the server until each `pause` has had its `resume`. */
  pause(): void {
    this.#pauses += 1
    this.#child?.pause()
  }

  resume(): void {
    this.#pauses -= 1
    if (this.#pauses === 0) this.#child?.resume()
  }

  async close(reason: JitError): Promise<void> {
    this.#end(reason)
    await this.#child?.close()
  }

  status(): LaneStatus {
    return { lane: this.id, pid: this.#child?.pid ?? 0, partition: this.key ?? '', inFlight: this.#waiting.size, startedAt: this.startedAt }
  }

  async #spawn(): Promise<string> {
    const { server, lease } = this.#options
    const config = this.#deps.config().servers[server]
    if (config === undefined) throw new JitError('not-found', `there is no server ${JSON.stringify(server)}`)
    const launch = await this.#deps.launch(server)
    try {
      this.#throwIfEnded()
      const placeholder = config.provider === undefined ? '' : this.#deps.placeholder(config.provider)
      if (config.provider !== undefined && config.inject.mode !== 'env') await this.#openNetwork(config, config.provider, placeholder)
      const child = this.#startChild(launch, injectedEnvironment(config.inject, placeholder, this.#network, lease))
      this.#child = child
      this.#deps.audit.append({
        type: 'server.started',
        server,
        lane: this.id,
        detail: { pid: child.pid, pin: launch.pin, mode: config.provider === undefined ? 'none' : config.inject.mode },
      })
      return launch.pin
    } catch (error) {
      launch.release?.()
      throw error
    }
  }

  async #openNetwork({ inject, open }: ServerConfig, provider: string, placeholder: string): Promise<void> {
    const { server } = this.#options
    const compiled = this.#deps.policy().servers.get(server)
    if (compiled === undefined) throw new JitError('not-found', `there is no server ${JSON.stringify(server)}`)
    const endpoint = inject.mode === 'endpoint' ? { upstream: this.#deps.origin(provider), prefix: inject.prefix ?? '' } : undefined
    const network = await this.#deps.egress.openLane({
      lane: this.id,
      server,
      placeholder,
      origins: compiled.origins,
      open: new Set(open),
      ...(endpoint === undefined ? {} : { endpoint }),
    })
    if (this.ended) network.close()
    this.#throwIfEnded()
    this.#network = network
    await this.#beginStartup()
  }

  #startChild(launch: LaunchSpec, injected: Readonly<Record<string, string>>): Child {
    const { server } = this.#options
    return new Child({
      server,
      lane: this.id,
      launch,
      environment: { ...launch.environment, ...injected },
      children: this.#deps.children,
      clock: this.#deps.clock,
      log: this.#deps.log,
      cap: this.#deps.config().limits.resultBytes,
      scrub: (text) => this.#options.scrub(text),
      onLine: (line) => this.#read(line),
      onTooLong: (bytes, head) => this.#tooLong(bytes, head),
      onEnd: (how, words) =>
        this.#end(
          new JitError(
            'server.unavailable',
            `server ${server} ended (${how})${words === '' ? '' : `; its last words: ${JSON.stringify(words.slice(0, 300))}`}`,
          ),
        ),
    })
  }

  #throwIfEnded(): void {
    if (this.#ended !== undefined) throw this.#ended
  }

  #read(bytes: Buffer): void {
    if (this.ended) return
    let line = bytes.toString('utf8')
    let message: Message | undefined
    try {
      message = classify(JSON.parse(line))
      // Some readers take it for the end of a line: what stands behind it would be a message that nobody looked at.
      if (line.includes('\r')) line = JSON.stringify(message?.value)
    } catch {
      message = undefined
    }
    if (message === undefined)
      return this.#warn('server wrote something that is not JSON-RPC', () => this.#options.scrub(line.slice(0, 500)))
    if (message.kind === 'response') return this.#answered(message.id, { line, value: message.value })
    try {
      this.#options.onMessage(this, message, line)
    } catch (error) {
      // Nested so deeply, for one, that it cannot be written again.
      this.#warn('message of a server dropped', () => String(error))
    }
  }

  #answered(id: Id | null, answer: { line: string; value: JsonObject }): void {
    const key = id === null ? 'null' : scalarJson(id)
    const waiting = this.#waiting.get(key)
    if (waiting === undefined) return this.#warn('answer to no request dropped', () => key.slice(0, 100))
    this.#waiting.delete(key)
    waiting(answer)
  }

  /** A line over the cap: its call gets an error if the id can be seen at its start. */
  #tooLong(bytes: number, head: Buffer): void {
    const id = /"id"\s*:\s*(\d{1,15}|"[^"\\]{0,200}")/.exec(head.toString('latin1', 0, 300))?.[1] ?? ''
    this.#warn('line over the cap dropped', () => `${bytes} bytes`)
    const waiting = this.#waiting.get(id)
    this.#waiting.delete(id)
    waiting?.(
      new JitError(
        'message.too-large',
        `server ${this.#options.server} answered with ${bytes} bytes; the cap is ${this.#deps.config().limits.resultBytes}`,
        { hint: 'Raise `limits.resultBytes` if it is meant.' },
      ),
    )
  }

  #end(error: JitError): void {
    if (this.#ended !== undefined) return
    this.#ended = error
    this.#ending.end(error)
    this.#endStartup()
    this.#network?.close()
    for (const waiting of this.#waiting.values()) waiting(error)
    this.#waiting.clear()
    try {
      this.#deps.audit.append({ type: 'server.stopped', server: this.#options.server, lane: this.id, detail: { reason: error.message } })
    } catch (failure) {
      this.#deps.log.error('end of a server not recorded', { server: this.#options.server, error: String(failure) })
    }
    this.#options.onEnd(this, error)
  }

  async #beginStartup(): Promise<void> {
    const startup = await beginStartup(this.#deps, this.#options.server, this.id, this.#ending.signal)
    if (startup === undefined) return
    this.#startup = startup
    if (this.ended) this.#endStartup()
    this.#throwIfEnded()
    await this.enter(startup.call, 0, this.#ending)
  }

  #endStartup(): void {
    const startup = this.#startup
    if (startup === undefined) return
    this.#startup = undefined
    this.leave(startup.call)
    startup.end()
  }
}
