import { digestOf, isJsonObject, type Json, type JsonObject } from '../core/json.ts'
import type { CompiledServer } from '../policy/types.ts'
import { fold } from './scan.ts'

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

/**
 * The answer to a list without what policy hides; the page may be empty, its cursor stays. Of several entries with one name
 * the first counts, since nobody knows which one a client would take. What is filtered for one agent must not be cached for
 * others, so a cache scope becomes private. The definition of each tool that is shown is reported as it passes. Nothing else
 * of the answer travels that a reader could take for the list.
 */
export function filterList(
  method: string,
  answer: JsonObject,
  server: CompiledServer,
  onTool: (name: string, definition: string) => void,
): JsonObject {
  const field = fields[method]
  const { jsonrpc = '2.0', id = null, result } = answer
  if (field === undefined || (!('result' in answer) && 'error' in answer)) return answer
  const page = isJsonObject(result) ? result : {}
  const items = Array.isArray(page[field]) ? page[field] : []
  const seen = new Set<string>()
  const shown = items.filter((item: Json) => {
    const name = isJsonObject(item) ? item[keys[field] ?? 'name'] : undefined
    if (!isJsonObject(item) || typeof name !== 'string' || seen.has(name) || !isVisible(server, field, name)) return false
    seen.add(name)
    if (field === 'tools') onTool(name, digestOf(item))
    return true
  })
  const rest = Object.fromEntries(Object.entries(page).filter(([key]) => fold(key) !== fold(field)))
  return { jsonrpc, id, result: { ...rest, [field]: shown, ...('cacheScope' in rest ? { cacheScope: 'private' } : {}) } }
}

/** Field of the result → what names an entry. */
const keys: Record<string, string> = { resources: 'uri', resourceTemplates: 'uriTemplate' }

function isVisible(server: CompiledServer, field: string, name: string): boolean {
  if (field === 'tools') return server.visible(name)
  return field === 'prompts' ? server.promptVisible(name) : server.resourceVisible(name)
}
