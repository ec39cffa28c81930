import type { IncomingMessage } from 'node:http'
import type { Lease } from '../../../broker/types.ts'
import { JitError, toJitError } from '../../../core/errors.ts'
import { scalarJson } from '../../../core/json.ts'
import { Ending } from '../../ending.ts'
import { credentialNotTaken } from '../not-taken.ts'
import { AuthorizedRequest } from './authorized.ts'
import { answerIn, type Form, formOf, kindOf, readAnswer } from './answer.ts'
import { discard, knowsNoSession, readRefusal, wordsOf } from './body.ts'
import type { Outgoing } from '../upstream.ts'
import type { OutgoingMessage } from './outgoing-message.ts'
import { type Asked, challengeOf, explained, noAnswer, refusedWith, unavailable } from './refusals.ts'
import type { RemoteOptions } from './options.ts'
import { Resumption } from './resumption.ts'
import { TurnedAway } from './turned-away.ts'

/** What a message needs of the conversation that it is part of. */
export interface PostHost {
  readonly options: RemoteOptions
  /** Where messages go. */
  readonly url: URL
  /** While the client is behind, no body flows. */
  readonly isPaused: boolean
  /** Answers come on another stream, and what answers a POST says only that it was taken. */
  readonly answersElsewhere: boolean
  /** Names and values, in turn, of what the protocol wants beside this message; without one, for a stream of the server. */
  headers(message?: OutgoingMessage): string[]
  /** The head of an answer in the 200s. Throws JitError when it cannot be one. */
  accepted(message: OutgoingMessage, response: IncomingMessage): void
  /** A message that came. Answers what `UpstreamEvents.onLine` does. */
  heard(message: OutgoingMessage, line: Buffer): boolean
  /** The server does not know the session (404). True: the conversation is over, and all that runs of it. */
  lost(message: OutgoingMessage): boolean
  /** A request was refused with that status, and without an answer. True: the conversation goes on another way. */
  divert(message: OutgoingMessage, status: number): boolean
  /** It has left this process, or never will. */
  taken(post: Post): void
  /** Nothing comes of it any more. */
  over(post: Post): void
}

/** How long an answer's head may take, in milliseconds: servers that answer with JSON send it when the tool is done. As `fetch` does. */
const answerTimeout = 300_000

/** One message to a remote server, and the answer to it: a POST, and where its stream breaks off the GETs that resume it. */
export class Post {
  readonly message: OutgoingMessage
  /** The id of its request as JSON; empty for other messages. */
  readonly key: string
  readonly #host: PostHost
  readonly #ending = new Ending()
  readonly #turnedAway: TurnedAway
  #http: AuthorizedRequest | undefined
  #response: IncomingMessage | undefined
  #lease: Lease | undefined
  /** Another credential was tried before this one. */
  #isRenewed: boolean
  #over = false
  readonly #resumption = new Resumption()
  #cancelWait: () => void = () => undefined

  constructor(host: PostHost, message: OutgoingMessage) {
    this.#host = host
    this.message = message
    this.key = message.request === undefined ? '' : scalarJson(message.request.id)
    this.#turnedAway = new TurnedAway(host.options.clock)
    this.#isRenewed = message.request?.call === 'again'
    this.#ending.on((reason) => this.#fail(reason))
  }

  /** Sends it; a governed call's with that call's lease, all others with what `startup:` gives. */
  send(): void {
    const { request } = this.message
    const { standing } = this.#host.options
    if (request !== undefined && isGoverned(request)) return this.#post(request.lease)
    const { held } = standing
    if (held !== undefined || !standing.configured) return this.#post(held)
    standing.lease().then(
      (lease) => this.#post(lease),
      (error: unknown) => this.#fail(toJitError(error)),
    )
  }

  /** Nobody waits for an answer any more: what runs of it ends. */
  cancel(): void {
    this.#finish()
    this.#http?.destroy()
  }

  pause(): void {
    if (!this.#over) this.#response?.pause()
  }

  resume(): void {
    if (!this.#over) this.#response?.resume()
  }

  #post(lease: Lease | undefined): void {
    if (this.#over) return
    this.#lease = lease
    // A governed call ends with its lease by itself.
    if (lease !== undefined && this.message.request?.call === undefined) this.#ending.follow(lease.signal)
    if (this.#over) return
    this.#request('POST', ['Content-Type', 'application/json', 'Accept', 'application/json, text/event-stream'], (response) =>
      this.#answered(response),
    )
  }

  #request(method: 'POST' | 'GET', headers: readonly string[], onHead: (response: IncomingMessage) => void): void {
    const { options, url } = this.#host
    const { message } = this
    const { request } = message
    try {
      this.#http = new AuthorizedRequest(options, {
        url,
        method,
        headers: [...headers, ...this.#host.headers(message)],
        lease: this.#lease,
        report: (made) => (request !== undefined && isGoverned(request) ? request.onRequest?.(made) : options.standing.onRequest(made)),
        ...(method === 'POST' ? { body: message.bytes } : {}),
        timeout: request === undefined || method === 'GET' ? options.network.timeout : Math.max(answerTimeout, options.network.timeout),
        // Whether a call took effect is unknown when its connection breaks.
        replayable: method === 'GET' || request?.call === undefined,
        onTaken: () => this.#host.taken(this),
        onHead: (response) => {
          if (this.#over) return void response.destroy()
          this.#response = response
          onHead(response)
        },
        onError: (error) => this.#fail(noAnswer(options.server, error)),
      })
    } catch (error) {
      this.#fail(toJitError(error))
    }
  }

  #answered(response: IncomingMessage): void {
    const { message } = this
    const { options } = this.#host
    const { server } = options
    const status = response.statusCode ?? 0
    if (status < 200 || status >= 300) return this.#refused(response)
    try {
      this.#host.accepted(message, response)
    } catch (error) {
      this.#fail(toJitError(error))
      return void response.destroy()
    }
    if (message.request === undefined || this.#host.answersElsewhere) return this.#finish()
    const form = formOf(response)
    if (status === 202 || status === 204)
      return this.#fail(unavailable(`server ${server} answered a request with ${status}, which holds no answer`))
    if (form === 'other') {
      this.#fail(
        unavailable(`server ${server} answered with what is neither JSON nor an event stream (${kindOf(response, options.scrub)})`, {
          hint: `Check that \`servers.${server}.url\` is the address of an MCP server.`,
        }),
      )
      return void response.destroy()
    }
    this.#read(response, form)
  }

  #read(response: IncomingMessage, form: Exclude<Form, 'other'>): void {
    const { options, isPaused } = this.#host
    if (isPaused) response.pause()
    readAnswer(response, form, {
      cap: options.cap(),
      onLine: (line) => {
        this.#resumption.heard()
        if (!this.#over && this.#host.heard(this.message, line)) this.#finish()
      },
      onTooLong: (bytes) => {
        if (this.#over) return
        const hint = 'Raise `limits.resultBytes` if it is meant.'
        this.#fail(new JitError('message.too-large', `server ${options.server} sent ${bytes} bytes; the cap is ${options.cap()}`, { hint }))
      },
      onPrimed: () => this.#tell(true),
      onRetry: (delay) => this.#resumption.wait(delay),
      onEnd: (lastId, whole) => {
        this.#resumption.over(lastId)
        this.#ended(whole)
      },
    })
  }

  /** Part of an answer came: the server has taken what was sent. */
  get #isTaken(): boolean {
    return this.#resumption.lastId !== ''
  }

  /** The stream is over without an answer: the server keeps it for whoever names the last event, or it is lost. */
  #ended(whole: boolean): void {
    if (this.#over) return
    this.#response = undefined
    // 2026-07-28 resumes nothing.
    const wait = this.message.revision === undefined ? this.#resumption.next() : undefined
    if (wait === undefined) return this.#broken(whole ? 'ended its answer without answering' : 'broke off in the middle of its answer')
    this.#tell(false)
    this.#cancelWait = this.#host.options.clock.after(wait, () => {
      const headers = ['Accept', 'text/event-stream', 'Last-Event-ID', this.#resumption.lastId]
      this.#request('GET', headers, (response) => this.#resumed(response))
    })
  }

  #broken(how: string): void {
    const hint = 'Whether the call took effect there is unknown: look there before you call again.'
    this.#fail(unavailable(`server ${this.#host.options.server} ${how}`, { hint }))
  }

  /** Whose answer comes on a stream may be told on one. */
  #tell(open: boolean): void {
    if (!this.#over && this.message.request !== undefined) this.#host.options.onStream(this.message.request.id, open)
  }

  #resumed(response: IncomingMessage): void {
    const status = response.statusCode ?? 0
    if (status === 200 && formOf(response) === 'stream') return this.#read(response, 'stream')
    if (status >= 200 && status < 300) {
      response.destroy()
      return this.#ended(true)
    }
    this.#refused(response)
  }

  #refused(response: IncomingMessage): void {
    const { options, url } = this.#host
    const { request } = this.message
    const status = response.statusCode ?? 0
    readRefusal(response, options.clock, options.network.timeout, (body) => {
      if (this.#over) return
      const isLost = knowsNoSession(status, body)
      // It was taken before its answer broke off: whoever is told that it was not would send it again.
      if (isLost && this.#isTaken) this.#broken('broke off in the middle of its answer, and does not know the session any more')
      if (isLost && this.#host.lost(this.message)) return
      if (this.#over) return
      const line = request === undefined || status === 401 || status === 403 ? undefined : answerIn(body, request.id)
      if (line !== undefined && this.#host.heard(this.message, line)) return this.#finish()
      if (line === undefined && this.#host.divert(this.message, status)) return this.cancel()
      const words = options.scrub(wordsOf(response, body)).slice(0, 300)
      const asked = {
        server: options.server,
        url,
        provider: this.#lease?.provider,
        governed: request?.call !== undefined,
        words,
        scrub: options.scrub,
      }
      if (this.#lease !== undefined && (status === 401 || status === 403)) void this.#askAgain(this.#lease, response, asked)
      else this.#fail(refusedWith(response, asked))
    })
  }

  /** The credential was not taken: whether another way is left, and what to tell. Never rejects. */
  async #askAgain(lease: Lease, response: IncomingMessage, asked: Asked): Promise<void> {
    const { options } = this.#host
    const { request } = this.message
    const status = response.statusCode ?? 0
    const refusal = refusedWith(response, asked)
    // To resume is to ask for the answer to a call that was taken: that is never sent again.
    const mayGoAgain = !this.#isTaken
    const verdict = await this.#turnedAway.judge(lease, status, options.scrub(challengeOf(response)), !this.#isRenewed)
    if (this.#over) return
    if (verdict.kind === 'refused' || !mayGoAgain)
      return this.#fail(verdict.kind === 'refused' && verdict.known !== undefined ? explained(asked, status, verdict.known) : refusal)
    if (verdict.kind === 'wait') this.#cancelWait = options.clock.after(verdict.delay, () => this.#repeat(lease))
    else if (request?.call !== undefined) this.#fail(credentialNotTaken(refusal))
    // What goes on about a call has that call's credential and no other.
    else if (request !== undefined && isGoverned(request)) this.#fail(refusal)
    else this.#renew(lease)
  }

  #repeat(lease: Lease): void {
    if (this.message.request?.isCurrent?.() === false) this.#fail(new JitError('policy.changed', 'the policy changed since the decision'))
    else this.#post(lease)
  }

  #renew(lease: Lease): void {
    this.#isRenewed = true
    this.#ending.unfollow()
    this.#host.options.standing.renew(lease).then(
      (other) => this.#post(other),
      (error: unknown) => this.#fail(toJitError(error)),
    )
  }

  #fail(error: JitError): void {
    if (this.#over) return
    const { options } = this.#host
    this.#finish()
    this.#http?.destroy()
    if (this.message.request !== undefined) options.onFailed(this.message.request.id, error)
    else
      options.log.warn('message to a remote server not taken', {
        server: options.server,
        method: this.message.method,
        error: error.message,
      })
  }

  /** What comes behind the answer is not heard. */
  #finish(): void {
    if (this.#over) return
    this.#over = true
    this.#cancelWait()
    this.#ending.unfollow()
    this.#http?.giveUp()
    this.#lease = undefined
    if (this.#response !== undefined) discard(this.#response, this.#host.options.clock)
    this.#host.over(this)
  }
}

/** What goes on about a call, as its task does, has that call's credential too, and not that of what goes on around calls. */
function isGoverned({ lease, call }: Outgoing): boolean {
  return call !== undefined || lease !== undefined
}
