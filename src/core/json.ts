import { hash } from 'node:crypto'

export type Json = null | boolean | number | string | readonly Json[] | JsonObject
export type JsonObject = { readonly [key: string]: Json }

export function isJsonObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** Canonical JSON: object keys sorted by UTF-16 code unit, no white space (RFC 8785 for the values that occur here). */
export function canonicalJson(value: Json): string {
  if (value === null || typeof value !== 'object') return JSON.stringify(value)
  if (isArray(value)) return `[${value.map(canonicalJson).join(',')}]`
  const keys = Object.keys(value).sort()
  return `{${keys.map((key) => `${JSON.stringify(key)}:${canonicalJson(value[key] ?? null)}`).join(',')}}`
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
