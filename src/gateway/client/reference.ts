import { isJsonObject, type JsonObject } from '../../core/json.ts'
import type { CompiledServer } from '../../policy/types.ts'
import { type Id, isStateless, type Message, unknownName } from '../protocol/jsonrpc.ts'

/** What jit itself would answer, or refuse for what it names, if 2026-07-28 still had it. */
const removed = new Set(['resources/subscribe', 'resources/unsubscribe', 'tasks/list', 'tasks/result'])

/**
 * Requests that make nothing happen by themselves but name what policy may hide: subscriptions and completions, and those that
 * the client's revision has no more. Answers the refusal, or undefined to let the request pass.
 */
export function refuseReference(
  { id, method, params }: Message & { readonly kind: 'request' },
  server: CompiledServer | undefined,
  revision: string,
): JsonObject | undefined {
  if (isStateless(revision) && removed.has(method)) return notFound(id)
  if (method === 'resources/subscribe' || method === 'resources/unsubscribe') return unlessResource(id, params['uri'], server, revision)
  if (method !== 'completion/complete') return undefined
  const reference = isJsonObject(params['ref']) ? params['ref'] : {}
  if (reference['type'] === 'ref/resource') return unlessResource(id, reference['uri'], server, revision)
  const { name } = { name: reference['name'] }
  return typeof name === 'string' && server?.promptVisible(name) === true ? undefined : unknownName(id, 'prompt', String(name), revision)
}

/** What 2026-07-28 has no more answers like what never was, whatever stands in it. */
function notFound(id: Id): JsonObject {
  return { jsonrpc: '2.0', id, error: { code: -32601, message: 'Method not found' } }
}

function unlessResource(id: Id, uri: unknown, server: CompiledServer | undefined, revision: string): JsonObject | undefined {
  return typeof uri === 'string' && server?.resourceVisible(uri) === true ? undefined : unknownName(id, 'resource', String(uri), revision)
}
