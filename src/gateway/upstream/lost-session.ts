import { JitError } from '../../core/errors.ts'

const untaken = 'untaken'

/** For a request that its server turned away unread, since it does not know the session any more. */
export function sessionLost(server: string): JitError {
  return new JitError('server.unavailable', `server ${server} does not know the session any more`, {
    hint: 'It may have been restarted: call again.',
    details: { [untaken]: true },
  })
}

/** Asks, and once more in a new session where the server had forgotten the one before: nothing had happened there. */
export async function inSession<T>(ask: () => Promise<T>): Promise<T> {
  try {
    return await ask()
  } catch (error) {
    if (isSessionLost(error)) return ask()
    throw error
  }
}

export function isSessionLost(error: unknown): boolean {
  return error instanceof JitError && error.details[untaken] === true
}
