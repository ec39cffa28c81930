import type { Lease } from '../broker/types.ts'
import { JitError } from '../core/errors.ts'
import { newId } from '../core/ids.ts'
import type { JsonObject } from '../core/json.ts'
import type { LaneNetwork } from '../egress/types.ts'
import { injectedEnvironment } from './inject/environment.ts'
import { classify, type Id, type Message } from './jsonrpc.ts'
import type { GatewayDeps, LaneStatus } from './types.ts'
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

/** One child process of a server, for one connection and one partition. */
export class Lane {
  readonly id = newId('lane')
  readonly startedAt: number
  key: string | undefined
  inUse = 0
  lastUsed = 0
  readonly #deps: GatewayDeps
  readonly #options: LaneOptions
  readonly #waiting = new Map<string, Waiting>()
  #child: Child | undefined
  #network: LaneNetwork | undefined
  #ended: JitError | undefined

  constructor(deps: GatewayDeps, options: LaneOptions) {
    this.#deps = deps
    this.#options = options
    this.startedAt = deps.clock.now()
  }

  get network(): LaneNetwork | undefined {
    return this.#network
  }

  get ended(): boolean {
    return this.#ended !== undefined
  }

  /** Starts the child; with a handshake that was made already, replays it. */
  async start(signal: AbortSignal): Promise<{ pin: string }> {
    const { server, handshake, lease } = this.#options
    const config = this.#deps.config().servers[server]
    const compiled = this.#deps.policy().servers.get(server)
    if (config === undefined || compiled === undefined) throw new JitError('not-found', `there is no server ${JSON.stringify(server)}`)
    const launch = await this.#deps.launch(server)
    const placeholder = config.provider === undefined ? '' : this.#deps.placeholder(config.provider)
    if (config.provider !== undefined && config.inject.mode !== 'env') {
      const endpoint =
        config.inject.mode === 'endpoint' ? { upstream: this.#deps.origin(config.provider), prefix: config.inject.prefix ?? '' } : undefined
      this.#network = await this.#deps.egress.openLane({
        lane: this.id,
        server,
        placeholder,
        origins: compiled.origins,
        open: new Set(config.open),
        ...(endpoint === undefined ? {} : { endpoint }),
      })
    }
    const environment = { ...launch.environment, ...injectedEnvironment(config.inject, placeholder, this.#network, lease) }
    if (this.#ended !== undefined) {
      // Closed while it was being started: nothing of it may start any more.
      this.#network?.close()
      launch.release?.()
      throw this.#ended
    }
    this.#child = new Child({
      server,
      lane: this.id,
      launch,
      environment,
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
    this.#deps.audit.append({
      type: 'server.started',
      server,
      lane: this.id,
      detail: { pid: this.#child.pid, pin: launch.pin, mode: config.provider === undefined ? 'none' : config.inject.mode },
    })
    const endStartup = await this.#allowStartup(signal)
    try {
      if (handshake.initialize !== undefined) {
        await this.request(replayId, JSON.stringify({ ...handshake.initialize, id: replayId }), signal)
        if (handshake.initialized) this.send('{"jsonrpc":"2.0","method":"notifications/initialized"}')
      }
    } finally {
      this.#deps.clock.after(startupLinger, endStartup)
    }
    return { pin: launch.pin }
  }

  /** Sends a request and answers with the child's line; the id is unique among those under way. */
  request(id: Id, line: string | Buffer, signal: AbortSignal): Promise<{ line: string; value: JsonObject }> {
    const key = JSON.stringify(id)
    return new Promise((resolve, reject) => {
      if (this.#ended !== undefined) return reject(this.#ended)
      if (signal.aborted) return reject(signal.reason)
      const abort = (): void => {
        this.#waiting.delete(key)
        this.send(JSON.stringify({ jsonrpc: '2.0', method: 'notifications/cancelled', params: { requestId: id } }))
        reject(signal.reason)
      }
      signal.addEventListener('abort', abort, { once: true })
      this.#waiting.set(key, (answer) => {
        signal.removeEventListener('abort', abort)
        if (answer instanceof JitError) reject(answer)
        else resolve(answer)
      })
      this.send(line)
    })
  }

  send(line: string | Buffer): boolean {
    return this.#child?.send(line) ?? true
  }

  drained(callback: () => void): void {
    this.#child?.drained(callback)
  }

  pause(): void {
    this.#child?.pause()
  }

  resume(): void {
    this.#child?.resume()
  }

  async close(reason: JitError): Promise<void> {
    this.#end(reason)
    await this.#child?.close()
  }

  status(): LaneStatus {
    return { lane: this.id, pid: this.#child?.pid ?? 0, partition: this.key ?? '', inFlight: this.#waiting.size, startedAt: this.startedAt }
  }

  #read(bytes: Buffer): void {
    const line = bytes.toString('utf8')
    let message: Message | undefined
    try {
      message = classify(JSON.parse(line))
    } catch {
      message = undefined
    }
    if (message === undefined)
      return this.#deps.log.info('server wrote something that is not JSON-RPC', {
        server: this.#options.server,
        text: this.#options.scrub(line.slice(0, 500)),
      })
    if (message.kind !== 'response') return this.#options.onMessage(this, message, line)
    const waiting = this.#waiting.get(JSON.stringify(message.id))
    if (waiting === undefined) return this.#deps.log.warn('answer to no request dropped', { server: this.#options.server, lane: this.id })
    this.#waiting.delete(JSON.stringify(message.id))
    waiting({ line, value: message.value })
  }

  /** A line over the cap: its call gets an error if the id can be seen at its start. */
  #tooLong(bytes: number, head: Buffer): void {
    const id = /"id"\s*:\s*(\d{1,15}|"[^"\\]{0,200}")/.exec(head.toString('latin1', 0, 300))?.[1] ?? ''
    this.#deps.log.warn('line over the cap dropped', { server: this.#options.server, lane: this.id, bytes })
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

  /** `startup:` of the config: a lease for what the server does before any call. */
  async #allowStartup(signal: AbortSignal): Promise<() => void> {
    const { server } = this.#options
    const grant = this.#deps.policy().servers.get(server)?.startup
    if (grant === undefined || this.#network === undefined) return () => undefined
    const call = newId('call')
    const principal = { human: '', agent: { name: 'startup', pid: 0, startTime: 0, evidence: 'peer' as const }, session: this.id }
    const decision = { effect: 'allow' as const, rule: { source: 'config' as const, path: `servers.${server}.startup` } }
    const fields = {
      call,
      principal,
      connection: this.id,
      server,
      kind: 'startup' as const,
      tool: '$startup',
      resource: '',
      digest: '',
      policy: this.#deps.policy().digest,
      decision,
      provider: grant.provider,
      scope: grant.scope,
    }
    this.#deps.audit.append({ type: 'call.intent', ...fields })
    const lease = await this.#deps.broker.acquire({ grant, call, principal, server, tool: '$startup' }, signal)
    const requests: { method: string; url: string; status: number; requestId: string; took: number }[] = []
    const started = this.#deps.clock.monotonic()
    const rules = (): string => this.#deps.policy().servers.get(server)?.digest ?? ''
    const before = rules()
    const end = this.#network.begin({
      call,
      lease,
      requests: grant.requests,
      current: () => rules() === before,
      seen: new Map(),
      onRequest: (request) => void requests.push(request),
    })
    return () => {
      end()
      this.#deps.broker.release(lease)
      try {
        this.#deps.audit.append({ type: 'call.close', ...fields, result: 'ok', requests, took: this.#deps.clock.monotonic() - started })
      } catch (error) {
        this.#deps.log.error('end of a startup not recorded', { server, lane: this.id, error: String(error) })
      }
    }
  }
}
