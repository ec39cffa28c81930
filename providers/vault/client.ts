import type { client as NodeVaultClient } from 'node-vault'
import { JitError, type JsonObject, noAnswer, type ProviderHost, quote, redact, type Secret } from '../../src/provider/index.ts'
import type { VaultConfig } from './config.ts'
import { isSegment } from './path.ts'

export interface VaultRequest {
  readonly method: 'GET' | 'POST' | 'DELETE'
  /** Segments below `/v1/`, each checked again here. */
  readonly path: readonly string[]
  readonly body?: JsonObject
  /** Of a GET. */
  readonly query?: Readonly<Record<string, string>>
  readonly token?: Secret
  /** Other secrets in the request: whatever the upstream or the network says, they are removed from it. */
  readonly hide?: readonly Secret[]
}

/** Any answer, whatever its status. */
export interface VaultAnswer {
  readonly status: number
  readonly body: unknown
  /** `errors` of the body, without the request's secrets. */
  readonly said: string
  /** Milliseconds that the upstream wants to be left alone. */
  readonly retryAfter?: number
}

/** One request; throws `provider.unavailable` only when there is no answer at all. */
export type VaultSend = (request: VaultRequest, signal: AbortSignal) => Promise<VaultAnswer>

interface TransportOptions {
  readonly uri: string
  readonly method: string
  readonly headers: Record<string, string>
  readonly json?: JsonObject
  readonly signal: AbortSignal
}

/**
 * node-vault over the broker's network, used by `read`, `write` and `delete` only: its named commands change the client's own
 * token, and drop fields they do not know. It is loaded at the first request, since most daemons never need it.
 */
export function createClient(config: VaultConfig, host: ProviderHost): VaultSend {
  let loading: Promise<NodeVaultClient> | undefined
  return async (request, signal) => {
    const path = joinSegments(request.path)
    const carried = [request.token, ...(request.hide ?? [])]
    try {
      loading ??= load(config, host)
      const answer = await ask(await loading, path, request, signal)
      return { ...answer, said: redact(saidBy(answer.body), carried) }
    } catch (error) {
      throw noAnswer(`Vault gave no proper answer to ${request.method} ${path}`, error, carried)
    }
  }
}

async function load({ address, namespace }: VaultConfig, host: ProviderHost): Promise<NodeVaultClient> {
  const { default: createVault } = await import('node-vault')
  const client = createVault({
    endpoint: new URL(address).origin,
    commands: {},
    // Its own debug log would print bodies.
    debug: () => undefined,
    'request-promise': { defaults: () => (options: TransportOptions) => transport(host.fetch, options) },
  })
  // What it read from the daemon's environment (VAULT_TOKEN, VAULT_NAMESPACE, VAULT_PREFIX) is somebody else's.
  Object.assign(client, { token: '', namespace: namespace ?? '', pathPrefix: '' })
  return client
}

async function ask(
  client: NodeVaultClient,
  path: string,
  { method, body, query, token }: VaultRequest,
  signal: AbortSignal,
): Promise<Omit<VaultAnswer, 'said'>> {
  const options = { headers: { 'X-Vault-Request': 'true', ...(token === undefined ? {} : { 'X-Vault-Token': token.reveal() }) }, signal }
  if (method === 'GET') return client.read(query === undefined ? path : `${path}?${new URLSearchParams(query).toString()}`, options)
  if (method === 'DELETE') return client.delete(path, options)
  return client.write(path, body ?? {}, options)
}

/** Says 200 to node-vault, which knows two statuses only, and hands the real one through. */
async function transport(fetch: ProviderHost['fetch'], options: TransportOptions): Promise<unknown> {
  const { uri, method, headers, json, signal } = options
  const response = await fetch(uri, {
    method,
    headers: { ...headers, ...(json === undefined ? {} : { 'content-type': 'application/json' }) },
    ...(json === undefined ? {} : { body: JSON.stringify(json) }),
    redirect: 'manual',
    signal,
  })
  const text = await response.text()
  const seconds = Number(response.headers.get('retry-after') ?? Number.NaN)
  const answer: Omit<VaultAnswer, 'said'> = {
    status: response.status,
    body: parseJson(text),
    ...(Number.isFinite(seconds) && seconds >= 0 ? { retryAfter: seconds * 1000 } : {}),
  }
  return { statusCode: 200, body: answer, request: { path: '' } }
}

function joinSegments(segments: readonly string[]): string {
  const wrong = segments.find((segment) => !isSegment(segment))
  if (wrong !== undefined || segments.length === 0) throw new JitError('provider.scope', `${quote(wrong)} is no part of a path in Vault`)
  return segments.join('/')
}

function saidBy(body: unknown): string {
  if (typeof body !== 'object' || body === null || !('errors' in body) || !Array.isArray(body.errors)) return ''
  return body.errors.map((error: unknown) => (typeof error === 'string' ? error : JSON.stringify(error))).join('; ')
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
