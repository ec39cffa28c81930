import type { FetchLike } from '@modelcontextprotocol/sdk/shared/transport.js'
import { z } from 'zod'
import {
  answerObject,
  answerText,
  isDeep,
  JitError,
  noAnswer,
  type ProviderHost,
  quote,
  redact,
  retryDelay,
  type Secret,
} from '../../src/provider/index.ts'
import { checkAddress, nameOf } from './address.ts'

export interface Ask {
  readonly host: ProviderHost
  /** Of the MCP server, as configured: what it says decides which addresses others may name. */
  readonly server: string
  readonly signal: AbortSignal
  /** What requests carry, and no message may repeat. */
  readonly carried?: readonly Secret[]
}

/**
 * The fetch that the SDK's OAuth functions are given. It reads answers to their end within bounds, and turns every failure into a
 * JitError: of a TypeError the SDK would think that a browser's rules had stopped it, and ask again without headers. Redirects
 * are the SDK's to follow, within one origin, and come through here again; where something is posted, none is followed.
 */
export function guardedFetch({ host, server, signal, carried = [] }: Ask): FetchLike {
  return async (input, init = {}) => {
    const url = checkAddress(String(input), 'what is asked next', server)
    const { method = 'GET' } = init
    const answer = await send(host, url, { ...init, method }, signal)
    const { status, headers } = answer
    if (status === 429 || status >= 500 || (method !== 'GET' && (status < 200 || status >= 300)))
      throw failureOf(answer, { url: url.href, host, server, carried })
    if (status >= 200 && status < 300 && isDeep(answer.text))
      throw new JitError('provider.unavailable', `${nameOf(url.href)} answers no proper JSON`)
    const type = headers.get('content-type')
    const location = headers.get('location')
    return new Response(status === 204 || status === 304 ? null : answer.text, {
      status,
      headers: { ...(type === null ? {} : { 'content-type': type }), ...(location === null ? {} : { location }) },
    })
  }
}

export interface Answer {
  readonly status: number
  readonly headers: Headers
  readonly text: string
}

/** One request, whatever its status. Throws `provider.unavailable` when no answer came, or one that is too large. */
export async function send(host: ProviderHost, url: URL, init: RequestInit, signal: AbortSignal): Promise<Answer> {
  try {
    const response = await host.fetch(url.href, {
      method: init.method ?? 'GET',
      headers: Object.fromEntries(new Headers(init.headers)),
      ...(init.body === undefined || init.body === null ? {} : { body: bodyText(init.body) }),
      redirect: 'manual',
      signal,
    })
    return { status: response.status, headers: response.headers, text: await answerText(response) }
  } catch (error) {
    throw noAnswer(`no proper answer from ${nameOf(url.href)}`, error)
  }
}

function bodyText(body: unknown): string {
  if (typeof body === 'string') return body
  if (body instanceof URLSearchParams) return body.toString()
  throw new JitError('internal', 'a request of the OAuth client has a body that is no text')
}

const oauthError = z.object({ error: z.string(), error_description: z.string().optional() })

interface Asked {
  readonly url: string
  readonly host: ProviderHost
  readonly server: string
  readonly carried: readonly Secret[]
}

/** What an answer that is no success means. */
export function failureOf({ status, headers, text }: Answer, { url, host, server, carried }: Asked): JitError {
  const said = oauthError.safeParse(answerObject(text)).data
  const code = said?.error ?? ''
  const words = said === undefined ? '' : `: ${quote(redact(`${code} ${said.error_description ?? ''}`.trim(), carried))}`
  const where = `${nameOf(url)} answered ${status}${words}`
  const again = `Log in again: \`jit login mcp ${server} ${host.name} --replace\`.`
  if (status === 429 || status >= 500 || code === 'temporarily_unavailable' || code === 'server_error') {
    const retryAfter = retryDelay(headers.get('retry-after'), host.clock.now())
    return new JitError('provider.unavailable', where, {
      details: { status, ...(retryAfter === undefined ? {} : { retryAfter }), ...(status === 429 ? { sent: false } : {}) },
    })
  }
  if (status >= 300 && status < 400)
    return new JitError('provider.refused', `${where}: it sends requests elsewhere, and secrets follow nowhere`, { details: { status } })
  if (code === 'invalid_grant' || code === 'invalid_client' || (status === 401 && hints[code] === undefined))
    return new JitError('provider.login', `the login of provider ${host.name} is over: ${where}`, { hint: again, details: { status } })
  if (status < 300) return new JitError('provider.unavailable', where, { details: { status } })
  return new JitError('provider.refused', where, { hint: hints[code] ?? again, details: { status } })
}

const hints: Readonly<Record<string, string>> = {
  invalid_scope: 'The login has not one of these scopes: change `scope`, or log in again with `--scopes`.',
  invalid_target: 'The authorization server does not know this MCP server: is its address the one that its documentation names?',
  invalid_client_metadata: 'It does not register clients like this one: register one by hand, and give its `--client-id`.',
  invalid_redirect_uri: 'It wants a registered address of return: give `--redirect-port`, and register http://127.0.0.1:PORT/callback.',
  unauthorized_client: 'This client may not log in like this: register another, and give its `--client-id`.',
}
