import type { IncomingMessage } from 'node:http'
import { JitError, quote, toJitError } from '../../../core/errors.ts'

/** What a remote server's refusal is about. */
export interface Asked {
  readonly server: string
  readonly url: URL
  /** Provider of the credential that the request had; undefined when it had none. */
  readonly provider: string | undefined
  /** A governed call's own request, and not one of what happens around calls. */
  readonly governed: boolean
  /** What the server wrote, in a line, free of secrets. */
  readonly words: string
  /** Takes secrets out of what its headers say. */
  scrub(text: string): string
}

/** The error for a request that got an HTTP status instead of an answer. */
export function refusedWith(response: IncomingMessage, asked: Asked): JitError {
  const status = response.statusCode ?? 0
  if (status === 401 || status === 403) return unauthorized(response, status, asked)
  const { server, words } = asked
  const said = words === '' ? '' : `: ${quote(words, 300)}`
  if (status >= 300 && status < 400)
    return unavailable(`server ${server} sends elsewhere (${status}, to ${quote(placeOf(response, asked))}), and jit follows nobody`, {
      hint: `If that is where it lives now, write the new address under \`servers.${server}.url\`.`,
    })
  const wait = /^\d{1,6}$/.test(response.headers['retry-after'] ?? '') ? `; it asks to wait ${response.headers['retry-after']} s` : ''
  return unavailable(`server ${server} answered ${status}${said}${wait}`, {
    hint: status === 404 || status === 405 ? `Check \`servers.${server}.url\` and its \`transport\`.` : 'Try again later.',
  })
}

/** The same, with what the credential's provider knows of it, and what a person can do. */
export function explained({ server }: Asked, status: number, known: JitError): JitError {
  return new JitError('server.unauthorized', `server ${server} answered ${status}: ${known.message}`, { hint: known.hint, cause: known })
}

/** `WWW-Authenticate`, as one. */
export function challengeOf({ headers }: IncomingMessage): string {
  return [headers['www-authenticate'] ?? ''].flat().join(', ')
}

/** What became of a request without an answer. */
export function noAnswer(server: string, error: Error): JitError {
  if (error instanceof JitError) {
    const { code, message, hint, details } = error
    return code === 'egress.upstream' ? unavailable(`server ${server} is not reached: ${message}`, { hint, details, cause: error }) : error
  }
  const { message } = toJitError(error)
  return unavailable(`server ${server} is not reached: ${message}`, {
    hint: `Check \`servers.${server}.url\`, \`network\` and that it runs.`,
  })
}

export function unavailable(message: string, options: { hint?: string; cause?: unknown; details?: JitError['details'] } = {}): JitError {
  return new JitError('server.unavailable', message, options)
}

function unauthorized(response: IncomingMessage, status: number, { server, provider, governed, words, scrub }: Asked): JitError {
  const challenge = scrub(challengeOf(response))
  const error = /\berror="?([a-z_]{1,40})/.exec(challenge)?.[1]
  const wanted = /\bscope="([\x21-\x7e ]{1,300})"/.exec(challenge)?.[1]
  const said = words === '' ? '' : `: ${quote(words, 300)}`
  if (provider === undefined)
    return new JitError('server.unauthorized', `server ${server} answered ${status} to a request without a credential${said}`, {
      hint: governed
        ? `Name a \`provider\` of its under \`servers.${server}\`, or take \`credential: none\` away; \`jit login\` registers one.`
        : `Lists and the handshake have a credential only with \`startup: { scope: … }\` under \`servers.${server}\`; \`jit login\` registers a provider.`,
    })
  if (error === 'insufficient_scope' || (status === 403 && wanted !== undefined))
    return new JitError(
      'server.unauthorized',
      `server ${server} wants more scope (insufficient_scope${wanted === undefined ? '' : `: it names ${quote(wanted)}`}) than the credential of ${provider} has${said}`,
      { hint: `Widen the \`scope\` in \`servers.${server}\` if it is meant, or \`jit login\` with it.` },
    )
  if (status === 403)
    return new JitError('server.unauthorized', `server ${server} refused a request with a credential of ${provider} (403)${said}`, {
      hint: `Check what that credential may do there, and \`servers.${server}.url\`.`,
    })
  return new JitError('server.unauthorized', `server ${server} refused the credential of ${provider} (${status})${said}`, {
    hint: `Register it anew (\`jit login … ${provider} --replace\`), and check that it is meant for this server.`,
  })
}

/** Without its query, which may hold anything. A credential in it is not known for one any more where it has become a host in lower case. */
function placeOf(response: IncomingMessage, { url, scrub }: Asked): string {
  const location = response.headers.location ?? ''
  const shown = scrub(location)
  if (shown !== location || !URL.canParse(location, url.href)) return shown
  const { origin, pathname } = new URL(location, url)
  return scrub(`${origin}${pathname}`)
}
