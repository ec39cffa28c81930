import { isJsonObject } from '../../core/json.ts'

const kinds = ['tools', 'resources', 'prompts'] as const

/**
 * The notifications that a client has to expect by what the server answered to `initialize`: those of lists with `listChanged`. To a
 * client that was told of no changes none is sent.
 */
export function changingLists(result: unknown): string[] {
  const capabilities = isJsonObject(result) ? result['capabilities'] : undefined
  if (!isJsonObject(capabilities)) return []
  return kinds
    .filter((kind) => {
      const of = capabilities[kind]
      return isJsonObject(of) && of['listChanged'] === true
    })
    .map((kind) => JSON.stringify({ jsonrpc: '2.0', method: `notifications/${kind}/list_changed` }))
}
