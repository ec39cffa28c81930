import {
  answerObject,
  answerText,
  JitError,
  type JsonObject,
  noAnswer,
  type ProviderHost,
  quote,
  redact,
  retryDelay,
  type Secret,
} from '../../src/provider/index.ts'
import { nameOf } from './endpoint.ts'

export interface Answer {
  readonly status: number
  readonly headers: Headers
  /** Undefined when it is no JSON object. */
  readonly body: JsonObject | undefined
}

export interface Form {
  readonly parameters: readonly (readonly [name: string, value: string])[]
  readonly headers: Readonly<Record<string, string>>
  /** What of it may not be repeated, whoever says it. */
  readonly secrets: readonly Secret[]
}

/** One request. Throws `provider.unavailable` when no answer came, or one that is too large. */
export async function send(host: ProviderHost, endpoint: string, form: Form | undefined, signal: AbortSignal): Promise<Answer> {
  const init: RequestInit =
    form === undefined
      ? { headers: { accept: 'application/json' } }
      : {
          method: 'POST',
          headers: { ...form.headers, accept: 'application/json', 'content-type': 'application/x-www-form-urlencoded' },
          body: encodeForm(form.parameters),
        }
  try {
    const response = await host.fetch(endpoint, { ...init, redirect: 'manual', signal })
    return { status: response.status, headers: response.headers, body: answerObject(await answerText(response)) }
  } catch (error) {
    throw noAnswer(`no proper answer from ${nameOf(endpoint)}`, error, form?.secrets)
  }
}

function encodeForm(parameters: Form['parameters']): string {
  const form = new URLSearchParams()
  for (const [name, value] of parameters) form.append(name, value)
  return form.toString()
}

/** Addresses that moved: nothing was done there. */
const moved = new Set([301, 302, 307, 308])

/** Codes of RFC 6749 §5.2, 8707 §2 and 9396 §5 that mean this request, and not the one who asks. */
const ofTheRequest = new Set([
  'invalid_scope',
  'invalid_target',
  'unauthorized_client',
  'access_denied',
  'invalid_authorization_details',
  'invalid_request',
  'unsupported_grant_type',
])

/** What an answer that is no success means. `sent`: what the request carried, and what may not be echoed. */
export function failureOf(answer: Answer, endpoint: string, host: ProviderHost, sent: readonly Secret[]): JitError {
  const { status, headers, body } = answer
  const code = typeof body?.['error'] === 'string' ? body['error'] : ''
  const said = quote(redact(`${code} ${typeof body?.['error_description'] === 'string' ? body['error_description'] : ''}`.trim(), sent))
  const where = nameOf(endpoint)
  if (status === 429 || status >= 500 || code === 'temporarily_unavailable' || code === 'server_error') {
    const retryAfter = retryDelay(headers.get('retry-after'), host.clock.now())
    return new JitError('provider.unavailable', `${where} answered ${status}: ${said}`, {
      details: { status, ...(retryAfter === undefined ? {} : { retryAfter }), ...(status === 429 ? { sent: false } : {}) },
    })
  }
  if (moved.has(status)) {
    return new JitError('provider.refused', `${where} answered ${status}: it sends requests elsewhere, and secrets follow nowhere`, {
      hint: `Correct the address of provider ${host.name} to the final one.`,
      details: { status },
    })
  }
  if (status < 400) return new JitError('provider.unavailable', `${where} answered ${status}`, { details: { status } })
  if (code === 'invalid_client' || code === 'invalid_grant' || (status === 401 && !ofTheRequest.has(code))) {
    return new JitError('provider.login', `${where} does not accept the identity of provider ${host.name}: ${said}`, {
      hint:
        code === 'invalid_grant'
          ? 'The subject token is over, or not for this client. Register it again with `jit login`.'
          : `Wrong client id, secret or key, another way of client authentication, or a clock that is off (here: ${new Date(host.clock.now()).toISOString()}, there: ${headers.get('date') ?? '?'}). Register it again with \`jit login\`.`,
      details: { status },
    })
  }
  return new JitError('provider.refused', `${where} answered ${status}: ${said}`, {
    hint: hints[code] ?? 'Check what the client may do there.',
    details: { status },
  })
}

const hints: Record<string, string> = {
  invalid_scope: 'The client may not have one of these scopes: change it at the server, or `scope` in the config.',
  invalid_target: 'The server does not know this resource or audience, or the client may not have tokens for it.',
  unauthorized_client: 'The client may not use this grant: allow it at the server, or change `grant` in the config.',
  invalid_authorization_details: 'The server does not know this type of authorization detail, or not these values.',
  invalid_request: 'In a token exchange this also means a subject or actor token that the server does not accept.',
  unsupported_grant_type: 'The server does not know this grant: change `grant` in the config.',
}
