import fastify, { type FastifyInstance } from 'fastify'
import { z } from 'zod'
import { routes } from '../api/schema.ts'
import { JitError, toJitError } from '../core/errors.ts'
import { malformed } from '../gateway/http/head.ts'
import { type ApiLimits, apiLimits, limitConnections, serverOptions } from './api-limits.ts'
import { auditRoutes } from './routes/audit.ts'
import { configRoutes } from './routes/config.ts'
import { controlRoutes } from './routes/control.ts'
import { doctorRoutes } from './routes/doctor.ts'
import { leaseRoutes } from './routes/leases.ts'
import { loginRoutes } from './routes/logins.ts'
import { proposalRoutes } from './routes/proposals.ts'
import { providerRoutes } from './routes/providers.ts'
import { serverRoutes } from './routes/servers.ts'
import { statusRoutes } from './routes/status.ts'
import { tokenRoutes } from './routes/tokens.ts'
import type { Routes } from './routes/route.ts'
import type { Daemon } from './types.ts'

const bodyLimit = 8 * 1024 * 1024
const hosts = new Set(['localhost', 'jit'])

/** What a route takes is zod's to check (src/api/schema.ts): the JSON Schema compilers are not loaded, half a megabyte each. */
const zodAlone = { compilersFactory: { buildValidator: noCompiler, buildSerializer: noCompiler } }

function noCompiler(): never {
  throw new JitError('internal', 'a route of the API has a JSON Schema')
}

/** The HTTP API on `api.sock`: each route of src/api/schema.ts, from the file that is named for it. */
export async function createApi(daemon: Daemon, limits: ApiLimits = apiLimits): Promise<FastifyInstance> {
  const app = fastify({ bodyLimit, forceCloseConnections: true, schemaController: zodAlone, ...serverOptions(limits) })
  limitConnections(app, limits)
  // A page in a browser cannot reach a unix socket; if something ever proxies one here, it is refused.
  app.addHook('onRequest', async (request, reply) => {
    const problem = malformed(request.raw)
    if (problem !== undefined) {
      // What stands behind it may be a request to one reader and a body to another.
      void reply.header('connection', 'close')
      throw problem
    }
    const { host = '', origin, referer } = request.headers
    if (origin !== undefined || referer !== undefined || !hosts.has(host.toLowerCase()))
      throw new JitError('policy.denied', 'this API answers jit’s own command line only')
  })
  app.setErrorHandler((error, _, reply) => {
    const failure = asJitError(error)
    if (failure.code === 'internal')
      daemon.log.error('request failed', {
        error: failure.message,
        stack: failure.cause instanceof Error ? (failure.cause.stack ?? '') : '',
      })
    void reply.status(failure.httpStatus).send(failure.toBody())
  })
  app.setNotFoundHandler((request, reply) => {
    const failure = new JitError('not-found', `there is no ${request.method} ${request.url.split('?')[0] ?? ''}`)
    void reply.status(failure.httpStatus).send(failure.toBody())
  })
  const handlers: Routes = {
    ...statusRoutes(daemon),
    ...controlRoutes(daemon),
    ...providerRoutes(daemon),
    ...loginRoutes(daemon),
    ...serverRoutes(daemon),
    ...leaseRoutes(daemon),
    ...tokenRoutes(daemon),
    ...auditRoutes(daemon),
    ...configRoutes(daemon),
    ...proposalRoutes(daemon),
    ...doctorRoutes(daemon),
  }
  for (const [name, [method, url]] of Object.entries(routes)) {
    const handler = handlers[name as keyof typeof routes]
    if (handler === undefined) throw new JitError('internal', `the route ${name} has no handler`)
    app.route({ method, url, handler: async (request, reply) => handler(request, reply) })
  }
  return app
}

function asJitError(error: unknown): JitError {
  if (error instanceof z.ZodError)
    return new JitError('usage', error.issues.map((issue) => `${issue.path.join('.')}: ${issue.message}`).join('; '))
  if (error instanceof Error && 'statusCode' in error && error.statusCode === 413)
    return new JitError('message.too-large', `the body is over ${bodyLimit} bytes`, { hint: 'No command sends that much.', cause: error })
  if (error instanceof Error && 'statusCode' in error && typeof error.statusCode === 'number' && error.statusCode < 500)
    return new JitError('usage', error.message, { cause: error })
  return toJitError(error)
}
