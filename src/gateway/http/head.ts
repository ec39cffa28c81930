import type { IncomingMessage } from 'node:http'
import { JitError, quote } from '../../core/errors.ts'

/** Headers that decide something here; two of one would be two answers to one question. */
const single = new Set([
  'host',
  'origin',
  'authorization',
  'accept',
  'content-type',
  'content-length',
  'content-encoding',
  'transfer-encoding',
  'connection',
  'expect',
  'last-event-id',
])

/**
 * What is wrong with the head of a request, whoever sent it: anything that another reader of the same bytes could take for
 * another request, or that a page in a browser sends (a name of this machine that is not its own: DNS rebinding).
 */
export function refuseHead(request: IncomingMessage, port: number): JitError | undefined {
  return malformed(request) ?? foreign(request, port)
}

/** The same for a listener that has names of its own. */
export function malformed({ httpVersion, url = '', headers, rawHeaders }: IncomingMessage): JitError | undefined {
  if (httpVersion !== '1.1') return wrong(`HTTP/${httpVersion} is not spoken here`)
  if (!url.startsWith('/')) return wrong(`the target ${quote(url)} is not a path`)
  const seen = new Set<string>()
  for (let index = 0; index < rawHeaders.length; index += 2) {
    const name = rawHeaders[index]?.toLowerCase() ?? ''
    if (name === 'upgrade') return wrong('another protocol is not spoken here')
    if (!single.has(name) && !name.startsWith('mcp-')) continue
    if (seen.has(name)) return wrong(`the header ${quote(name)} stands there twice`)
    seen.add(name)
  }
  const coding = headers['transfer-encoding']
  if (coding !== undefined && coding !== 'chunked') return wrong(`the transfer coding ${quote(coding)} is not taken`)
  if (coding !== undefined && seen.has('content-length')) return wrong('the length is told in two ways')
  return undefined
}

/** A browser's page that got here under a name of its own, or from a page of its own. */
function foreign({ headers }: IncomingMessage, port: number): JitError | undefined {
  const { host = '', origin } = headers
  if (!isOwn(host, port)) return refusal(`the host ${quote(host)} is not this door`)
  if (origin !== undefined && !(origin.startsWith('http://') && isOwn(origin.slice('http://'.length), port)))
    return refusal(`the origin ${quote(origin)} may not speak here`)
  return undefined
}

const names = ['127.0.0.1', 'localhost', '[::1]']

function isOwn(host: string, port: number): boolean {
  return names.some((name) => host === `${name}:${port}` || (port === 80 && host === name))
}

/** Media types that the sender takes, of the two that there are. Without the header it takes what comes. */
export function acceptOf(header: string | undefined): { json: boolean; events: boolean } {
  if (header === undefined || header === 'application/json, text/event-stream') return { json: true, events: true }
  const types = header.split(',').map((part) => {
    const [type = '', ...parameters] = part.split(';').map((word) => word.trim().toLowerCase())
    return parameters.some((parameter) => /^q=0(\.0*)?$/.test(parameter)) ? '' : type
  })
  const takes = (...wanted: string[]): boolean => types.some((type) => type === '*/*' || wanted.includes(type))
  return { json: takes('application/json', 'application/*'), events: takes('text/event-stream', 'text/*') }
}

/** Whether the body is JSON that was not packed. A page in a browser cannot say so without asking first. */
export function isJson({ headers }: IncomingMessage): boolean {
  const type = headers['content-type']
  if (headers['content-encoding'] !== undefined && headers['content-encoding'] !== 'identity') return false
  return type === 'application/json' || /^application\/json\s*(;\s*charset="?utf-8"?\s*)?$/i.test(type ?? '')
}

function wrong(message: string): JitError {
  return new JitError('message.malformed', message, { hint: 'Send one plain HTTP/1.1 request.' })
}

function refusal(message: string): JitError {
  return new JitError('policy.denied', message, { hint: 'The address stands in `jit status`: http://127.0.0.1:PORT/mcp/SERVER.' })
}
