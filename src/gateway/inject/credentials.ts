import { writeFileSync } from 'node:fs'
import { createServer, type IncomingMessage } from 'node:http'
import type { Socket } from 'node:net'
import { join } from 'node:path'
import type { Lease } from '../../broker/types.ts'
import type { Clock } from '../../core/clock.ts'
import { discard } from '../../core/discard.ts'
import { randomAlphanumeric } from '../../core/ids.ts'
import { same } from '../../egress/credential.ts'
import { listenOnLoopback } from '../../egress/listen.ts'

export interface CredentialsEndpoint {
  /** What the AWS SDKs read to find it. */
  readonly environment: Readonly<Record<string, string>>
  close(): void
}

/**
 * Declared life of what is answered, in milliseconds: below the 5 minutes (JavaScript, Go) and 10 minutes (botocore) before
 * which clients fetch anew, so that they come back for each request and get nothing any more once the lease is over.
 */
const declared = 60_000
const limits = {
  maxHeaderSize: 8192,
  headersTimeout: 5000,
  requestTimeout: 5000,
  connectionsCheckingInterval: 1000,
  keepAliveTimeout: 1000,
}
/** Connections at once; the next takes the place of the oldest, since one that asks is answered at once. */
const mostConnections = 32

/**
 * The container credentials endpoint of one lane, for AWS clients that take no base URL: the keys of the lease that the child
 * was started for, while it lives, on 127.0.0.1 under a path and with a token that only that child is told. The token stands
 * in a file (0600) in `folder`.
 */
export async function openCredentialsEndpoint(options: {
  readonly lane: string
  readonly lease: Lease
  readonly folder: string
  readonly clock: Clock
}): Promise<CredentialsEndpoint> {
  const { lane, lease, folder, clock } = options
  const [path, token] = [`/${randomAlphanumeric(40)}`, randomAlphanumeric(40)]
  const file = join(folder, `${lane}.token`)
  let host = ''
  const server = createServer(limits, (request, response) => {
    const [status, body] = answer(request)
    response.writeHead(status, { 'content-type': 'application/json', 'cache-control': 'no-store', connection: 'close' })
    response.end(JSON.stringify(body))
    request.resume()
  })
  const connections = new Set<Socket>()
  server.on('connection', (socket: Socket) => {
    const [oldest] = connections
    if (oldest !== undefined && connections.size >= mostConnections) {
      connections.delete(oldest)
      oldest.destroy()
    }
    connections.add(socket)
    socket.once('close', () => connections.delete(socket))
  })
  const answer = (request: IncomingMessage): [status: number, body: object] => {
    if (request.headers.host !== host || request.method !== 'GET' || request.url !== path)
      return refusal(404, 'NotFound', 'nothing stands here')
    if (!same(request.headers.authorization ?? '', token)) return refusal(401, 'AccessDenied', 'the authorization token is not this lane’s')
    // A machine that slept ends its leases some time after it woke.
    if (lease.signal.aborted || clock.now() >= lease.expiresAt) return refusal(403, 'ExpiredToken', 'the lease of this lane is over')
    const [AccessKeyId, SecretAccessKey, Token] = ['accessKeyId', 'secretAccessKey', 'sessionToken'].map((part) =>
      lease.secrets[part]?.reveal(),
    )
    const Expiration = new Date(Math.min(lease.expiresAt, clock.now() + declared)).toISOString()
    return [200, { AccessKeyId, SecretAccessKey, Token, Expiration }]
  }
  host = `127.0.0.1:${await listenOnLoopback(server)}`
  try {
    writeFileSync(file, token, { mode: 0o600, flag: 'wx' })
  } catch (error) {
    server.close()
    throw error
  }
  return {
    environment: { AWS_CONTAINER_CREDENTIALS_FULL_URI: `http://${host}${path}`, AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE: file },
    close() {
      server.close()
      server.closeAllConnections()
      discard(file)
    },
  }
}

function refusal(status: number, Code: string, Message: string): [status: number, body: object] {
  return [status, { Code, Message: `jit: ${Message}` }]
}
