import { JitError } from '../../core/errors.ts'

/** A credential is spread over a message of which it cannot be taken out. */
export function spread(what: string): JitError {
  return new JitError('message.credential', `a message of the server holds ${what}: it was not passed on`)
}
