import type { IncomingMessage } from 'node:http'
import type { Lease } from '../../../broker/types.ts'
import { isJsonObject, scalarJson } from '../../../core/json.ts'
import { sessionLost } from '../lost-session.ts'
import { readLine } from '../../protocol/server-line.ts'
import type { Outgoing, Upstream } from '../upstream.ts'
import { AuthorizedRequest } from './authorized.ts'
import { Listening } from './listening.ts'
import { cancelledId, type OutgoingMessage, readOutgoing } from './outgoing-message.ts'
import { Outbox } from './outbox.ts'
import { Post, type PostHost } from './post.ts'
import { messageHeaders } from './protocol-headers.ts'
import { unavailable } from './refusals.ts'
import type { RemoteOptions } from './options.ts'

/** A farewell that takes longer is not waited for. */
const farewell = 2000
const sessionCap = 1024

/**
 * A remote server over Streamable HTTP. For 2025-03-26 to 2025-11-25: one session, which begins with the answer to
 * `initialize`. For 2026-07-28: each message by itself; there is no session, and to close an answer's stream is to cancel.
 */
export class Streamable implements Upstream, PostHost {
  readonly pid = 0
  readonly answersElsewhere = false
  readonly options: RemoteOptions
  readonly #requests = new Map<string, Post>()
  readonly #others = new Set<Post>()
  readonly #outbox = new Outbox<Post>()
  readonly #fallBack: ((initialize: OutgoingMessage) => void) | undefined
  #session: string | undefined
  /** As the answer to `initialize` said. */
  #version = ''
  /** As the last message said that named one itself. */
  #revision: string | undefined
  #listening: Listening | undefined
  /** What waits until the server has taken `notifications/initialized`. */
  #held: Post[] | undefined
  #isPaused = false
  #closed = false

  /** `fallBack`: for a server that knows the older transport only. */
  constructor(options: RemoteOptions, fallBack?: (initialize: OutgoingMessage) => void) {
    this.options = options
    this.#fallBack = fallBack
  }

  get backlog(): number {
    return this.#outbox.weight
  }

  get isPaused(): boolean {
    return this.#isPaused
  }

  get url(): URL {
    return this.options.url
  }

  send(line: string | Buffer, request?: Outgoing): boolean {
    if (this.#closed) return true
    const message = this.#dated(readOutgoing(line, request))
    if (message.method === 'notifications/cancelled' && this.#cancel(message)) return true
    if (message.method === 'initialize') this.#begin()
    const post = new Post(this, message)
    this.#outbox.add(post, message.bytes.length)
    if (request === undefined) this.#others.add(post)
    else this.#requests.set(post.key, post)
    this.#listening?.wake()
    if (this.#held !== undefined) this.#held.push(post)
    else {
      if (message.method === 'notifications/initialized') this.#held = []
      post.send()
    }
    return !this.#outbox.isFull
  }

  drained(callback: () => void): void {
    this.#outbox.drained(callback)
  }

  pause(): void {
    this.#isPaused = true
    for (const one of [...this.#requests.values(), ...this.#others]) one.pause()
    this.#listening?.pause()
  }

  resume(): void {
    this.#isPaused = false
    for (const one of [...this.#requests.values(), ...this.#others]) one.resume()
    this.#listening?.resume()
  }

  async close(): Promise<void> {
    if (this.#closed) return
    this.#stop()
    await this.#leave()
    this.options.standing.end()
  }

  /** Names and values of what the protocol wants beside a message, or beside a stream of the server's own. */
  headers(message?: OutgoingMessage): string[] {
    const headers = ['Accept-Encoding', 'identity', 'User-Agent', 'jit']
    if (message?.revision !== undefined) return [...headers, ...messageHeaders(message, this.options.tools)]
    if (this.#version !== '') headers.push('MCP-Protocol-Version', this.#version)
    if (this.#session !== undefined) headers.push('Mcp-Session-Id', this.#session)
    return headers
  }

  accepted({ method }: OutgoingMessage, { headers }: IncomingMessage): void {
    if (method === 'notifications/initialized') {
      this.#listening ??= new Listening(this)
      this.#listening.open()
    }
    const session = headers['mcp-session-id']
    if (method !== 'initialize' || session === undefined) return
    if (typeof session !== 'string' || session.length > sessionCap || !/^[\x21-\x7e]+$/.test(session))
      throw unavailable(
        `server ${this.options.server} began a session with an id of ${session.length} characters that no header can carry back`,
      )
    this.#session = session
  }

  heard({ method, request }: OutgoingMessage, line: Buffer): boolean {
    // Before the lane hears it: what it sends next needs it.
    if (method === 'initialize') this.#readVersion(line)
    return this.options.onLine(line, request === undefined ? undefined : scalarJson(request.id))
  }

  lost(message?: OutgoingMessage): boolean {
    if (this.#session === undefined || message?.revision !== undefined || message?.method === 'initialize') return false
    this.#session = undefined
    const error = sessionLost(this.options.server)
    if (message?.request !== undefined) this.options.onFailed(message.request.id, error)
    this.#end('it does not know the session any more')
    return true
  }

  /** As clients do that know both transports (2025-11-25, basic/transports, backwards compatibility). */
  divert(message: OutgoingMessage, status: number): boolean {
    if (this.#fallBack === undefined || message.method !== 'initialize' || ![400, 404, 405].includes(status)) return false
    this.#stop()
    this.#fallBack(message)
    return true
  }

  taken(post: Post): void {
    // Of a notification nobody waits for an answer: it counts until the server has answered.
    if (post.key !== '') this.#outbox.remove(post)
  }

  over(post: Post): void {
    this.#outbox.remove(post)
    this.#others.delete(post)
    if (this.#requests.get(post.key) === post) this.#requests.delete(post.key)
    if (post.message.method === 'notifications/initialized') this.#release()
  }

  /**
   * Between two messages that name a revision, one that names none is of that revision too, and lacks something: only the headers
   * can tell that to its server, which would take it for one of a session that never began.
   */
  #dated(message: OutgoingMessage): OutgoingMessage {
    if (message.revision !== undefined) this.#revision = message.revision
    else if (message.method === 'initialize') this.#revision = undefined
    return this.#revision === undefined || message.method === '' || this.#version !== ''
      ? message
      : { ...message, revision: this.#revision }
  }

  /** True when that is all: the server is told by the end of the stream, or was never asked. */
  #cancel(message: OutgoingMessage): boolean {
    const post = this.#requests.get(cancelledId(message))
    if (post === undefined) return true
    const isHeld = this.#held?.includes(post) ?? false
    // The notification leaves first; the request's own connection, with its credential, ends at once.
    if (!isHeld && post.message.revision === undefined) {
      const told = new Post(this, message)
      this.#outbox.add(told, message.bytes.length)
      this.#others.add(told)
      told.send()
    }
    post.cancel()
    return true
  }

  /** A handshake begins a session, and ends the one before. */
  #begin(): void {
    if (this.#session !== undefined) void this.#leave()
    this.#listening?.close()
    this.#listening = undefined
    this.#session = undefined
    this.#version = ''
  }

  #release(): void {
    const held = this.#held ?? []
    this.#held = undefined
    for (const post of held) if (!this.#closed) post.send()
  }

  #readVersion(line: Buffer): void {
    const message = readLine(line.toString())
    if (message?.kind !== 'response') return
    const { result } = message.value
    const version = isJsonObject(result) ? result['protocolVersion'] : undefined
    if (typeof version === 'string' && /^[\w.-]{1,40}$/.test(version)) this.#version = version
  }

  #end(how: string): void {
    if (this.#closed) return
    this.#stop()
    this.options.standing.end()
    this.options.onEnd(how, '')
  }

  #stop(): void {
    this.#closed = true
    this.#listening?.close()
    for (const one of [...this.#requests.values(), ...this.#others]) one.cancel()
    this.#held = undefined
    this.#outbox.clear()
  }

  /** Tells the server that the session is over. */
  #leave(): Promise<void> {
    const { network, standing } = this.options
    if (this.#session === undefined) return Promise.resolve()
    const headers = this.headers()
    this.#session = undefined
    const timeout = Math.min(farewell, network.timeout)
    return new Promise((resolve) => {
      const leave = (lease: Lease | undefined): void => {
        const request = new AuthorizedRequest(this.options, {
          url: this.url,
          method: 'DELETE',
          headers,
          lease,
          report: (made) => standing.onRequest(made),
          timeout,
          replayable: true,
          onHead: () => {
            request.destroy()
            resolve()
          },
          onError: () => resolve(),
        })
      }
      try {
        leave(standing.held)
      } catch {
        leave(undefined)
      }
    })
  }
}
