import { hash } from 'node:crypto'

export type Json = null | boolean | number | string | readonly Json[] | JsonObject
export type JsonObject = { readonly [key: string]: Json }

export function isJsonObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** Nothing in it that JSON escapes. */
const plainText = /^[ !#-[\]-~]*$/

/** `JSON.stringify` of a text or a number. Nearly all are plain and short, and for them the way into the serialiser costs the most. */
export function scalarJson(value: string | number): string {
  if (typeof value === 'number') return Number.isFinite(value) ? String(value) : 'null'
  return plainText.test(value) ? `"${value}"` : JSON.stringify(value)
}

/** Canonical JSON: object keys sorted by UTF-16 code unit, no white space (RFC 8785 for the values that occur here). */
export function canonicalJson(value: Json): string {
  if (typeof value === 'string' || typeof value === 'number') return scalarJson(value)
  if (value === null || typeof value !== 'object') return String(value)
  let text = ''
  if (isArray(value)) {
    for (const item of value) text += text === '' ? canonicalJson(item) : `,${canonicalJson(item)}`
    return `[${text}]`
  }
  for (const key of sorted(Object.keys(value))) {
    text += `${text === '' ? '' : ','}${scalarJson(key)}:${canonicalJson(value[key] ?? null)}`
  }
  return `{${text}}`
}

/** In place. Most keys come in order, or nearly: for them an insertion costs nothing, where a sort allocates. */
function sorted(keys: string[]): string[] {
  if (keys.length > 16) return keys.sort()
  for (let end = 1; end < keys.length; end += 1) {
    const key = keys[end] ?? ''
    let at = end
    for (let before = keys[at - 1]; before !== undefined && before > key; before = keys[at - 1]) {
      keys[at] = before
      at -= 1
    }
    keys[at] = key
  }
  return keys
}

/** Lower-case hex SHA-256 of the canonical form. */
export function digestOf(value: Json): string {
  return hash('sha256', canonicalJson(value), 'hex')
}

/** Freezes a JSON value and everything in it, and returns it. */
export function deepFreeze<T extends Json>(value: T): T {
  if (value !== null && typeof value === 'object' && !Object.isFrozen(value)) {
    Object.freeze(value)
    for (const child of isArray(value) ? value : Object.values(value)) deepFreeze(child)
  }
  return value
}

function isArray(value: Json): value is readonly Json[] {
  return Array.isArray(value)
}
