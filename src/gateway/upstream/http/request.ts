import { type ClientRequest, type IncomingMessage, request as httpRequest } from 'node:http'
import { request as httpsRequest } from 'node:https'
import type { Clock } from '../../../core/clock.ts'
import type { UpstreamNetwork } from '../../../egress/upstream.ts'

export interface RequestOptions {
  readonly network: UpstreamNetwork
  readonly clock: Clock
  readonly url: URL
  readonly method: 'POST' | 'GET' | 'DELETE'
  /** Names and values, in turn. */
  readonly headers: readonly string[]
  readonly body?: Buffer
  /** Milliseconds until the head of the answer is there; its body may take as long as it likes. */
  readonly timeout: number
  /** It can be sent again when a kept connection turns out to be dead. */
  readonly replayable: boolean
  /** The body left this process, or never will. Called once. */
  onTaken?(): void
  onHead(response: IncomingMessage): void
  /** No answer came. */
  onError(error: Error): void
}

const staleTries = 3
/** After so long without a byte the system asks whether the other end is there. */
const probeAfter = 30_000

/** One HTTP request to a remote server, with its answer's head. Redirects are answers like any other: nobody follows them. */
export class HttpRequest {
  readonly #options: RequestOptions
  readonly #cancelTimer: () => void
  #outgoing: ClientRequest | undefined
  #taken = false
  #settled = false

  constructor(options: RequestOptions) {
    this.#options = options
    const { clock, timeout } = options
    this.#cancelTimer = clock.after(timeout, () => this.destroy(new Error(`no answer within ${timeout / 1000} s`)))
    this.#send(1)
  }

  /** Ends it, with its answer. Without an error nobody is told. */
  destroy(error?: Error): void {
    if (error === undefined) this.#settled = true
    this.#cancelTimer()
    this.#take()
    this.#outgoing?.destroy(error)
    if (error !== undefined) this.#fail(error)
  }

  #send(tries: number): void {
    const { network, url, method, headers, body, replayable } = this.#options
    const secure = url.protocol === 'https:'
    const options = {
      host: url.hostname.replace(/^\[|\]$/g, ''),
      port: url.port === '' ? (secure ? 443 : 80) : Number(url.port),
      method,
      path: `${url.pathname}${url.search}`,
      headers: ['Host', url.host, ...headers, ...(body === undefined ? [] : ['Content-Length', String(body.length)])],
      agent: secure ? network.httpsAgent : network.httpAgent,
      setHost: false,
    }
    let outgoing: ClientRequest
    try {
      outgoing = secure ? httpsRequest(options) : httpRequest(options)
    } catch (error) {
      // A header that none can be, for one. Its text names the header, not the value.
      this.#take()
      return void process.nextTick(() => this.#fail(error instanceof Error ? error : new Error(String(error))))
    }
    this.#outgoing = outgoing
    outgoing.once('socket', (socket) => socket.setKeepAlive(true, probeAfter))
    outgoing.once('finish', () => this.#take())
    outgoing.once('response', (response) => {
      response.on('error', () => undefined)
      // Answered before its body was there: what is to come of that would outlive the call and its lease.
      response.once('end', () => (outgoing.writableFinished ? undefined : outgoing.destroy()))
      this.#cancelTimer()
      if (this.#settled) return void response.destroy()
      this.#settled = true
      this.#options.onHead(response)
    })
    outgoing.on('error', (error) => {
      const stale = outgoing.reusedSocket && /^(ECONNRESET|EPIPE)$/.test(String(Reflect.get(error, 'code')))
      if (stale && replayable && tries < staleTries && !this.#settled) this.#send(tries + 1)
      else this.#fail(error)
    })
    // One that switches protocols is dropped without an error.
    outgoing.once('close', () => {
      if (outgoing === this.#outgoing) this.#fail(new Error('it gave no answer that is HTTP'))
    })
    outgoing.end(body)
  }

  #take(): void {
    if (this.#taken) return
    this.#taken = true
    this.#options.onTaken?.()
  }

  #fail(error: Error): void {
    this.#cancelTimer()
    this.#take()
    if (this.#settled) return
    this.#settled = true
    this.#options.onError(error)
  }
}
