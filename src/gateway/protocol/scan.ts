import { quote } from '../../core/errors.ts'
import { fold } from '../../core/fold.ts'

export interface ScanLimits {
  readonly depth: number
  readonly keys: number
}

const forbidden = new Set(['__proto__', 'constructor', 'prototype'])

/** A place in a message: whether a reader without regard to case would confuse the keys of an object there, and what lies below. */
interface Place {
  readonly folded: boolean
  readonly below: ReadonlyMap<string, Place>
  readonly items: Place | undefined
}

const leaf: Place = { folded: true, below: new Map(), items: undefined }
const request: Place = {
  folded: true,
  below: new Map([
    [
      'params',
      {
        folded: true,
        below: new Map([
          ['_meta', leaf],
          ['arguments', leaf],
        ]),
        items: undefined,
      },
    ],
  ]),
  items: undefined,
}
/** A message is a request, or a batch of them. */
const message: Place = { ...request, items: request }

/** One object or array that is open. */
interface Level {
  readonly isObject: boolean
  /** Where its keys begin among those of all open objects. */
  readonly first: number
  /** They as a set, once there are many. */
  more: Set<string> | undefined
  /** Undefined where keys only count as they are. */
  readonly place: Place | undefined
}

const fewKeys = 16

/**
 * What JSON.parse forgives and two readers read differently: duplicate keys at any level, case variants in the envelope, in
 * `params`, `_meta` and at the top of `arguments`, keys that reach a prototype, numbers that lose digits, and depth that would
 * block the process. Answers what it found, or undefined. One pass over the text.
 */
export function scanJson(text: string, limits: ScanLimits): string | undefined {
  const stack: Level[] = []
  /** Keys of the open objects: each object's own stand at the end while it is the innermost. */
  const open: string[] = []
  let keys = 0
  let key = ''
  let expectKey = false
  for (let index = 0; index < text.length; index += 1) {
    const code = text.charCodeAt(index)
    if (code === 0x22) {
      const start = index
      index = endOfString(text, start)
      const top = stack.at(-1)
      if (!expectKey || top === undefined) continue
      key = decodeKey(text.slice(start + 1, index))
      expectKey = false
      keys += 1
      if (keys > limits.keys) return `more than ${limits.keys} keys`
      if (forbidden.has(key)) return `the key ${quote(key)}`
      if (isAmong(top, open, top.place?.folded === true ? fold(key) : key)) return `the key ${quote(key)} twice, or in two spellings`
    } else if (code === 0x7b || code === 0x5b) {
      if (stack.length >= limits.depth) return `more than ${limits.depth} levels`
      expectKey = code === 0x7b
      stack.push({ isObject: expectKey, first: open.length, more: undefined, place: placeBelow(stack.at(-1), key) })
    } else if (code === 0x7d || code === 0x5d) {
      open.length = stack.pop()?.first ?? 0
      expectKey = false
    } else if (code === 0x2c) expectKey = stack.at(-1)?.isObject === true
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

/** Remembers the innermost object's key; true when it was there. Looking through a few costs less than a set. */
function isAmong(level: Level, open: string[], key: string): boolean {
  if (level.more?.has(key) ?? open.includes(key, level.first)) return true
  open.push(key)
  if (level.more !== undefined) level.more.add(key)
  else if (open.length - level.first > fewKeys) level.more = new Set(open.slice(level.first))
  return false
}

/** Index of the quote that ends the string which begins at `start`. */
export function endOfString(text: string, start: number): number {
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

function placeBelow(parent: Level | undefined, key: string): Place | undefined {
  if (parent === undefined) return message
  return parent.isObject ? parent.place?.below.get(key) : parent.place?.items
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

/** `inner`: between the quotes. */
export function decodeKey(inner: string): string {
  if (!inner.includes('\\')) return inner
  try {
    return String(JSON.parse(`"${inner}"`))
  } catch {
    return inner
  }
}

/** The keys of the outermost object of a line that is JSON, decoded, in order; `end`: index behind the key's closing quote. */
export function* outermostKeys(line: string): Generator<{ readonly key: string; readonly end: number }> {
  let depth = 0
  let expectKey = false
  for (let index = 0; index < line.length; index += 1) {
    const code = line.charCodeAt(index)
    if (code === 0x22) {
      const start = index
      index = endOfString(line, start)
      if (!expectKey) continue
      expectKey = false
      yield { key: decodeKey(line.slice(start + 1, index)), end: index + 1 }
    } else if (code === 0x7b || code === 0x5b) {
      depth += 1
      expectKey = depth === 1
    } else if (code === 0x7d || code === 0x5d) depth -= 1
    else if (code === 0x2c) expectKey = depth === 1
  }
}
