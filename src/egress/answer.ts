import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Json } from '../core/json.ts'
import type { Scrubber } from '../core/scrub.ts'
import type { RequestRule } from '../core/types.ts'
import type { Route } from './exchange.ts'
import type { Sending } from './verdict.ts'
import { atPointer } from './match.ts'

/** Answers up to this size are read whole and leave in one piece. */
const pieceCap = 64 * 1024
/** Answers that a rule captures from, and no larger ones, are read for it. */
const captureCap = 8 * 1024 * 1024

const dropped =
  /^(connection|keep-alive|transfer-encoding|content-length|content-encoding|set-cookie2?|trailer|upgrade|proxy-.*|alt-svc|strict-transport-security)$/i

export interface Delivery {
  readonly endpoint: Route['endpoint']
  readonly sending: Sending
  readonly answer: IncomingMessage
  readonly response: ServerResponse
  readonly scrubber: Scrubber
  /** Told each value that the rule captures. */
  readonly remember: (name: string, value: string) => void
}

/** Gives the upstream's answer to the server: without secrets, cookies and hop headers. Throws when the upstream breaks off. */
export async function deliver({ endpoint, sending, answer, response, scrubber, remember }: Delivery): Promise<void> {
  const coding = answer.headers['content-encoding'] ?? 'identity'
  if (coding !== 'identity' && coding !== '') {
    answer.destroy()
    throw new Error('the upstream compressed its answer although it was asked not to')
  }
  const status = answer.statusCode ?? 0
  if (status < 200) {
    // Not passed on, it would be read by nobody and hold its connection for ever.
    answer.destroy()
    throw new Error(`the upstream answered with the status ${status}, which is none`)
  }
  const headers = cleanHeaders({ endpoint, origin: sending.origin }, answer, scrubber)
  const length = Number(answer.headers['content-length'] ?? Number.NaN)
  if (sending.method === 'HEAD' || status === 204 || status === 304) {
    answer.resume()
    response.writeHead(status, sending.method === 'HEAD' && length >= 0 ? [...headers, 'Content-Length', String(length)] : headers).end()
    return
  }
  const captured = new Captured(sending.charge?.rule.capture, status, remember)
  if (length <= pieceCap) {
    const body = await readAll(answer)
    captured.push(body)
    captured.keep()
    const clean = cleanWhole(scrubber, body)
    response.writeHead(status, [...headers, 'Content-Length', String(clean.length)]).end(clean)
    return
  }
  response.writeHead(status, headers)
  response.flushHeaders()
  await pass(answer, response, scrubber, captured)
}

async function pass(answer: IncomingMessage, response: ServerResponse, scrubber: Scrubber, captured: Captured): Promise<void> {
  const stream = scrubber.stream()
  for await (const chunk of answer as AsyncIterable<Buffer>) {
    captured.push(chunk)
    const clean = stream.push(chunk)
    if (clean.length > 0 && !response.write(clean) && !response.destroyed) await roomIn(response)
    if (response.destroyed) return
  }
  captured.keep()
  response.end(stream.end())
}

function cleanHeaders(route: Pick<Route, 'endpoint' | 'origin'>, answer: IncomingMessage, scrubber: Scrubber): string[] {
  const headers: string[] = []
  const { rawHeaders } = answer
  for (let index = 0; index + 1 < rawHeaders.length; index += 2) {
    const name = rawHeaders[index] ?? ''
    if (dropped.test(name)) continue
    headers.push(name, translate(route, name, scrubber.scrubText(rawHeaders[index + 1] ?? '')))
  }
  return headers
}

/** Base-URL lanes: addresses of the upstream become addresses of the endpoint, so that the server comes back to it. */
export function translate({ endpoint, origin }: Pick<Route, 'endpoint' | 'origin'>, name: string, value: string): string {
  if (endpoint === undefined) return value
  const move = (address: string): string => {
    const rest = address.toLowerCase().startsWith(origin) ? address.slice(origin.length) : undefined
    if (rest !== undefined && /^([/?#]|$)/.test(rest)) return `${endpoint.url}${endpoint.prefix}${rest}`
    return /^\/(?!\/)/.test(address) ? `${endpoint.prefix}${address}` : address
  }
  if (/^(content-)?location$/i.test(name)) return move(value)
  return /^link$/i.test(name) ? value.replace(/<([^>]*)>/g, (_, address: string) => `<${move(address)}>`) : value
}

function cleanWhole(scrubber: Scrubber, body: Buffer): Buffer {
  const stream = scrubber.stream()
  const start = stream.push(body)
  const end = stream.end()
  return end.length === 0 ? start : Buffer.concat([start, end])
}

/** Waits until the client has taken what was written, or is gone. */
function roomIn(response: ServerResponse): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      response.off('drain', done).off('close', done)
      resolve()
    }
    response.on('drain', done).on('close', done)
  })
}

function readAll(answer: IncomingMessage): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const parts: Buffer[] = []
    answer.on('data', (part: Buffer) => parts.push(part))
    answer.once('end', () => resolve(parts.length === 1 && parts[0] !== undefined ? parts[0] : Buffer.concat(parts)))
    answer.once('error', reject)
    answer.once('close', () => reject(new Error('the upstream broke off')))
  })
}

/** Keeps an answer's body for the values that a rule captures from it, when there are any. */
class Captured {
  readonly #capture: RequestRule['capture']
  readonly #remember: Delivery['remember']
  #parts: Buffer[] | undefined
  #size = 0

  constructor(capture: RequestRule['capture'], status: number, remember: Delivery['remember']) {
    this.#capture = capture
    this.#remember = remember
    this.#parts = capture !== undefined && status >= 200 && status < 300 ? [] : undefined
  }

  push(chunk: Buffer): void {
    this.#size += chunk.length
    if (this.#size > captureCap) this.#parts = undefined
    this.#parts?.push(chunk)
  }

  /** Remembers the values before the server has the whole answer, so that its next request may use them. */
  keep(): void {
    if (this.#parts === undefined) return
    let value: Json
    try {
      value = JSON.parse(Buffer.concat(this.#parts).toString('utf8'))
    } catch {
      return
    }
    for (const [name, pointer] of Object.entries(this.#capture ?? {})) {
      const found = atPointer(value, pointer)
      if (typeof found === 'string' || (typeof found === 'number' && Number.isSafeInteger(found))) this.#remember(name, String(found))
    }
  }
}
