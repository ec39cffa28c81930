import type { IncomingMessage } from 'node:http'
import type { Lease } from '../../../broker/types.ts'
import { type JitError, toJitError } from '../../../core/errors.ts'
import { Ending } from '../../ending.ts'
import { formOf, isAnswer, readAnswer } from './answer.ts'
import { AuthorizedRequest } from './authorized.ts'
import { discard } from './body.ts'
import type { RemoteOptions } from './options.ts'

export interface ListeningHost {
  readonly options: RemoteOptions
  readonly url: URL
  readonly isPaused: boolean
  headers(): string[]
  /** The server does not know the session any more. */
  lost(): void
}

const firstWait = 1000
const longestWait = 60_000
const shortestWait = 100
/** Between two credentials that a server has thrown away by its own stream, with nobody asking for anything. */
const renewEvery = 300_000

/** The stream on which a server says what belongs to no request. One that breaks off is asked for again, ever later. */
export class Listening {
  readonly #host: ListeningHost
  #ending = new Ending()
  #http: AuthorizedRequest | undefined
  #response: IncomingMessage | undefined
  /** Its credential was not taken, and another one is tried. */
  #isRenewed = false
  /** Monotonic milliseconds from which on another one may be tried again. */
  #renewFrom = Number.NEGATIVE_INFINITY
  /** The same of a credential for a stream that nobody but its server asked for: how long one lives may be the server's own choice. */
  #acquireFrom = Number.NEGATIVE_INFINITY
  /** What it was asked for with last. */
  #lease: Lease | undefined
  #lastId = ''
  #retry = firstWait
  #tries = 0
  #cancelWait: () => void = () => undefined
  #state: 'waiting' | 'open' | 'cut' | 'closed' = 'waiting'

  constructor(host: ListeningHost) {
    this.#host = host
  }

  /** The client said something: a stream whose credential was taken away may be asked for again. */
  wake(): void {
    if (this.#state !== 'cut') return
    this.#acquireFrom = Number.NEGATIVE_INFINITY
    this.#lease = undefined
    this.open()
  }

  open(): void {
    if (this.#state === 'closed' || this.#state === 'open') return
    const { standing, clock } = this.#host.options
    if (this.#wasTaken) {
      this.#state = 'cut'
      return
    }
    if (standing.configured && standing.held === undefined) {
      const now = clock.monotonic()
      if (now < this.#acquireFrom) return this.#wait(this.#acquireFrom - now)
      this.#acquireFrom = now + longestWait
    }
    this.#state = 'open'
    standing.lease().then(
      (lease) => this.#ask(lease),
      (error: unknown) => this.#later(toJitError(error)),
    )
  }

  /** Its credential was taken away while it waited: a server that ends its stream in time gets no other by that. */
  get #wasTaken(): boolean {
    const signal = this.#lease?.signal
    return signal?.aborted === true && toJitError(signal.reason).code !== 'lease.expired'
  }

  pause(): void {
    this.#response?.pause()
  }

  resume(): void {
    this.#response?.resume()
  }

  close(): void {
    this.#state = 'closed'
    this.#cancelWait()
    this.#drop()
  }

  #ask(lease: Lease | undefined): void {
    if (this.#state === 'closed') return
    const { options, url } = this.#host
    this.#lease = lease
    this.#ending = new Ending()
    this.#ending.on((reason) => this.#cut(reason))
    if (lease !== undefined) this.#ending.follow(lease.signal)
    if (this.#state !== 'open') return
    const headers = [
      'Accept',
      'text/event-stream',
      ...this.#host.headers(),
      ...(this.#lastId === '' ? [] : ['Last-Event-ID', this.#lastId]),
    ]
    try {
      this.#http = new AuthorizedRequest(options, {
        url,
        method: 'GET',
        headers,
        lease,
        report: (made) => options.standing.onRequest(made),
        timeout: options.network.timeout,
        replayable: true,
        onHead: (response) => this.#answered(response, lease),
        onError: (error) => this.#later(toJitError(error)),
      })
    } catch (error) {
      this.#later(toJitError(error))
    }
  }

  #answered(response: IncomingMessage, lease: Lease | undefined): void {
    const { options, isPaused } = this.#host
    const status = response.statusCode ?? 0
    if (status === 200 && formOf(response) === 'stream') {
      this.#isRenewed = false
      this.#response = response
      if (isPaused) response.pause()
      return readAnswer(response, 'stream', {
        cap: options.cap(),
        onLine: (line) => {
          this.#tries = 0
          if (this.#response !== response) return
          // Each answer belongs on its request's own stream.
          if (isAnswer(line)) options.warn('answer on a stream of no request dropped', () => '')
          else options.onLine(line)
        },
        // No request waits for anything that comes here.
        onTooLong: (bytes) => options.warn('event over the cap dropped', () => `${bytes} bytes`),
        onRetry: (delay) => (this.#retry = Math.max(shortestWait, Math.min(delay, longestWait))),
        onEnd: (lastId) => {
          if (lastId !== '') this.#lastId = lastId
          if (this.#response === response) this.#later(undefined)
        },
      })
    }
    discard(response, options.clock)
    // Once: a server that never takes it has no stream for us.
    if (status === 401 && lease !== undefined && !this.#isRenewed)
      return options.clock.monotonic() < this.#renewFrom ? this.#later(undefined) : this.#renew(lease)
    if (status === 404) this.#host.lost()
    // Most servers have no such stream (405), and one that refuses it will go on doing so.
    if (status < 500) {
      if (status !== 405) options.log.info('no stream of a remote server', { server: options.server, status })
      return this.close()
    }
    this.#later(undefined)
  }

  #renew(lease: Lease): void {
    this.#isRenewed = true
    this.#renewFrom = this.#host.options.clock.monotonic() + renewEvery
    this.#ending.unfollow()
    this.#host.options.standing.renew(lease).then(
      (other) => this.#ask(other),
      (error: unknown) => this.#later(toJitError(error)),
    )
  }

  #later(error: JitError | undefined): void {
    if (this.#state !== 'open') return
    this.#drop()
    const { options } = this.#host
    if (error !== undefined) options.log.info('stream of a remote server not opened', { server: options.server, error: error.message })
    const wait = Math.min(longestWait, this.#retry * 2 ** this.#tries)
    this.#tries = Math.min(this.#tries + 1, 16)
    this.#wait(wait)
  }

  #wait(delay: number): void {
    this.#state = 'waiting'
    this.#cancelWait = this.#host.options.clock.after(delay, () => this.open())
  }

  /** With its credential: one that was taken away is not asked for again unless somebody uses the lane. */
  #cut(reason: JitError): void {
    if (reason.code === 'lease.expired') return this.#later(undefined)
    this.#drop()
    if (this.#state === 'open') this.#state = 'cut'
  }

  #drop(): void {
    this.#ending.unfollow()
    this.#response = undefined
    this.#http?.destroy()
    this.#http = undefined
  }
}
