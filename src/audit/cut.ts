import { hash } from 'node:crypto'
import { isJsonObject } from '../core/json.ts'

/** Longest string in a record, in characters (UTF-16 code units). */
export const longestText = 8 * 1024
/** Longest record, in bytes. */
export const longestRecord = 256 * 1024
const longestKey = 256
/** Arguments are capped at the door already; this keeps a defect there from ending in a stack overflow here. */
const deepest = 128

/** A copy in which no string, key or nesting is beyond its cap; what was cut says so, with length and hash. */
export function cutTexts(value: unknown, depth = 0): unknown {
  if (typeof value === 'string') return cutText(value, longestText)
  if (typeof value === 'bigint') return String(value)
  if (typeof value !== 'object' || value === null) return value
  if (depth === deepest) return `[cut: nested deeper than ${deepest}]`
  if (Array.isArray(value)) return value.map((item) => cutTexts(item, depth + 1))
  if ('toJSON' in value && typeof value.toJSON === 'function') return cutTexts(value.toJSON(), depth + 1)
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [cutText(key, longestKey), cutTexts(item, depth + 1)]))
}

/**
 * A copy that is at most `limit` bytes when `encode`d: its largest fields are emptied, largest first, and `cut` names
 * each with its size and hash. Every field keeps its kind (text, list, object), so that readers can go on; of `detail`, which is all
 * that some records say, only its own largest fields are emptied.
 */
export function cutFields(value: unknown, limit: number, encode: (value: unknown) => string): unknown {
  if (!isJsonObject(value) || Buffer.byteLength(encode(value)) <= limit) return value
  const sizes = Object.entries(value)
    .map(([key, item]) => ({ key, item, text: encode(item) }))
    .toSorted((one, other) => other.text.length - one.text.length)
  const result: Record<string, unknown> = { ...value }
  const cut: string[] = []
  for (const { key, item, text } of sizes) {
    result[key] = key === 'detail' && hasFewFields(item) ? cutFields(item, limit / 2, encode) : emptied(item)
    cut.push(`${key}: ${Buffer.byteLength(text)} bytes, sha256 ${hash('sha256', text)}`)
    result['cut'] = cut
    if (Buffer.byteLength(encode(result)) <= limit) break
  }
  return result
}

function cutText(text: string, limit: number): string {
  if (text.length <= limit) return text
  return `${text.slice(0, limit)}… [cut: ${text.length} characters, sha256 ${hash('sha256', text)}]`
}

/** Each field that is emptied costs a look at the whole. */
function hasFewFields(value: unknown): boolean {
  return isJsonObject(value) && Object.keys(value).length <= 32
}

function emptied(value: unknown): unknown {
  if (Array.isArray(value)) return []
  return isJsonObject(value) ? {} : ''
}
