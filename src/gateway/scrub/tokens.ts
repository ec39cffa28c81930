import { decodeKey, endOfString } from '../protocol/scan.ts'

export type Kind = 'key' | 'text' | 'number'

/** A string or a number of a message, where it stands in its line: a string between its quotes. */
export interface Token {
  readonly from: number
  readonly to: number
  readonly kind: Kind
  /** The key itself, or the last one before the value: elements of an array share it. */
  readonly key: string
  /** Objects and arrays around it: 1 for the envelope's own. */
  readonly depth: number
}

export type Visit = (from: number, to: number, kind: Kind, key: string, depth: number) => void

/**
 * Each string and number in the order of the line, which is JSON. It looks at the line and not at what it was parsed to: of a key
 * that stands there twice, the client may take either.
 */
export function eachToken(line: string, visit: Visit): void {
  let key = ''
  let depth = 0
  for (let index = 0; index < line.length; index += 1) {
    const code = line.charCodeAt(index)
    if (code === 0x22) {
      const end = endOfString(line, index)
      const isKey = isColonAt(line, end + 1)
      if (isKey) key = decodeKey(line.slice(index + 1, end))
      visit(index + 1, end, isKey ? 'key' : 'text', key, depth)
      index = end
    } else if (code === 0x7b || code === 0x5b) depth += 1
    else if (code === 0x7d || code === 0x5d) depth -= 1
    else if (code === 0x2d || (code >= 0x30 && code <= 0x39)) {
      const start = index
      while (isNumberPart(line.charCodeAt(index + 1))) index += 1
      visit(start, index + 1, 'number', key, depth)
    }
  }
}

/** What a token says. */
export function textOf(line: string, from: number, to: number): string {
  const raw = line.slice(from, to)
  return raw.includes('\\') ? decodeKey(raw) : raw
}

function isColonAt(line: string, start: number): boolean {
  let index = start
  while (isSpace(line.charCodeAt(index))) index += 1
  return line.charCodeAt(index) === 0x3a
}

function isSpace(code: number): boolean {
  return code === 0x20 || code === 0x09 || code === 0x0a || code === 0x0d
}

/** Of no character, which is NaN: false. */
function isNumberPart(code: number): boolean {
  return (code >= 0x30 && code <= 0x39) || code === 0x2e || code === 0x65 || code === 0x45 || code === 0x2b || code === 0x2d
}
