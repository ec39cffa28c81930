import { createServer, type IncomingMessage, type Server, type ServerOptions, type ServerResponse } from 'node:http'
import type { Duplex } from 'node:stream'
import { Exchange, refuse, type Route } from './exchange.ts'
import { headerCap } from './headers.ts'
import { judge } from './judge.ts'
import { send, type SendDeps } from './send.ts'

export interface Inner {
  /** Serves the requests of one connection. */
  attach(socket: Duplex, route: Route): void
  close(): void
}

export const serverLimits = {
  maxHeaderSize: 32 * 1024,
  headersTimeout: 15_000,
  // A body lasts as long as its call.
  requestTimeout: 0,
  keepAliveTimeout: 60_000,
  connectionsCheckingInterval: 5000,
  insecureHTTPParser: false,
} as const satisfies ServerOptions

/** Requests that may wait on one connection: what waits takes memory, and clients that people use send one at a time. */
export const pipelineCap = 256

/** The one HTTP server for decrypted tunnels and base-URL connections; it listens on nothing itself. */
export function createInner(deps: SendDeps, limits: ServerOptions = serverLimits): Inner {
  const routes = new WeakMap<Duplex, Route>()
  // Requests of one connection are served one after the other, and none after one that closes it.
  const turns = new WeakMap<Duplex, Promise<void>>()
  const over = new WeakSet<Duplex>()
  const waiting = new WeakMap<Duplex, number>()
  // A missing Host is refused with the others that are wrong, so that it stands in the trail.
  const server = createServer({ ...limits, requireHostHeader: false })
  server.maxHeadersCount = headerCap
  const inTurn = (request: IncomingMessage, response: ServerResponse, waits: boolean, serve: (exchange: Exchange) => unknown): void => {
    const { socket } = request
    const route = routes.get(socket)
    if (route === undefined) return void socket.destroy()
    if (over.has(socket)) return
    const ahead = waiting.get(socket) ?? 0
    if (ahead > pipelineCap) {
      over.add(socket)
      const { method = '', url = '' } = request
      route.lane.refusals.record({ method, origin: route.origin, path: url, reason: `more than ${pipelineCap} requests that wait` })
      return void socket.destroy()
    }
    waiting.set(socket, ahead + 1)
    const exchange = new Exchange({ route, request, response, waits, onClose: () => over.add(socket) })
    const turn = (turns.get(socket) ?? Promise.resolve()).then(async () => {
      if (!over.has(socket) && !socket.destroyed) await serve(exchange)
      waiting.set(socket, (waiting.get(socket) ?? 1) - 1)
    })
    turns.set(
      socket,
      turn.catch(() => void socket.destroy()),
    )
  }
  server.on('request', (request, response) => inTurn(request, response, false, (exchange) => handle(deps, exchange)))
  server.on('checkContinue', (request, response) => inTurn(request, response, true, (exchange) => handle(deps, exchange)))
  server.on('checkExpectation', (request, response) =>
    inTurn(request, response, true, (exchange) => refuse(exchange, { status: 417, reason: 'an expectation other than 100-continue' })),
  )
  server.on('connect', (request, socket) => {
    if (over.has(socket)) return
    over.add(socket)
    fail(routes.get(socket), socket, request.method ?? '', request.url ?? '', 405, 'a tunnel within a tunnel')
  })
  server.on('clientError', (error, socket) => {
    const code: unknown = Reflect.get(error, 'code')
    if (typeof code !== 'string' || !/^(HPE_|ERR_HTTP_)/.test(code)) return void socket.destroy()
    if (over.has(socket)) return
    over.add(socket)
    const status = code === 'HPE_HEADER_OVERFLOW' ? 431 : code === 'ERR_HTTP_REQUEST_TIMEOUT' ? 408 : 400
    fail(routes.get(socket), socket, '', '', status, `bytes that are no HTTP request (${code})`)
  })
  startTimeouts(server)
  return {
    attach(socket, route) {
      routes.set(socket, route)
      socket.on('error', () => socket.destroy())
      server.emit('connection', socket)
    },
    close: () => server.close(() => undefined),
  }
}

async function handle(deps: SendDeps, exchange: Exchange): Promise<void> {
  try {
    const verdict = await judge(exchange, deps.clock)
    if (verdict.ok) await send(deps, exchange, verdict)
    else refuse(exchange, verdict)
  } catch (error) {
    // The client broke off while its body was read; anything else is our defect, and the request does not go on.
    deps.log.debug('request given up', { server: exchange.route.lane.options.server, error: String(error) })
    exchange.request.socket.destroy()
  }
}

function fail(route: Route | undefined, socket: Duplex, method: string, path: string, status: number, reason: string): void {
  route?.lane.refusals.record({ method, origin: route.origin, path, reason })
  if (!socket.writable) return void socket.destroy()
  socket.end(`HTTP/1.1 ${status} Refused\r\nconnection: close\r\ncontent-length: 0\r\n\r\n`, () => socket.destroy())
}

/** A server looks after slow headers from the moment it listens; this one never does. */
function startTimeouts(server: Server): void {
  server.emit('listening')
}
