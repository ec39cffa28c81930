import type { ProviderHost } from '../../src/provider/index.ts'
import type { AwsRequest } from './sign.ts'

interface AwsResponse {
  statusCode: number
  headers: Record<string, string>
  body: Uint8Array
}

/** What the AWS SDK sends requests with. */
export interface RequestHandler {
  handle(request: AwsRequest, options?: { abortSignal?: unknown }): Promise<{ response: AwsResponse }>
  updateHttpClientConfig(): void
  httpHandlerConfigs(): Record<string, never>
}

/** Sends the SDK's requests by the host's `fetch`, so that the config's `network` rules hold for them. */
export function fetchHandler(fetch: ProviderHost['fetch']): RequestHandler {
  return {
    async handle(request, { abortSignal } = {}) {
      const signal = abortSignal instanceof AbortSignal ? abortSignal : null
      const response = await send(fetch, request, signal)
      return { response: { statusCode: response.status, headers: Object.fromEntries(response.headers), body: await bytes(response) } }
    },
    updateHttpClientConfig: () => undefined,
    httpHandlerConfigs: () => ({}),
  }
}

/** One request of the SDK's form. `host` and `content-length` are what the connection says they are. */
export async function send(fetch: ProviderHost['fetch'], request: AwsRequest, signal: AbortSignal | null): Promise<Response> {
  const { protocol, hostname, port, path, query = {}, method, body } = request
  const url = new URL(`${protocol}//${hostname}${port === undefined ? '' : `:${port}`}${path}`)
  for (const [name, value] of Object.entries(query)) {
    for (const one of Array.isArray(value) ? value : [value]) url.searchParams.append(name, one ?? '')
  }
  const headers = Object.entries(request.headers).filter(([name]) => !/^(host|content-length)$/i.test(name))
  return fetch(url, { method, headers, signal, redirect: 'manual', ...(body === undefined ? {} : { body: bodyOf(body) }) })
}

async function bytes(response: Response): Promise<Uint8Array> {
  return new Uint8Array(await response.arrayBuffer())
}

/** The query protocol's bodies are texts. */
function bodyOf(body: unknown): string | Uint8Array<ArrayBuffer> {
  if (typeof body === 'string') return body
  if (body instanceof Uint8Array) return new Uint8Array(body)
  throw new TypeError('a body that is no text')
}
