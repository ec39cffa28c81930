import { JitError, type ProviderHost, type Secret } from '../../src/provider/index.ts'
import { checkAddress, nameOf } from './address.ts'
import { type Client, proveClient } from './client.ts'
import type { Discovery } from './discovery.ts'
import { failureOf, send } from './fetch.ts'
import { probe } from './probe.ts'

export interface Ending {
  readonly host: ProviderHost
  readonly server: string
  readonly signal: AbortSignal
  readonly where: Discovery
  readonly client: Client
}

/** `done`: the server took it; `unsupported`: it has nothing to end such a token with. */
export type Ended = 'done' | 'unsupported'

/** RFC 7009. A token that the server does not know is dead, and no error. The SDK has no such request. */
export async function revokeToken(ending: Ending, token: Secret, hint: 'access_token' | 'refresh_token'): Promise<Ended> {
  const { host, server, signal, where, client } = ending
  if (where.revocation === undefined) return 'unsupported'
  const url = checkAddress(where.revocation, 'revocation_endpoint', server)
  const headers = new Headers({ 'content-type': 'application/x-www-form-urlencoded', accept: 'application/json' })
  const form = new URLSearchParams({ token: token.reveal(), token_type_hint: hint })
  proveClient(client, where.metadata, headers, form)
  const answer = await send(host, url, { method: 'POST', headers, body: form.toString() }, signal)
  if (answer.status >= 200 && answer.status < 300) return 'done'
  if (/"unsupported_token_type"/.test(answer.text)) return 'unsupported'
  const failure = failureOf(answer, {
    url: url.href,
    host,
    server,
    carried: [token, ...(client.secret === undefined ? [] : [client.secret])],
  })
  throw new JitError(failure.code, `${nameOf(url.href)} did not end a token: ${failure.message}`, {
    hint: failure.hint,
    details: { ...failure.details, sent: true },
  })
}

/** Whether the MCP server itself turns the token away; undefined when it cannot be asked. */
export async function isDead({ host, server, signal }: Ending, token: Secret): Promise<boolean | undefined> {
  const { status } = await probe(host, server, token, signal).catch(() => ({ status: 0 }))
  if (status === 401) return true
  return status >= 200 && status < 300 ? false : undefined
}
