import type { ServerResponse } from 'node:http'
import { type ErrorBody, JitError, toJitError } from '../../core/errors.ts'
import { checkRegistration, register, type Registered } from '../registration.ts'
import type { Daemon } from '../types.ts'
import { viewProviders } from './providers.ts'
import type { Routes } from './route.ts'

/** As `loginEvent` of src/api/schema.ts. */
type Event =
  | { readonly open: string; readonly notes: readonly string[] }
  | { readonly registered: Registered }
  | { readonly error: ErrorBody['error'] }

export function loginRoutes(daemon: Daemon): Routes {
  return {
    login: (request, reply) => {
      const checked = checkRegistration(daemon, request.body)
      // From here on the answer is ours: events as they come, and its end is the end of the login.
      reply.hijack()
      const gone = new AbortController()
      reply.raw.once('close', () => gone.abort(new JitError('cancelled', 'the login was given up')))
      reply.raw.writeHead(200, { 'content-type': 'application/x-ndjson' }).flushHeaders()
      const say = (event: Event): void => tell(reply.raw, event)
      register(daemon, checked, () => viewProviders(daemon), {
        show: (open, notes) => say({ open, notes }),
        signal: gone.signal,
      })
        .then((registered) => say({ registered }))
        .catch((error: unknown) => say(toJitError(error).toBody()))
        .finally(() => reply.raw.end())
      return reply
    },
  }
}

function tell(answer: ServerResponse, event: Event): void {
  if (!answer.destroyed) answer.write(`${JSON.stringify(event)}\n`)
}
