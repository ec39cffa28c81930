import { JitError, quote } from '../../core/errors.ts'
import { otherSpelling } from '../../core/fold.ts'
import { isJsonObject, type JsonObject } from '../../core/json.ts'

/** What jit reads of a request of MCP, and what it reads within that. */
const read = ['name', 'arguments', 'uri', 'ref', 'notifications', 'taskId', 'task', 'requestState', 'inputResponses', 'cursor', '_meta']
const within = { ref: ['type', 'name', 'uri'], notifications: ['resourceSubscriptions', 'taskIds'] } as const

/** Refuses params of MCP's own in which some server reads what nobody looked at: Go's decoder takes `Arguments` for `arguments`. */
export function spellingOf(params: JsonObject): JitError | undefined {
  const inner = (['ref', 'notifications'] as const).flatMap((name) => {
    const value = params[name]
    return isJsonObject(value) ? (otherSpelling(value, within[name]) ?? []) : []
  })
  const key = otherSpelling(params, read) ?? inner[0]
  return key === undefined ? undefined : new JitError('message.ambiguous', `the message holds the key ${quote(key)}, in another spelling`)
}
