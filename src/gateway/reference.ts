import { isJsonObject, type JsonObject } from '../core/json.ts'
import type { CompiledServer } from '../policy/types.ts'
import { type Id, unknownName } from './jsonrpc.ts'

/**
 * Requests that make nothing happen by themselves but name what policy may hide: subscriptions and completions. Answers the
 * refusal, or undefined to let the request pass. Tasks carry no tool's name, so they do not pass until that is tracked.
 */
export function refuseReference(id: Id, method: string, params: JsonObject, server: CompiledServer | undefined): JsonObject | undefined {
  if (method.startsWith('tasks/')) return { jsonrpc: '2.0', id, error: { code: -32601, message: 'Method not found' } }
  if (method === 'resources/subscribe' || method === 'resources/unsubscribe') return unlessResource(id, params['uri'], server)
  if (method !== 'completion/complete') return undefined
  const reference = isJsonObject(params['ref']) ? params['ref'] : {}
  if (reference['type'] === 'ref/resource') return unlessResource(id, reference['uri'], server)
  const { name } = { name: reference['name'] }
  return typeof name === 'string' && server?.promptVisible(name) === true ? undefined : unknownName(id, 'prompt', String(name))
}

function unlessResource(id: Id, uri: unknown, server: CompiledServer | undefined): JsonObject | undefined {
  return typeof uri === 'string' && server?.resourceVisible(uri) === true ? undefined : unknownName(id, 'resource', String(uri))
}
