import { type ClientRequest, type IncomingMessage, request as httpRequest, type RequestOptions, type ServerResponse } from 'node:http'
import { request as httpsRequest } from 'node:https'
import type { Clock } from '../core/clock.ts'
import { isJsonObject, type Json } from '../core/json.ts'
import { createScrubber, type Scrubber } from '../core/scrub.ts'
import type { RequestRule } from '../core/types.ts'
import { attribute, needsBody } from './attribute.ts'
import { type EgressDeps, refuse, type Route } from './egress.ts'
import { readHeaders } from './headers.ts'
import { atPointer, readTarget } from './match.ts'
import type { InFlightCall } from './types.ts'

/** For bodies that a rule binds and answers that it captures from; GitHub takes files of up to 100 MB, agents write small ones. */
const bodyCap = 8 * 1024 * 1024
/** A fresh token may be unknown to some of GitHub's replicas; a 401 on it is asked again within this time. */
const freshFor = 10_000
const retryFor = 5000

/** One request of a server: judged, given its call's token in place of the placeholder, sent on, the answer scrubbed. */
export async function forward(deps: EgressDeps, route: Route, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const { lane, origin } = route
  const method = (request.method ?? '').toUpperCase()
  const target = request.url ?? ''
  const deny = (reason: string, status = 403, call?: string): void => {
    refuse(deps, lane, method, target, reason, origin, call)
    request.resume()
    response
      .writeHead(status, { 'content-type': 'application/json', connection: 'close' })
      .end(`${JSON.stringify({ message: `jit: ${reason}` })}\n`)
  }
  if (method === 'TRACE' || method === 'TRACK' || method === 'CONNECT') return deny(`the method ${method}`)
  if ((request.headers.host ?? '').toLowerCase() !== route.host) return deny('another host than the connection is for', 421)
  const path = withoutPrefix(target, route.endpoint?.prefix ?? '')
  const wire = path === undefined ? undefined : readTarget(method, origin, path)
  if (wire === undefined || path === undefined) return deny('a path that two readers could read differently')
  if (target.includes(lane.options.placeholder)) return deny('the placeholder in the address')
  const reading = readHeaders(request.rawHeaders, lane.options.placeholder)
  if (!reading.ok) return deny(reading.reason)

  if (lane.options.open.has(origin) && !lane.options.origins.has(origin)) {
    if (reading.sites.length > 0) return deny('a credential for an origin that gets none')
    return send(deps, route, {
      path,
      method,
      headers: reading.headers,
      body: undefined,
      request,
      response,
      scrubber: createScrubber(deps.liveSecrets()),
      call: undefined,
      rule: undefined,
    })
  }
  if (reading.sites.length === 0) return deny('no credential: the placeholder is missing')
  const bound = needsBody(lane.calls, wire)
  const body = bound ? await readAll(request, bodyCap) : undefined
  if (bound && body === undefined) return deny(`a body over ${bodyCap} bytes, which the rule has to read`, 413)
  const found = attribute(lane.calls, wire, body)
  if (!found.ok) return deny(found.reason, 403, found.call)
  const token = found.call.lease.secrets['token'] ?? Object.values(found.call.lease.secrets)[0]
  if (token === undefined) return deny('the lease holds no credential', 403, found.call.call)
  const headers = [...reading.headers, ...reading.sites.map((site) => [site.name, site.with(token.reveal())] as const)]
  return send(deps, route, {
    path,
    method,
    headers,
    body,
    request,
    response,
    scrubber: createScrubber([...deps.liveSecrets(), ...Object.values(found.call.lease.secrets)]),
    call: found.call,
    rule: found.rule,
  })
}

interface Sending {
  readonly path: string
  readonly method: string
  readonly headers: readonly (readonly [string, string])[]
  /** Read already, for rules that bind it; otherwise it is streamed. */
  readonly body: Buffer | undefined
  readonly request: IncomingMessage
  readonly response: ServerResponse
  readonly scrubber: Scrubber
  readonly call: InFlightCall | undefined
  readonly rule: RequestRule | undefined
}

async function send(deps: EgressDeps, route: Route, sending: Sending): Promise<void> {
  const { request, response, call } = sending
  const started = deps.clock.monotonic()
  const abort = new AbortController()
  const stop = (): void => abort.abort()
  const untrack =
    call === undefined
      ? () => undefined
      : route.lane.track(call.call, () => {
          stop()
          request.socket.destroy()
        })
  call?.lease.signal.addEventListener('abort', stop, { once: true })
  response.once('close', stop)
  try {
    const answer = await ask(deps, route, sending, abort.signal, started)
    const requestId = requestIdOf(answer)
    call?.onRequest({
      method: sending.method,
      url: `${route.origin}${sending.path}`,
      status: answer.statusCode ?? 0,
      requestId,
      took: deps.clock.monotonic() - started,
    })
    await deliver(route, sending, answer)
  } catch (error) {
    if (call !== undefined)
      call.onRequest({
        method: sending.method,
        url: `${route.origin}${sending.path}`,
        status: 0,
        requestId: '',
        took: deps.clock.monotonic() - started,
      })
    if (call?.lease.signal.aborted === true || response.destroyed) request.socket.destroy()
    else if (response.headersSent) response.destroy()
    else
      response
        .writeHead(502, { 'content-type': 'application/json' })
        .end(
          `${JSON.stringify({ message: `jit: ${sending.scrubber.scrubText(error instanceof Error ? error.message : String(error))}` })}\n`,
        )
  } finally {
    call?.lease.signal.removeEventListener('abort', stop)
    untrack()
  }
}

/** Sends it, and again while a fresh token is not known everywhere upstream and the request changes nothing. */
async function ask(deps: EgressDeps, route: Route, sending: Sending, signal: AbortSignal, started: number): Promise<IncomingMessage> {
  for (let wait = 200; ; wait *= 2) {
    const answer = await once(deps, route, sending, signal)
    const age = sending.call === undefined ? Number.POSITIVE_INFINITY : deps.clock.now() - sending.call.lease.mintedAt
    const again =
      answer.statusCode === 401 &&
      age < freshFor &&
      /^(GET|HEAD)$/.test(sending.method) &&
      deps.clock.monotonic() - started + wait < retryFor
    if (!again) return answer
    answer.resume()
    await pause(deps.clock, wait, signal)
  }
}

function once(deps: EgressDeps, route: Route, sending: Sending, signal: AbortSignal): Promise<IncomingMessage> {
  const url = new URL(route.origin)
  const secure = url.protocol === 'https:'
  const headers: Record<string, string | string[]> = { host: url.host, 'accept-encoding': 'identity' }
  for (const [name, value] of sending.headers) {
    const before = headers[name]
    headers[name] = before === undefined ? value : [...(Array.isArray(before) ? before : [before]), value]
  }
  const bodyless = sending.request.headers['content-length'] === undefined && sending.request.headers['transfer-encoding'] === undefined
  if (sending.body !== undefined) headers['content-length'] = String(sending.body.length)
  else if (sending.request.headers['content-length'] !== undefined) headers['content-length'] = sending.request.headers['content-length']
  const options: RequestOptions = {
    host: url.hostname,
    port: url.port || (secure ? 443 : 80),
    method: sending.method,
    path: sending.path,
    headers,
    signal,
    agent: secure ? deps.network.httpsAgent : deps.network.httpAgent,
    timeout: deps.network.timeout,
  }
  return new Promise((resolve, reject) => {
    const outgoing: ClientRequest = secure ? httpsRequest(options) : httpRequest(options)
    outgoing.once('response', resolve)
    outgoing.once('error', reject)
    outgoing.once('timeout', () => outgoing.destroy(new Error('the upstream did not answer in time')))
    if (sending.body !== undefined || bodyless) outgoing.end(sending.body)
    else sending.request.pipe(outgoing)
  })
}

/** The answer, without secrets, cookies and hop headers; addresses translated back for base-URL lanes. */
async function deliver(route: Route, sending: Sending, answer: IncomingMessage): Promise<void> {
  const { response, scrubber } = sending
  const coding = answer.headers['content-encoding']
  if (coding !== undefined && coding !== 'identity') {
    answer.destroy()
    throw new Error('the upstream compressed its answer although it was asked not to')
  }
  const headers: string[] = []
  for (let index = 0; index + 1 < answer.rawHeaders.length; index += 2) {
    const name = answer.rawHeaders[index] ?? ''
    if (/^(connection|keep-alive|transfer-encoding|content-length|set-cookie|trailer|upgrade|proxy-.*|alt-svc)$/i.test(name)) continue
    headers.push(name, translate(route, scrubber.scrubText(answer.rawHeaders[index + 1] ?? ''), name))
  }
  response.writeHead(answer.statusCode ?? 502, headers)
  const stream = scrubber.stream()
  const captured = sending.rule?.capture === undefined ? undefined : ([] as Buffer[])
  let size = 0
  for await (const chunk of answer as AsyncIterable<Buffer>) {
    size += chunk.length
    if (captured !== undefined && size <= bodyCap) captured.push(chunk)
    const clean = stream.push(chunk)
    if (clean.length > 0 && !response.write(clean)) await new Promise((resolve) => response.once('drain', resolve).once('close', resolve))
    if (response.destroyed) return void answer.destroy()
  }
  if (captured !== undefined && size <= bodyCap) capture(sending, Buffer.concat(captured))
  response.end(stream.end())
}

/** Remembers what the rule captures before the server has the answer, so that its next request may use it. */
function capture(sending: Sending, body: Buffer): void {
  let value: Json
  try {
    value = JSON.parse(body.toString('utf8'))
  } catch {
    return
  }
  if (!isJsonObject(value) && !Array.isArray(value)) return
  for (const [name, pointer] of Object.entries(sending.rule?.capture ?? {})) {
    const found = atPointer(value, pointer)
    if (typeof found === 'string' || typeof found === 'number') sending.call?.seen.set(name, String(found))
  }
}

function translate(route: Route, value: string, name: string): string {
  if (route.endpoint === undefined || !/^(link|location)$/i.test(name)) return value
  return value.replaceAll(`${route.origin}/`, `${route.endpoint.url}${route.endpoint.prefix}/`)
}

function withoutPrefix(target: string, prefix: string): string | undefined {
  if (prefix === '') return target
  return target.startsWith(`${prefix}/`) ? target.slice(prefix.length) : undefined
}

function requestIdOf(answer: IncomingMessage): string {
  for (const name of ['x-github-request-id', 'x-amzn-requestid', 'x-request-id']) {
    const value = answer.headers[name]
    if (typeof value === 'string') return value.slice(0, 200)
  }
  return ''
}

async function readAll(request: IncomingMessage, cap: number): Promise<Buffer | undefined> {
  const parts: Buffer[] = []
  let size = 0
  for await (const part of request as AsyncIterable<Buffer>) {
    size += part.length
    if (size > cap) return undefined
    parts.push(part)
  }
  return Buffer.concat(parts)
}

function pause(clock: Clock, delay: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const cancel = clock.after(delay, resolve)
    signal.addEventListener('abort', () => (cancel(), resolve()), { once: true })
  })
}
