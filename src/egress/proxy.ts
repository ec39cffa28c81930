import { createServer, type IncomingMessage, type Server } from 'node:http'
import { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import type { Clock } from '../core/clock.ts'
import type { Authority } from './authority.ts'
import { same } from './credential.ts'
import { type Inner, serverLimits } from './inner.ts'
import type { Lane } from './lane.ts'
import type { Refusals } from './refusals.ts'
import { terminate } from './tunnel.ts'

export interface ProxyDeps {
  readonly inner: Inner
  readonly clock: Clock
  lane(name: string): { readonly lane: Lane; readonly authority: Authority } | undefined
  /** For clients that are nobody's. */
  readonly strangers: Refusals
  readonly mostWaiting: number
}

export const handshakeTimeout = 10_000
const lingering = 1000
/** Connections that have shown no lane's nonce yet. */
export const mostWaiting = 512

/**
 * The CONNECT listener of all lanes; a client shows its lane's nonce as proxy credentials, and then counts as that lane's alone.
 * Of those that have shown none the oldest makes room for the next: a client that means it has done so at once, and nobody
 * can keep it out by connections that say nothing.
 */
export function createProxy(deps: ProxyDeps): Server {
  const server = createServer(serverLimits, (request, response) => {
    const known = authenticate(deps, request)
    const [status, reason] =
      known === undefined ? [407, 'wrong or missing proxy credentials'] : [403, 'a request in clear text to the proxy']
    const refusals = known?.lane.refusals ?? deps.strangers
    refusals.record({ method: request.method ?? '', origin: '', path: request.url ?? '', reason })
    response.writeHead(status, { ...challenge(status), 'content-type': 'application/json', connection: 'close' })
    response.end(status === 407 ? '' : `${JSON.stringify({ message: 'jit: only HTTPS goes through this proxy' })}\n`)
    request.resume()
  })
  const waiting = new Set<Duplex>()
  server.on('connection', (socket) => {
    const [oldest] = waiting
    if (oldest !== undefined && waiting.size >= deps.mostWaiting) {
      waiting.delete(oldest)
      oldest.destroy()
    }
    waiting.add(socket)
    socket.once('close', () => waiting.delete(socket))
  })
  server.on('connect', (request, socket, head) => {
    connect(deps, request, socket, head, () => waiting.delete(socket)).catch(() => socket.destroy())
  })
  server.on('clientError', (_, socket) => socket.destroy())
  return server
}

async function connect(deps: ProxyDeps, request: IncomingMessage, raw: Duplex, head: Buffer, onKept: () => void): Promise<void> {
  raw.on('error', () => raw.destroy())
  const known = authenticate(deps, request)
  const path = request.url ?? ''
  const deny = (status: number, reason: string, refusals: Refusals): void => {
    refusals.record({ method: 'CONNECT', origin: target?.origin ?? '', path, reason })
    answer(raw, status, deps.clock)
  }
  const target = readAuthority(path)
  if (known === undefined || !(raw instanceof Socket)) return deny(407, 'wrong or missing proxy credentials', deps.strangers)
  const { lane, authority } = known
  if (target === undefined) return deny(400, 'a CONNECT that names no host and port', lane.refusals)
  if (!lane.options.origins.has(target.origin) && !lane.options.open.has(target.origin)) {
    return deny(403, 'the host is not among those that this server’s rules name', lane.refusals)
  }
  const problem = lane.keep(raw)
  if (problem !== undefined) return deny(503, problem, lane.refusals)
  onKept()
  const context = await authority.contextFor(target.host)
  if (raw.destroyed) return
  raw.write('HTTP/1.1 200 Connection established\r\n\r\n')
  if (head.length > 0) raw.unshift(head)
  const tunnel = await terminate(raw, target.host, context, deps.clock, handshakeTimeout)
  if (!tunnel.ok) return lane.refusals.record({ method: 'CONNECT', origin: target.origin, path, reason: tunnel.reason })
  if (tunnel.misdirected !== undefined) {
    lane.refusals.record({
      method: 'CONNECT',
      origin: target.origin,
      path,
      reason: `a handshake for another host: ${JSON.stringify(tunnel.misdirected)}`,
    })
  }
  const { host } = new URL(target.origin)
  deps.inner.attach(tunnel.socket, {
    lane,
    origin: target.origin,
    host,
    misdirected: tunnel.misdirected !== undefined,
    endpoint: undefined,
  })
}

/** The lane whose nonce the client knows. */
function authenticate(deps: ProxyDeps, request: IncomingMessage): ReturnType<ProxyDeps['lane']> {
  const given = /^Basic ([A-Za-z0-9+/=]+)$/i.exec(request.headers['proxy-authorization'] ?? '')?.[1] ?? ''
  const [name = '', nonce = ''] = Buffer.from(given, 'base64').toString('latin1').split(':')
  const known = deps.lane(name)
  return known !== undefined && same(nonce, known.lane.nonce) ? known : undefined
}

/** `host:port` in the spelling that URLs keep; undefined for anything that would become another host. */
function readAuthority(text: string): { host: string; origin: string } | undefined {
  const [, given] = /^(\[[0-9a-f:.]+\]|[a-z0-9](?:[a-z0-9.-]{0,250}[a-z0-9])?):\d{1,5}$/i.exec(text) ?? []
  if (given === undefined || !URL.canParse(`https://${text}`)) return undefined
  const { hostname, origin } = new URL(`https://${text}`)
  return hostname === given.toLowerCase() ? { host: hostname.replace(/^\[|\]$/g, ''), origin } : undefined
}

/** A client that was refused gets a moment to read why and to leave; it cannot hold the connection. */
function answer(socket: Duplex, status: number, clock: Clock): void {
  const lines = Object.entries({ ...challenge(status), connection: 'close', 'content-length': '0' }).map(
    ([name, value]) => `${name}: ${value}\r\n`,
  )
  const cancel = clock.after(lingering, () => socket.destroy())
  socket.once('close', cancel)
  socket.once('end', () => socket.destroy())
  socket.end(`HTTP/1.1 ${status} ${status === 407 ? 'Proxy Authentication Required' : 'Refused'}\r\n${lines.join('')}\r\n`)
  socket.resume()
}

function challenge(status: number): Record<string, string> {
  return status === 407 ? { 'proxy-authenticate': 'Basic realm="jit"' } : {}
}
