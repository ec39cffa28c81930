import { JitError, noAnswer, type ProviderHost, quote, type Secret } from '../../src/provider/index.ts'
import { nameOf } from './address.ts'
import { sdk } from './sdk.ts'

export interface Probe {
  readonly status: number
  /** Of a challenge with the scheme Bearer; a stranger's words. */
  readonly resourceMetadata: string | undefined
  readonly scope: string | undefined
  readonly error: string | undefined
}

/** Milliseconds for giving a session back that was opened by asking. */
const farewellTimeout = 2000

const revision = '2025-11-25'
const legacyList = {
  headers: { 'mcp-protocol-version': revision },
  body: JSON.stringify({ jsonrpc: '2.0', id: 2, method: 'tools/list' }),
}
/** For a server that knows no `initialize`. */
const modernList = {
  headers: { 'mcp-protocol-version': '2026-07-28', 'mcp-method': 'tools/list' },
  body: JSON.stringify({
    jsonrpc: '2.0',
    id: 2,
    method: 'tools/list',
    params: {
      _meta: {
        'io.modelcontextprotocol/protocolVersion': '2026-07-28',
        'io.modelcontextprotocol/clientCapabilities': {},
        'io.modelcontextprotocol/clientInfo': { name: 'jit', version: '1' },
      },
    },
  }),
}
const hello = JSON.stringify({
  jsonrpc: '2.0',
  id: 1,
  method: 'initialize',
  params: { protocolVersion: revision, capabilities: {}, clientInfo: { name: 'jit', version: '1' } },
})

/**
 * What the MCP server says to a first message, and where everybody may say that, to the next one; with or without a token. Only
 * status and challenge are read: an answer may be a stream without an end. A server of 2026-07-28 does not know the first
 * and is asked in its own way then.
 */
export async function probe(host: ProviderHost, server: string, token: Secret | undefined, signal: AbortSignal): Promise<Probe> {
  const headers = {
    ...(token === undefined ? {} : { authorization: `Bearer ${token.reveal()}` }),
    'content-type': 'application/json',
    accept: 'application/json, text/event-stream',
  }
  const first = await post(host, server, { headers, body: hello, signal })
  if (first.status === 401 || first.status === 403) return read(first)
  const isTaken = first.status >= 200 && first.status < 300
  const session = isTaken ? first.headers.get('mcp-session-id') : null
  const next = isTaken ? legacyList : modernList
  const within = { ...headers, ...next.headers, ...(session === null ? {} : { 'mcp-session-id': session }) }
  const second = await post(host, server, { headers: within, body: next.body, signal })
  if (session !== null) await farewell(host, server, within)
  return second.status === 401 || second.status === 403 || !isTaken ? read(second) : read(first)
}

async function post(
  host: ProviderHost,
  server: string,
  init: { readonly headers: Record<string, string>; readonly body: string; readonly signal: AbortSignal },
): Promise<Response> {
  let response: Response
  try {
    response = await host.fetch(server, { ...init, method: 'POST', redirect: 'manual' })
    await response.body?.cancel()
  } catch (error) {
    throw noAnswer(`no proper answer from ${nameOf(server)}`, error)
  }
  const { status } = response
  if (status >= 300 && status < 400)
    throw new JitError('provider.refused', `${nameOf(server)} answered ${status}: the server is elsewhere`, {
      hint: `Give the final address; it names ${quote(response.headers.get('location'))}.`,
      details: { status, sent: false },
    })
  if (status >= 500)
    throw new JitError('provider.unavailable', `${nameOf(server)} answered ${status}`, { details: { status, sent: false } })
  return response
}

function read({ status, headers }: Response): Probe {
  return { status, ...readChallenge(headers.get('www-authenticate') ?? undefined) }
}

/** Of the scheme Bearer. */
export function readChallenge(text = ''): Omit<Probe, 'status'> {
  // The platform's own Response, whichever class the broker's fetch answers with.
  const { resourceMetadataUrl, scope, error } = sdk().extractWWWAuthenticateParams(
    new Response(null, { headers: { 'www-authenticate': text } }),
  )
  return { resourceMetadata: resourceMetadataUrl?.href, scope, error }
}

async function farewell(host: ProviderHost, server: string, headers: Record<string, string>): Promise<void> {
  const signal = AbortSignal.timeout(farewellTimeout)
  await host
    .fetch(server, { method: 'DELETE', headers, redirect: 'manual', signal })
    .then((response) => response.body?.cancel())
    .catch(() => undefined)
}
