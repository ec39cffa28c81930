import { scalarJson } from '../core/json.ts'

/** Fields whose objects stand in many records: who calls, the rule that lets it, what for, and with which lease. */
const repeated = new Set(['principal', 'decision', 'scope', 'lease'])
/** Their JSON, by the object. Only what is frozen, with everything in it, can be remembered. */
const known = new WeakMap<object, string>()

/**
 * `JSON.stringify` of a flat object. A record is mostly names and digests, and what it holds of objects is mostly what the one
 * before held: so the serialiser is left out. Undefined for what it gives up on: nesting beyond the stack.
 */
export function fieldsJson(fields: object): string | undefined {
  let text = ''
  try {
    for (const key in fields) {
      const json = valueJson(key, Reflect.get(fields, key))
      if (json !== undefined) text += `${text === '' ? '{' : ','}"${key}":${json}`
    }
  } catch {
    return undefined
  }
  return text === '' ? '{}' : `${text}}`
}

function valueJson(key: string, value: unknown): string | undefined {
  if (typeof value === 'string' || typeof value === 'number') return scalarJson(value)
  if (typeof value !== 'object' || value === null || !repeated.has(key)) return JSON.stringify(value)
  const before = known.get(value)
  if (before !== undefined) return before
  const made = JSON.stringify(value)
  if (Object.isFrozen(value)) known.set(value, made)
  return made
}
