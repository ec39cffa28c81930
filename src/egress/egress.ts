import { randomBytes, timingSafeEqual } from 'node:crypto'
import { createServer, type IncomingMessage, type Server } from 'node:http'
import { createServer as createTcpServer, type Server as TcpServer } from 'node:net'
import type { Duplex } from 'node:stream'
import { TLSSocket } from 'node:tls'
import type { AuditSink } from '../audit/event.ts'
import type { Clock } from '../core/clock.ts'
import type { Secret } from '../core/secret.ts'
import type { Logger } from '../core/types.ts'
import type { Network } from '../network/network.ts'
import { createAuthority } from './authority.ts'
import { forward } from './forward.ts'
import { Lane } from './lane.ts'
import type { Egress, LaneEgress, LaneNetwork } from './types.ts'

export interface EgressDeps {
  readonly folder: string
  readonly network: Network
  readonly audit: AuditSink
  readonly clock: Clock
  readonly log: Logger
  /** Every secret to remove from answers. */
  liveSecrets(): readonly Secret[]
  readonly secretsVersion: () => number
}

/** What a connection inside a tunnel, or at a base-URL listener, stands for. */
export interface Route {
  readonly lane: Lane
  /** `https://host[:port]` that the client believes it talks to. */
  readonly origin: string
  /** What the Host header must be. */
  readonly host: string
  readonly endpoint: { readonly prefix: string; readonly url: string } | undefined
}

const handshakeTimeout = 10_000
const socketsPerLane = 64
const limits = {
  maxHeaderSize: 32 * 1024,
  headersTimeout: 15_000,
  requestTimeout: 0,
  keepAliveTimeout: 60_000,
  requireHostHeader: true,
} as const

export async function createEgress(deps: EgressDeps): Promise<Egress> {
  const authority = await createAuthority(deps.folder, deps.clock)
  const lanes = new Map<string, Lane>()
  const routes = new WeakMap<Duplex, Route>()
  const servers = new Set<Server | TcpServer>()

  // Requests arrive here from decrypted tunnels and from base-URL listeners; it listens on nothing itself.
  const inner = createServer(limits, (request, response) => {
    const route = routes.get(request.socket)
    if (route === undefined) request.socket.destroy()
    else void forward(deps, route, request, response)
  })
  inner.on('upgrade', (_, socket) => socket.destroy())
  inner.on('connect', (_, socket) => socket.destroy())
  inner.on('clientError', (_, socket) => socket.destroy())

  const attach = (socket: Duplex, route: Route): void => {
    if (route.lane.sockets.size >= socketsPerLane) return void socket.destroy()
    routes.set(socket, route)
    route.lane.keep(socket)
    socket.on('error', () => socket.destroy())
    inner.emit('connection', socket)
  }

  const outer = createServer(limits, (request, response) => {
    refuse(deps, laneOf(lanes, request), request.method ?? '', request.url ?? '', 'a request in clear text to the proxy')
    response
      .writeHead(403, { 'content-type': 'application/json', connection: 'close' })
      .end('{"message":"jit: only HTTPS goes through this proxy"}\n')
  })
  outer.on('connect', (request: IncomingMessage, socket: Duplex, head: Buffer) => {
    socket.on('error', () => socket.destroy())
    const lane = laneOf(lanes, request)
    if (lane === undefined)
      return void socket.end(
        'HTTP/1.1 407 Proxy Authentication Required\r\nproxy-authenticate: Basic realm="jit"\r\ncontent-length: 0\r\n\r\n',
      )
    const target = /^([a-z0-9.-]+):(\d{1,5})$/i.exec(request.url ?? '')
    const host = (target?.[1] ?? '').toLowerCase()
    const origin = originOf(host, Number(target?.[2]))
    if (target === null || !(lane.options.origins.has(origin) || lane.options.open.has(origin))) {
      refuse(deps, lane, 'CONNECT', request.url ?? '', 'the host is not among those that this server’s rules name', origin)
      return void socket.end('HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\n\r\n')
    }
    socket.write('HTTP/1.1 200 Connection established\r\n\r\n')
    if (head.length > 0) socket.unshift(head)
    void terminate(socket, host).then((secure) => {
      if (secure === undefined) return void socket.destroy()
      attach(secure, { lane, origin, host: hostOf(origin), endpoint: undefined })
    })
  })
  outer.on('clientError', (_, socket) => socket.destroy())

  const terminate = async (socket: Duplex, host: string): Promise<TLSSocket | undefined> => {
    const secureContext = await authority.contextFor(host)
    return new Promise((resolve) => {
      const secure = new TLSSocket(socket as never, {
        isServer: true,
        secureContext,
        ALPNProtocols: ['http/1.1'],
        SNICallback: (name, done) =>
          name.toLowerCase() === host ? done(null, secureContext) : done(new Error('another host than CONNECT named')),
      })
      const cancel = deps.clock.after(handshakeTimeout, () => resolve(undefined))
      secure.once('secure', () => {
        cancel()
        resolve(secure)
      })
      secure.once('error', () => {
        cancel()
        resolve(undefined)
      })
    })
  }

  const listenOn = (server: Server | TcpServer): Promise<number> =>
    new Promise((resolve, reject) => {
      server.once('error', reject)
      server.listen(0, '127.0.0.1', () => {
        servers.add(server)
        const address = server.address()
        resolve(typeof address === 'object' && address !== null ? address.port : 0)
      })
    })
  let proxyPort = 0

  const openEndpoint = async (lane: Lane, endpoint: NonNullable<LaneEgress['endpoint']>): Promise<{ url: string; close: () => void }> => {
    const host = { value: '' }
    const server = createTcpServer((socket) =>
      attach(socket, {
        lane,
        origin: endpoint.upstream,
        host: host.value,
        endpoint: { prefix: endpoint.prefix, url: `http://${host.value}` },
      }),
    )
    host.value = `127.0.0.1:${await listenOn(server)}`
    return {
      url: `http://${host.value}`,
      close: () => {
        servers.delete(server)
        server.close()
      },
    }
  }

  return {
    async listen() {
      proxyPort = await listenOn(outer)
    },
    async openLane(options): Promise<LaneNetwork> {
      const lane = new Lane(options, randomBytes(24).toString('base64url'))
      lanes.set(options.lane, lane)
      const endpoint = options.endpoint === undefined ? undefined : await openEndpoint(lane, options.endpoint)
      return {
        proxyUrl: `http://${options.lane}:${lane.nonce}@127.0.0.1:${proxyPort}`,
        caFile: authority.caFile,
        endpointUrl: endpoint?.url,
        begin: (call) => lane.begin(call),
        close() {
          lanes.delete(options.lane)
          endpoint?.close()
          lane.close()
        },
      }
    },
    async close() {
      for (const lane of lanes.values()) lane.close()
      lanes.clear()
      await Promise.all([...servers].map((server) => new Promise((resolve) => server.close(resolve))))
    },
  }
}

/** The lane whose nonce the client knows. */
function laneOf(lanes: ReadonlyMap<string, Lane>, request: IncomingMessage): Lane | undefined {
  const given = /^Basic ([A-Za-z0-9+/=]+)$/i.exec(request.headers['proxy-authorization'] ?? '')?.[1]
  const [name = '', nonce = ''] = Buffer.from(given ?? '', 'base64')
    .toString('utf8')
    .split(':')
  const lane = lanes.get(name)
  if (lane === undefined) return undefined
  const [left, right] = [Buffer.from(nonce), Buffer.from(lane.nonce)]
  return left.length === right.length && timingSafeEqual(left, right) ? lane : undefined
}

/** Writes the refusal to the trail; a trail that cannot be written changes nothing about it. */
export function refuse(
  deps: Pick<EgressDeps, 'audit' | 'log'>,
  lane: Lane | undefined,
  method: string,
  path: string,
  reason: string,
  origin = '',
  call?: string,
): void {
  if (lane === undefined) return
  try {
    deps.audit.append({
      type: 'egress.refused',
      server: lane.options.server,
      lane: lane.options.lane,
      ...(call === undefined ? {} : { call }),
      request: { method, origin, path: path.replaceAll(lane.options.placeholder, '[placeholder]').slice(0, 500) },
      reason,
    })
  } catch (error) {
    deps.log.error('refusal not recorded', { server: lane.options.server, reason, error: String(error) })
  }
}

export function originOf(host: string, port: number): string {
  return port === 443 ? `https://${host}` : `https://${host}:${port}`
}

function hostOf(origin: string): string {
  return origin.slice(origin.indexOf('//') + 2)
}
