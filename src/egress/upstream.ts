import { type ClientRequest, type IncomingMessage, request as httpRequest } from 'node:http'
import { request as httpsRequest } from 'node:https'
import type { Network } from '../network/network.ts'
import { methodField, type MethodWatch, watchMethod } from './method-field.ts'
import type { Sending } from './verdict.ts'

export type UpstreamNetwork = Pick<Network, 'httpsAgent' | 'httpAgent' | 'timeout'>

/** What is found after the request had been let through, in a streamed body for one: it ends it. */
export class RequestRefused extends Error {}

const otherMethod = `the field ${methodField} in a body, by which some upstreams take another method than the rule’s`

export interface Question {
  readonly network: UpstreamNetwork
  readonly origin: string
  readonly sending: Sending
  /** Whose body is passed on where `sending` holds none of its own. */
  readonly source: IncomingMessage
  /** May not stand in a body that is passed on. */
  readonly placeholder: string
  readonly signal: AbortSignal
}

const staleTries = 3

/**
 * Sends a request and answers with the upstream's head; its body is not read yet. Never follows a redirect. A kept connection that
 * turns out dead is replaced where nothing can have happened yet (GET and HEAD without a body). Rejects when no answer comes.
 */
export async function ask(question: Question): Promise<IncomingMessage> {
  for (let tries = 1; ; tries += 1) {
    try {
      return await once(question)
    } catch (error) {
      if (!(error instanceof StaleConnection) || tries >= staleTries) throw error instanceof StaleConnection ? error.cause : error
    }
  }
}

class StaleConnection extends Error {}

function once({ network, origin, sending, source, placeholder, signal }: Question): Promise<IncomingMessage> {
  const watch = watchMethod(sending)
  if (Buffer.isBuffer(sending.body) && watch?.sees(sending.body) === true) return Promise.reject(new RequestRefused(otherMethod))
  const { protocol, hostname, port, host } = new URL(origin)
  const secure = protocol === 'https:'
  const options = {
    host: hostname.replace(/^\[|\]$/g, ''),
    port: port === '' ? (secure ? 443 : 80) : Number(port),
    method: sending.method,
    path: sending.path,
    headers: ['Host', host, 'Accept-Encoding', 'identity', ...sending.headers, ...framing(sending)],
    agent: secure ? network.httpsAgent : network.httpAgent,
    timeout: network.timeout,
    setHost: false,
    signal,
  }
  return new Promise((resolve, reject) => {
    const outgoing = secure ? httpsRequest(options) : httpRequest(options)
    let unread: IncomingMessage | undefined
    outgoing.once('response', (answer) => {
      unread = answer
      // Answered before its body was there: what is to come of that would outlive the call and its lease.
      answer.once('end', () => (outgoing.writableFinished ? undefined : outgoing.destroy()))
      resolve(answer)
    })
    outgoing.on('error', (error) => {
      const stale = outgoing.reusedSocket && isReplayable(sending) && /^(ECONNRESET|EPIPE)$/.test(String(Reflect.get(error, 'code')))
      reject(stale ? new StaleConnection('', { cause: error }) : error)
    })
    // One that switches protocols is dropped without an error.
    outgoing.once('close', () => reject(new Error('the upstream gave no answer that is HTTP')))
    outgoing.on('timeout', () => {
      // A server that takes its time with what has come already is not the upstream's silence.
      if ((unread?.readableLength ?? 0) > 0) outgoing.setTimeout(network.timeout)
      else outgoing.destroy(new Error(`the upstream was silent for ${network.timeout} ms`))
    })
    if (Buffer.isBuffer(sending.body)) outgoing.end(sending.body)
    else if (sending.body === 'none') outgoing.end()
    else stream(source, outgoing, placeholder, watch)
  })
}

/** A request that changes nothing and can be sent again as it is. */
export function isReplayable({ method, body }: Sending): boolean {
  return (method === 'GET' || method === 'HEAD') && body === 'none'
}

function framing({ method, body }: Sending): string[] {
  if (Buffer.isBuffer(body)) return ['Content-Length', String(body.length)]
  if (body === 'chunked') return ['Transfer-Encoding', 'chunked']
  if (typeof body === 'number') return ['Content-Length', String(body)]
  return /^(POST|PUT|PATCH)$/.test(method) ? ['Content-Length', '0'] : []
}

/** Passes the body on as it comes, at the upstream's pace; a placeholder or another method in it ends the request. */
function stream(source: IncomingMessage, outgoing: ClientRequest, placeholder: string, watch: MethodWatch | undefined): void {
  let tail = ''
  source.on('data', (chunk: Buffer) => {
    const text = tail + chunk.toString('latin1')
    if (text.includes(placeholder)) return void outgoing.destroy(new RequestRefused('the placeholder in the body'))
    tail = text.slice(1 - placeholder.length)
    if (watch?.sees(chunk) === true) return void outgoing.destroy(new RequestRefused(otherMethod))
    if (!outgoing.write(chunk)) source.pause()
  })
  outgoing.on('drain', () => source.resume())
  source.once('end', () => outgoing.end())
  // The upstream may answer and close before it read everything: what still comes is thrown away.
  outgoing.once('close', () => source.removeAllListeners('data').resume())
}
