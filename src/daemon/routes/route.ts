import type { FastifyReply, FastifyRequest } from 'fastify'
import { z } from 'zod'
import type { routes } from '../../api/schema.ts'
import { JitError } from '../../core/errors.ts'

type Handler = (request: FastifyRequest, reply: FastifyReply) => unknown
/** Handlers by the names of src/api/schema.ts. */
export type Routes = Partial<Record<keyof typeof routes, Handler>>

/** Who asked, as far as a unix socket tells: the account. */
export const byCommandLine = 'command line of this account'

/** Throws `cancelled` once who asked is gone: after long work, before anything is changed in their name. */
export function refuseGone(reply: FastifyReply): void {
  if (reply.raw.destroyed)
    throw new JitError('cancelled', 'the command was ended before its work was done', { hint: 'Nothing was changed.' })
}

export function nameIn(request: FastifyRequest, parameter = 'name'): string {
  return z.record(z.string(), z.string()).parse(request.params)[parameter] ?? ''
}
