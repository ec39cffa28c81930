import { JitError } from '../../core/errors.ts'
import { newId } from '../../core/ids.ts'
import { type JsonObject, scalarJson } from '../../core/json.ts'
import { Ending } from '../ending.ts'
import { type Asked, ClientTasks } from './client-tasks.ts'
import type { Id, Message } from '../protocol/jsonrpc.ts'
import { LaneReader } from './reader.ts'
import type { LaneSettings } from './settings.ts'
import { LaneStart, type StartingLane } from './start.ts'
import { sparseLog } from './noise.ts'
import { isCredentialNotTaken } from '../upstream/not-taken.ts'
import { Requests } from './requests.ts'
import type { GatewayDeps, LaneStatus } from '../types.ts'
import type { Outgoing, Upstream } from '../upstream/upstream.ts'
import { Wire } from './wire.ts'

export interface LaneOptions extends LaneSettings {
  /** What the server sends that answers nothing: notifications, and requests to the client; `about` which of the client's, if known. */
  onMessage(lane: Lane, message: Message, line: string, about: string | undefined): void
  onEnd(lane: Lane, error: JitError): void
}

/** Ids of requests by which jit learns of tools begin so: that they fail is no trouble of anybody's. */
export const learningId = 'jit:tools:'
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
  readonly #start: LaneStart
  readonly #reader: LaneReader
  #pauses = 0
  #levels = 0
  /** What it was answered waits for it. */
  #isWaiting = false
  #upstream: Upstream | undefined
  #ended: JitError | undefined

  constructor(deps: GatewayDeps, options: LaneOptions) {
    this.#deps = deps
    this.#options = options
    this.wire = new Wire(deps, { server: options.server, lane: this.id, ending: this.#ending, ended: () => this.#ended })
    const warn = sparseLog(deps.log, { server: options.server, lane: this.id }, (text) => options.scrub(text))
    this.#requests = new Requests({
      server: options.server,
      cap: () => deps.config().limits.resultBytes,
      backlog: () => this.#upstream?.backlog ?? 0,
      send: (line, request) => void this.send(line, request),
      warn,
    })
    this.#reader = new LaneReader(options, {
      requests: this.#requests,
      ended: () => this.ended,
      message: (message, line, about) => options.onMessage(this, message, line, about),
      warn,
    })
    this.#start = this.#startOf(warn)
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
      const pin = await this.#start.run()
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
  request(id: Id, line: string | Buffer, ending: Ending, governed?: Omit<Outgoing, 'id'>): Promise<{ line: string; value: JsonObject }> {
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

  #startOf(warn: StartingLane['warn']): LaneStart {
    const { server } = this.#options
    return new LaneStart(this.#deps, {
      id: this.id,
      options: this.#options,
      wire: this.wire,
      warn,
      ended: () => this.#ended,
      use: (upstream) => void (this.#upstream = upstream),
      onLine: (line, about) => this.#reader.read(line, about),
      onStream: (id, open) => this.#options.onStream?.(scalarJson(id), open),
      onTooLong: (bytes, head, tail) => this.#requests.tooLong(bytes, head, tail),
      onFailed: (id, error) => {
        this.#requests.fail(id, error)
        // What is asked again at once is no trouble.
        const isOwn = typeof id === 'string' && id.startsWith(learningId)
        if (!isOwn && error.code.startsWith('server.') && !isCredentialNotTaken(error)) this.#options.onTrouble(error)
      },
      onEnd: (how, words) =>
        this.#end(
          new JitError(
            'server.unavailable',
            `server ${server} ended (${how})${words === '' ? '' : `; its last words: ${JSON.stringify(words.slice(0, 300))}`}`,
          ),
        ),
    })
  }

  #end(error: JitError): void {
    if (this.#ended !== undefined) return
    this.#ended = error
    this.#ending.end(error)
    this.wire.close()
    this.#start.close()
    this.#requests.end(error)
    try {
      this.#deps.audit.append({ type: 'server.stopped', server: this.#options.server, lane: this.id, detail: { reason: error.message } })
    } catch (failure) {
      this.#deps.log.error('end of a server not recorded', { server: this.#options.server, error: String(failure) })
    }
    this.#options.onEnd(this, error)
  }
}
