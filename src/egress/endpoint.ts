import { createServer, type Server, type Socket } from 'node:net'
import type { Inner } from './inner.ts'
import type { Lane } from './lane.ts'
import { listenOnLoopback } from './listen.ts'
import type { LaneEgress } from './types.ts'

export interface Endpoint {
  /** `http://127.0.0.1:port`, of this lane alone. */
  readonly url: string
  readonly port: number
  /** Serves a connection that came another way. */
  accept(socket: Socket): void
  close(): void
}

/**
 * Opens a lane's base-URL listener. Whoever connects still needs the lane's placeholder in each request; Host must be the
 * listener's own address, so that no page in a browser reaches it under another name.
 */
export async function openEndpoint(inner: Inner, lane: Lane, options: NonNullable<LaneEgress['endpoint']>): Promise<Endpoint> {
  let host = ''
  const accept = (socket: Socket): void => {
    if (lane.keep(socket, true) !== undefined) return void socket.destroy()
    const origin = new URL(options.upstream).origin
    inner.attach(socket, { lane, origin, host, misdirected: false, endpoint: { prefix: options.prefix, url: `http://${host}` } })
  }
  const server: Server = createServer({ noDelay: true }, accept)
  const port = await listenOnLoopback(server)
  host = `127.0.0.1:${port}`
  return { url: `http://${host}`, port, accept, close: () => server.close() }
}
