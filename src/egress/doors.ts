import { createServer, isIP, type Server, type Socket } from 'node:net'
import { join } from 'node:path'
import type { Clock } from '../core/clock.ts'
import { discard } from '../core/discard.ts'
import type { Authority } from './authority.ts'
import type { Endpoint } from './endpoint.ts'
import type { Inner } from './inner.ts'
import type { Lane } from './lane.ts'
import { listenOnPath } from './listen.ts'
import { createProxy, handshakeTimeout } from './proxy.ts'
import { terminateNamed } from './tunnel.ts'
import type { Door } from './types.ts'

export interface DoorsDeps {
  readonly folder: string
  readonly lane: Lane
  readonly authority: Authority
  readonly proxyPort: number
  readonly endpoint: Endpoint | undefined
  readonly inner: Inner
  readonly clock: Clock
  /** At the proxy, without its nonce: they are all this lane's. */
  readonly mostWaiting: number
}

/**
 * What a child without a network of its own reaches instead: the proxy and its base-URL listener under the ports that it is
 * told, and each port of its upstreams. Every socket is of this lane alone: another lane's nonce is worth nothing there.
 */
export async function openDoors(deps: DoorsDeps): Promise<{ readonly doors: readonly Door[]; close(): void }> {
  const { folder, lane, authority, inner, clock, endpoint, mostWaiting } = deps
  const own = { lane, authority }
  const proxy = createProxy({
    inner,
    clock,
    lane: (name) => (name === lane.options.lane ? own : undefined),
    strangers: lane.refusals,
    mostWaiting,
  })
  const servers = new Map<number, Server>([[deps.proxyPort, proxy]])
  if (endpoint !== undefined)
    servers.set(
      endpoint.port,
      createServer({ noDelay: true }, (socket) => endpoint.accept(socket)),
    )
  for (const port of portsOf(lane)) {
    // A port that the kernel gave to a listener of ours is no upstream's for this lane; the proxy still reaches that one.
    if (!servers.has(port))
      servers.set(
        port,
        createServer({ noDelay: true }, (socket) => void redirect(deps, socket, port)),
      )
  }
  const doors: Door[] = []
  const close = (): void => {
    for (const server of servers.values()) server.close()
    proxy.closeAllConnections()
    for (const { socket } of doors) discard(socket)
  }
  try {
    for (const [port, server] of servers) {
      const socket = join(folder, String(port))
      await listenOnPath(server, socket)
      doors.push({ port, socket })
    }
  } catch (error) {
    close()
    throw error
  }
  return { doors, close }
}

/** A client that knows of no proxy, and takes this for the host that its handshake names. */
async function redirect({ lane, authority, inner, clock }: DoorsDeps, raw: Socket, port: number): Promise<void> {
  raw.on('error', () => raw.destroy())
  const originOf = (host: string): string =>
    /^[a-z0-9.-]+$/.test(host) && URL.canParse(`https://${host}:${port}`) ? new URL(`https://${host}:${port}`).origin : ''
  const record = (host: string, reason: string): void =>
    lane.refusals.record({ method: 'TLS', origin: originOf(host), path: `${host}:${port}`, reason })
  const problem = lane.keep(raw)
  if (problem !== undefined) {
    record('', problem)
    return void raw.destroy()
  }
  const contextFor = (host: string): ReturnType<Authority['contextFor']> | undefined => {
    const { origins, open } = lane.options
    const origin = originOf(host)
    return origin !== '' && (origins.has(origin) || open.has(origin)) ? authority.contextFor(host) : undefined
  }
  const tunnel = await terminateNamed(raw, contextFor, clock, handshakeTimeout)
  if (!tunnel.ok) return record(tunnel.host, tunnel.reason)
  const origin = originOf(tunnel.host)
  inner.attach(tunnel.socket, { lane, origin, host: new URL(origin).host, misdirected: false, endpoint: undefined })
}

/** Ports of its upstreams that have names: an address cannot be led elsewhere by a hosts file. */
function portsOf({ options }: Lane): Set<number> {
  const urls = [...options.origins, ...options.open].map((origin) => new URL(origin))
  const named = urls.filter(({ protocol, hostname }) => protocol === 'https:' && isIP(hostname.replace(/^\[|\]$/g, '')) === 0)
  return new Set(named.map(({ port }) => (port === '' ? 443 : Number(port))))
}
