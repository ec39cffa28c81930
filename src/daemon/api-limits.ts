import type { FastifyInstance } from 'fastify'
import { JitError } from '../core/errors.ts'

/** Times in milliseconds. */
export interface ApiLimits {
  /** Connections at once. One more is told so; as many again, and they are closed without a word. */
  readonly connections: number
  /** From a connection, or the first byte of a further request, to the end of its head. */
  readonly head: number
  /** The same, to the end of its body. An answer may take longer. */
  readonly request: number
  /** Between two requests. */
  readonly idle: number
  /** How often they are looked at. */
  readonly check: number
}

export const apiLimits: ApiLimits = { connections: 256, head: 10_000, request: 30_000, idle: 10_000, check: 2000 }

export function serverOptions({ head, request, idle, check }: ApiLimits): {
  requestTimeout: number
  keepAliveTimeout: number
  http: { headersTimeout: number; connectionsCheckingInterval: number }
} {
  return { requestTimeout: request, keepAliveTimeout: idle, http: { headersTimeout: head, connectionsCheckingInterval: check } }
}

/** Requests on a connection too many are answered `daemon.busy`. */
export function limitConnections(app: FastifyInstance, { connections }: ApiLimits): void {
  let open = 0
  const tooMany = new WeakSet<object>()
  app.server.maxConnections = connections * 2
  app.server.prependListener('connection', (socket) => {
    if (open >= connections) return void tooMany.add(socket)
    open += 1
    socket.once('close', () => (open -= 1))
  })
  app.addHook('onRequest', async (request, reply) => {
    if (!tooMany.has(request.raw.socket)) return
    void reply.header('connection', 'close')
    throw new JitError('daemon.busy', `the daemon has ${connections} connections of commands, and takes no more`)
  })
}
