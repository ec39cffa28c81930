import type { IncomingMessage } from 'node:http'
import type { Lease } from '../../../broker/types.ts'
import { type JitError, quote, toJitError } from '../../../core/errors.ts'
import { scalarJson } from '../../../core/json.ts'
import { Ending } from '../../ending.ts'
import type { Outgoing, Upstream } from '../upstream.ts'
import { formOf, readAnswer } from './answer.ts'
import { AuthorizedRequest } from './authorized.ts'
import { readRefusal, wordsOf } from './body.ts'
import { cancelledId, readOutgoing } from './outgoing-message.ts'
import { Outbox } from './outbox.ts'
import { Post, type PostHost } from './post.ts'
import { type Asked, challengeOf, explained, noAnswer, refusedWith, unavailable } from './refusals.ts'
import type { RemoteOptions } from './options.ts'
import { TurnedAway } from './turned-away.ts'

/** Characters of the address for messages: it stands in each request, and in the record of each. */
const addressCap = 4096

/**
 * A remote server over the HTTP+SSE of 2024-11-05: one stream, on which it first says where messages go, and then says all
 * else. The end of that stream is the end of the session.
 */
export class EventTransport implements Upstream, PostHost {
  readonly pid = 0
  readonly answersElsewhere = true
  readonly options: RemoteOptions
  readonly #posts = new Set<Post>()
  readonly #outbox = new Outbox<Post>()
  readonly #ending = new Ending()
  readonly #turnedAway: TurnedAway
  #stream: AuthorizedRequest | undefined
  #response: IncomingMessage | undefined
  #endpoint: URL | undefined
  #cancelWait: () => void = () => undefined
  #isRenewed = false
  #isPaused = false
  #closed = false

  constructor(options: RemoteOptions) {
    this.options = options
    this.#turnedAway = new TurnedAway(options.clock)
    // One that merely expired was good when the stream began, and calls are under way on it.
    this.#ending.on((reason) => (reason.code === 'lease.expired' ? undefined : this.#fail(reason)))
    options.standing.lease().then(
      (lease) => this.#open(lease),
      (error: unknown) => this.#fail(toJitError(error)),
    )
  }

  get backlog(): number {
    return this.#outbox.weight
  }

  get isPaused(): boolean {
    return this.#isPaused
  }

  get url(): URL {
    return this.#endpoint ?? this.options.url
  }

  send(line: string | Buffer, request?: Outgoing): boolean {
    if (this.#closed) return true
    const message = readOutgoing(line, request)
    if (message.method === 'notifications/cancelled') {
      const id = cancelledId(message)
      const wasHeld = this.#endpoint === undefined
      for (const post of this.#posts) if (post.key === id) post.cancel()
      if (wasHeld) return true
    }
    const post = new Post(this, message)
    this.#posts.add(post)
    this.#outbox.add(post, message.bytes.length)
    if (this.#endpoint !== undefined) post.send()
    return !this.#outbox.isFull
  }

  drained(callback: () => void): void {
    this.#outbox.drained(callback)
  }

  pause(): void {
    this.#isPaused = true
    this.#response?.pause()
  }

  resume(): void {
    this.#isPaused = false
    this.#response?.resume()
  }

  async close(): Promise<void> {
    this.#stop()
  }

  headers(): string[] {
    return ['Accept-Encoding', 'identity', 'User-Agent', 'jit']
  }

  accepted(): void {
    // That it was taken is all there is to know.
  }

  heard({ request }: Post['message'], line: Buffer): boolean {
    return this.options.onLine(line, request === undefined ? undefined : scalarJson(request.id))
  }

  lost(): boolean {
    if (this.#closed) return false
    this.#end('it does not know the session any more')
    return true
  }

  divert(): boolean {
    return false
  }

  taken(post: Post): void {
    if (post.key !== '') this.#outbox.remove(post)
  }

  over(post: Post): void {
    this.#outbox.remove(post)
    this.#posts.delete(post)
  }

  #open(lease: Lease | undefined): void {
    if (this.#closed) return
    const { options } = this
    if (lease !== undefined) this.#ending.follow(lease.signal)
    this.#cancelWait = options.clock.after(options.network.timeout, () =>
      this.#fail(unavailable(`server ${options.server} does not say where messages go`)),
    )
    try {
      this.#stream = new AuthorizedRequest(options, {
        url: options.url,
        method: 'GET',
        headers: ['Accept', 'text/event-stream', ...this.headers()],
        lease,
        report: (made) => options.standing.onRequest(made),
        timeout: options.network.timeout,
        replayable: true,
        onHead: (response) => this.#opened(response, lease),
        onError: (error) => this.#fail(noAnswer(options.server, error)),
      })
    } catch (error) {
      this.#fail(toJitError(error))
    }
  }

  #opened(response: IncomingMessage, lease: Lease | undefined): void {
    const { options } = this
    const { server, url, clock, network } = options
    if (response.statusCode !== 200)
      return readRefusal(response, clock, network.timeout, (body) => {
        const words = options.scrub(wordsOf(response, body)).slice(0, 300)
        void this.#refused(response, lease, { server, url, provider: lease?.provider, governed: false, words, scrub: options.scrub })
      })
    if (formOf(response) !== 'stream') return this.#fail(unavailable(`server ${server} answered with what is no event stream`))
    this.#response = response
    if (this.#isPaused) response.pause()
    readAnswer(response, 'stream', {
      cap: options.cap(),
      onLine: (line) => (this.#closed ? undefined : options.onLine(line)),
      onTooLong: (bytes, head) => options.onTooLong(bytes, head),
      onOther: (name, data) => (name === 'endpoint' ? this.#located(data.toString()) : undefined),
      onEnd: () => this.#end('its stream ended'),
    })
  }

  /** Before anything was said: another credential may do, once. Never rejects. */
  async #refused(response: IncomingMessage, lease: Lease | undefined, asked: Asked): Promise<void> {
    const { options } = this
    const status = response.statusCode ?? 0
    const refusal = refusedWith(response, asked)
    if (lease === undefined || (status !== 401 && status !== 403)) return this.#fail(refusal)
    const verdict = await this.#turnedAway.judge(lease, status, options.scrub(challengeOf(response)), !this.#isRenewed)
    if (verdict.kind === 'refused') return this.#fail(verdict.known === undefined ? refusal : explained(asked, status, verdict.known))
    this.#cancelWait()
    if (verdict.kind === 'wait') {
      this.#cancelWait = options.clock.after(verdict.delay, () => this.#open(lease))
      return
    }
    this.#isRenewed = true
    this.#ending.unfollow()
    options.standing.renew(lease).then(
      (other) => this.#open(other),
      (error: unknown) => this.#fail(toJitError(error)),
    )
  }

  /** Messages, with their credentials, go to the server that the config names and to no other. */
  #located(text: string): void {
    if (this.#closed || this.#endpoint !== undefined) return
    const { server, url, scrub } = this.options
    if (text.length > addressCap)
      return this.#fail(unavailable(`server ${server} wants its messages at an address of ${text.length} characters`))
    const place = URL.canParse(text, url.href) ? new URL(text, url) : undefined
    if (place?.origin !== url.origin || place.username !== '' || place.password !== '')
      return this.#fail(
        unavailable(`server ${server} wants its messages at ${quote(scrub(place?.origin ?? text))}, which is not its own address`),
      )
    this.#cancelWait()
    this.#endpoint = place
    for (const post of this.#posts) post.send()
  }

  /** What waits gets the reason itself, and not only that the session is over. */
  #fail(error: JitError): void {
    if (this.#closed) return
    for (const { message } of this.#posts) if (message.request !== undefined) this.options.onFailed(message.request.id, error)
    this.#end(error.message)
  }

  #end(how: string): void {
    if (this.#closed) return
    this.#stop()
    this.options.onEnd(how, '')
  }

  #stop(): void {
    if (this.#closed) return
    this.#closed = true
    this.#cancelWait()
    this.#ending.unfollow()
    for (const post of this.#posts) post.cancel()
    this.#stream?.destroy()
    this.#outbox.clear()
    this.options.standing.end()
  }
}
