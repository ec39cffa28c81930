import type { FastifyReply, FastifyRequest } from 'fastify'
import { z } from 'zod'
import type { routes } from '../../api/schema.ts'

type Handler = (request: FastifyRequest, reply: FastifyReply) => unknown
/** Handlers by the names of src/api/schema.ts. */
export type Routes = Partial<Record<keyof typeof routes, Handler>>

/** Who asked, as far as a unix socket tells: the account. */
export const byCommandLine = 'command line of this account'

export function nameIn(request: FastifyRequest, parameter = 'name'): string {
  return z.record(z.string(), z.string()).parse(request.params)[parameter] ?? ''
}
