import type { Config } from '../../config/schema.ts'
import { fold } from '../../core/fold.ts'
import { digestOf, isJsonObject, type Json, type JsonObject } from '../../core/json.ts'
import type { CompiledServer } from '../../policy/types.ts'

/** Lists that policy filters: method → the field of the result. */
const fields: Record<string, string> = {
  'tools/list': 'tools',
  'resources/list': 'resources',
  'resources/templates/list': 'resourceTemplates',
  'prompts/list': 'prompts',
}

export function isList(method: string): boolean {
  return method in fields
}

export interface ListOptions {
  /** How long policy grants anything, in milliseconds: no list is fresh for longer. */
  readonly ttl: number
  /** Whether a resource may be read that policy does not name: the page of a tool that is shown. */
  isPage(uri: string): boolean
  /** Each tool that is shown, as it passes, with the digest of its definition. */
  onTool(name: string, definition: string, tool: JsonObject): void
}

/**
 * The answer to a list without what policy hides; the page may be empty, its cursor stays. Of several entries with one name
 * the first counts, since nobody knows which one a client would take. What is filtered for one agent must not be cached for
 * others, so a cache scope becomes private, and no longer than what it shows is granted for. Nothing else of the answer travels
 * that a reader could take for the list.
 */
export function filterList(method: string, answer: JsonObject, server: CompiledServer, options: ListOptions): JsonObject {
  const field = fields[method]
  const { jsonrpc = '2.0', id = null, result } = answer
  if (field === undefined || (!('result' in answer) && 'error' in answer)) return answer
  const page = isJsonObject(result) ? result : {}
  const items = Array.isArray(page[field]) ? page[field] : []
  const seen = new Set<string>()
  const shown = items.filter((item: Json) => {
    const name = isJsonObject(item) ? item[keys[field] ?? 'name'] : undefined
    if (!isJsonObject(item) || typeof name !== 'string' || seen.has(name) || !isVisible(server, field, name, options)) return false
    seen.add(name)
    if (field === 'tools') options.onTool(name, digestOf(item), item)
    return true
  })
  const rest = Object.fromEntries(Object.entries(page).filter(([key]) => fold(key) !== fold(field)))
  return { jsonrpc, id, result: { ...rest, [field]: shown, ...caching(rest, options.ttl) } }
}

/** Field of the result → what names an entry. */
const keys: Record<string, string> = { resources: 'uri', resourceTemplates: 'uriTemplate' }

function isVisible(server: CompiledServer, field: string, name: string, { isPage }: ListOptions): boolean {
  if (field === 'tools') return server.visible(name)
  return field === 'prompts' ? server.promptVisible(name) : server.resourceVisible(name) || (field === 'resources' && isPage(name))
}

/** One of the two without the other would be taken with a default that nobody chose. */
function caching({ cacheScope, ttlMs }: JsonObject, ttl: number): JsonObject {
  const fresh = typeof ttlMs === 'number' ? { ttlMs: Math.max(0, Math.min(ttlMs, ttl)) } : {}
  return cacheScope === undefined && ttlMs === undefined ? {} : { ...fresh, cacheScope: 'private' }
}

/** Milliseconds: the shortest time that a call of the server is granted something for. */
export function shortestTtl({ servers, ttl }: Config, name: string): number {
  const server = servers[name]
  const rows = Object.values(server?.tools ?? {}).flatMap((row) => row)
  return Math.min(server?.ttl ?? ttl, ...rows.map((row) => row.ttl ?? Number.POSITIVE_INFINITY))
}
