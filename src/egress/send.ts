import type { IncomingMessage } from 'node:http'
import type { Lease } from '../broker/types.ts'
import type { Clock } from '../core/clock.ts'
import type { Scrubber } from '../core/scrub.ts'
import type { Logger } from '../core/types.ts'
import { deliver } from './answer.ts'
import { ruleFor } from './attribute.ts'
import { type Exchange, refuse } from './exchange.ts'
import { FreshRetries } from './fresh.ts'
import type { Charge, Sending } from './verdict.ts'
import type { Running } from './lane.ts'
import { ask, RequestRefused, isReplayable, type UpstreamNetwork } from './upstream.ts'

export interface SendDeps {
  readonly network: UpstreamNetwork
  readonly clock: Clock
  readonly log: Logger
  scrubberFor(lease: Lease | undefined): Scrubber
}

/** Sends a judged request upstream and its answer back. Both die with the lease, the call, the lane and the client. */
export async function send(deps: SendDeps, exchange: Exchange, sending: Sending): Promise<void> {
  const { route, request, response } = exchange
  const scrubber = deps.scrubberFor(sending.charge?.call.lease)
  const life = new Life(deps, exchange, sending, scrubber)
  if (!life.begin()) return refuse(exchange, { status: 403, reason: 'the call or its lease has ended', call: sending.charge?.call.call })
  try {
    if (!Buffer.isBuffer(sending.body) && sending.body !== 'none') exchange.wantBody()
    const answer = await askWhileFresh(deps, exchange, sending, life, scrubber)
    await deliver({ endpoint: route.endpoint, sending, answer, response, scrubber, remember: (name, value) => life.remember(name, value) })
  } catch (error) {
    life.report(0, '')
    if (life.over || response.destroyed || response.headersSent) return void request.socket.destroy()
    if (error instanceof RequestRefused) return refuse(exchange, { status: 403, reason: error.message, call: sending.charge?.call.call })
    const reason = scrubber.scrubText(error instanceof Error ? error.message : String(error))
    deps.log.info('upstream failed', { server: route.lane.options.server, origin: sending.origin, reason })
    response.writeHead(502, { 'content-type': 'application/json; charset=utf-8' }).end(`${JSON.stringify({ message: `jit: ${reason}` })}\n`)
    request.resume()
  } finally {
    life.end()
  }
}

async function askWhileFresh(
  deps: SendDeps,
  { route, request }: Exchange,
  sending: Sending,
  life: Life,
  scrubber: Scrubber,
): Promise<IncomingMessage> {
  const { clock, network } = deps
  const { placeholder } = route.lane.options
  const question = { network, origin: sending.origin, sending, source: request, placeholder, signal: life.signal }
  const lease = sending.charge?.call.lease
  const retries = lease === undefined ? undefined : new FreshRetries(clock, lease)
  for (;;) {
    life.attempt()
    const answer = await ask(question)
    life.report(answer.statusCode ?? 0, requestIdOf(answer, scrubber))
    const wait = answer.statusCode === 401 && isReplayable(sending) ? retries?.next() : undefined
    if (wait === undefined) return answer
    // Its body may have no end, and nobody is there to end it with the call.
    answer.destroy()
    await pause(clock, wait, life.signal)
    if (sending.charge !== undefined && !life.owner.current()) throw new RequestRefused('policy or tool changed since the decision')
  }
}

/** How long a request may run, and what is told of it to the call that it is booked on. */
class Life implements Running {
  readonly #abort = new AbortController()
  readonly #deps: SendDeps
  readonly #exchange: Exchange
  readonly #sending: Sending
  readonly #charge: Charge | undefined
  readonly #scrubber: Scrubber
  #owner: Charge['call'] | undefined
  #started = 0
  #open = false
  #unbook: (() => void) | false = false
  over = false

  constructor(deps: SendDeps, exchange: Exchange, sending: Sending, scrubber: Scrubber) {
    this.#deps = deps
    this.#scrubber = scrubber
    this.#exchange = exchange
    this.#sending = sending
    this.#charge = sending.charge
    this.#owner = sending.charge?.call
  }

  get signal(): AbortSignal {
    return this.#abort.signal
  }

  get owner(): Charge['call'] {
    if (this.#owner === undefined) throw new TypeError('an open request has no owner')
    return this.#owner
  }

  set owner(call: Charge['call']) {
    this.#owner = call
  }

  couldBe(call: Charge['call']): boolean {
    return this.#charge !== undefined && ruleFor(call, this.#charge.wire, this.#charge.content) !== undefined
  }

  /** False when the call or its lease ended between the judgement and now. */
  begin(): boolean {
    this.#exchange.response.once('close', this.#left)
    if (this.#charge === undefined) return true
    const { lease } = this.#charge.call
    if (lease.signal.aborted) return false
    this.#unbook = this.#exchange.route.lane.run(this)
    if (this.#unbook === false) return false
    lease.signal.addEventListener('abort', this.stop, { once: true })
    return true
  }

  attempt(): void {
    this.#started = this.#deps.clock.monotonic()
    this.#open = true
  }

  /** Tells of the attempt under way, once; 0 is for one without an answer. */
  report(status: number, requestId: string): void {
    if (!this.#open) return
    this.#open = false
    const { method, path, origin } = this.#sending
    const url = this.#scrubber.scrubText(`${origin}${path}`)
    this.#owner?.onRequest({ method, url, status, requestId, took: this.#deps.clock.monotonic() - this.#started })
  }

  /** Keeps a captured value for later requests of the call that this one is booked on by now. */
  remember(name: string, value: string): void {
    this.#owner?.seen.set(name, value)
  }

  /** Destroys both sides at once. */
  readonly stop = (): void => {
    this.report(0, '')
    this.over = true
    this.#abort.abort(new Error('the call or its lease has ended'))
    this.#exchange.request.socket.destroy()
  }

  end(): void {
    if (this.#unbook !== false) this.#unbook()
    this.#charge?.call.lease.signal.removeEventListener('abort', this.stop)
    this.#exchange.response.off('close', this.#left)
  }

  readonly #left = (): void => {
    if (!this.#exchange.response.writableFinished) this.#abort.abort(new Error('the client is gone'))
  }
}

/** It goes into the trail: an upstream that echoes what it got must not put it there. */
function requestIdOf(answer: IncomingMessage, scrubber: Scrubber): string {
  for (const name of ['x-github-request-id', 'x-amzn-requestid', 'x-amz-request-id', 'x-request-id']) {
    const value = answer.headers[name]
    if (typeof value === 'string') return scrubber.scrubText(value).slice(0, 200)
  }
  return ''
}

function pause(clock: Clock, delay: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const cut = (): void => {
      cancel()
      reject(signal.reason)
    }
    const cancel = clock.after(delay, () => {
      signal.removeEventListener('abort', cut)
      resolve()
    })
    if (signal.aborted) cut()
    else signal.addEventListener('abort', cut, { once: true })
  })
}
