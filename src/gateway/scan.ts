import { quote } from '../core/errors.ts'

export interface ScanLimits {
  readonly depth: number
  readonly keys: number
}

const ascii = /^[ -~]*$/
const forbidden = new Set(['__proto__', 'constructor', 'prototype'])

/** Objects whose keys a reader without regard to case would confuse. */
const strict = new Set(['', 'params', 'params._meta', 'params.arguments', '[]', '[].params', '[].params._meta', '[].params.arguments'])

/**
 * What JSON.parse forgives and two readers read differently: duplicate keys at any level, case variants in the envelope, in
 * `params`, `_meta` and at the top of `arguments`, keys that reach a prototype, numbers that lose digits, and depth that would
 * block the process. Answers what it found, or undefined. One pass over the text.
 */
export function scanJson(text: string, limits: ScanLimits): string | undefined {
  const stack: { keys: Set<string> | undefined; folded: boolean; path: string }[] = []
  let keys = 0
  let key = ''
  let expectKey = false
  for (let index = 0; index < text.length; index += 1) {
    const code = text.charCodeAt(index)
    if (code === 0x22) {
      const start = index
      index = endOfString(text, start)
      const top = stack.at(-1)
      if (!expectKey || top?.keys === undefined) continue
      key = decodeKey(text.slice(start, index + 1))
      expectKey = false
      keys += 1
      if (keys > limits.keys) return `more than ${limits.keys} keys`
      if (forbidden.has(key)) return `the key ${quote(key)}`
      const compared = top.folded ? fold(key) : key
      if (top.keys.has(compared)) return `the key ${quote(key)} twice, or in two spellings`
      top.keys.add(compared)
    } else if (code === 0x7b || code === 0x5b) {
      if (stack.length >= limits.depth) return `more than ${limits.depth} levels`
      const parent = stack.at(-1)
      const path = pathOf(parent, key)
      const object = code === 0x7b
      stack.push({ keys: object ? new Set() : undefined, folded: object && strict.has(path), path })
      expectKey = object
    } else if (code === 0x7d || code === 0x5d) {
      stack.pop()
      expectKey = false
    } else if (code === 0x2c) expectKey = stack.at(-1)?.keys !== undefined
    else if (code === 0x2d || (code >= 0x30 && code <= 0x39)) {
      const start = index
      let exponent = false
      while (index + 1 < text.length && isNumberPart(text.charCodeAt(index + 1))) {
        index += 1
        exponent ||= (text.charCodeAt(index) | 0x20) === 0x65
      }
      if ((exponent || index - start > 14) && losesDigits(text.slice(start, index + 1))) {
        return `the number ${quote(text.slice(start, index + 1))}, which loses digits`
      }
    }
  }
  return undefined
}

function endOfString(text: string, start: number): number {
  let end = start
  do end = text.indexOf('"', end + 1)
  while (end !== -1 && escapedAt(text, end))
  return end === -1 ? text.length : end
}

/** Whether an odd number of backslashes stands before `index`. */
function escapedAt(text: string, index: number): boolean {
  let count = 0
  while (text.charCodeAt(index - 1 - count) === 0x5c) count += 1
  return count % 2 === 1
}

function pathOf(parent: { keys: Set<string> | undefined; path: string } | undefined, key: string): string {
  if (parent === undefined) return ''
  if (parent.keys === undefined) return `${parent.path}[]`
  return parent.path === '' ? key : `${parent.path}.${key}`
}

/** Go's JSON folds case by Unicode's simple folding, which maps U+017F to s and U+212A to k; NFKC covers full-width forms. */
export function fold(key: string): string {
  if (ascii.test(key)) return key.toLowerCase()
  return key.normalize('NFKC').replaceAll('\u017f', 's').replaceAll('\u212a', 'k').toLowerCase()
}

function isNumberPart(code: number): boolean {
  return (code >= 0x30 && code <= 0x39) || code === 0x2e || code === 0x65 || code === 0x45 || code === 0x2b || code === 0x2d
}

function losesDigits(text: string): boolean {
  const value = Number(text)
  if (Number.isInteger(value)) return !Number.isSafeInteger(value)
  return (
    !Number.isFinite(value) ||
    text
      .replace(/[eE].*$/, '')
      .replace(/[-.]/g, '')
      .replace(/^0+/, '').length > 17
  )
}

function decodeKey(json: string): string {
  if (!json.includes('\\')) return json.slice(1, -1)
  try {
    return String(JSON.parse(json))
  } catch {
    return json
  }
}
