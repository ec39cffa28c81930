import { digestOf, isJsonObject, type Json, type JsonObject } from '../core/json.ts'
import type { CompiledServer } from '../policy/types.ts'

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
 * The answer to a list without what policy hides; the page may be empty, its cursor stays. What is filtered for one agent must
 * not be cached for others, so a cache scope becomes private. Each tool's definition is reported as it passes.
 */
export function filterList(
  method: string,
  answer: JsonObject,
  server: CompiledServer,
  onTool: (name: string, definition: string) => void,
): JsonObject {
  const field = fields[method]
  const { result } = answer
  if (field === undefined || !isJsonObject(result) || !Array.isArray(result[field])) return answer
  const items: readonly Json[] = result[field]
  const shown = items.filter((item) => {
    if (!isJsonObject(item)) return false
    if (field === 'tools' && typeof item['name'] === 'string') {
      onTool(item['name'], digestOf(item))
      return server.visible(item['name'])
    }
    if (field === 'prompts') return typeof item['name'] === 'string' && server.promptVisible(item['name'])
    const uri = item[field === 'resources' ? 'uri' : 'uriTemplate']
    return typeof uri === 'string' && server.resourceVisible(uri)
  })
  return { ...answer, result: { ...result, [field]: shown, ...('cacheScope' in result ? { cacheScope: 'private' } : {}) } }
}
