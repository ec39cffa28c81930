import { isAscii } from 'node:buffer'
import { isJsonObject, type JsonObject } from '../core/json.ts'
import { splitLines } from './lines.ts'
import { parseRecord, timeOf, timeTextAt } from './record.ts'
import { type TermName, termOf, termsOf, traceTerms } from './terms.ts'

/** What the index says of a block of lines. */
export interface BlockContents {
  readonly terms: ReadonlySet<number>
  /** Milliseconds since 1970; infinite where a line's time is none. */
  readonly oldest: number
  readonly newest: number
}

/**
 * The terms of all records in these lines, and perhaps others: what is found by them is looked at. Lines without escapes and beyond
 * ASCII, which nearly all are, are not parsed for that: to make the index is to cost less than to write the trail.
 */
export function readBlock(bytes: Buffer): BlockContents {
  return readPlain(bytes) ?? readClosely(bytes)
}

/** Line by line. */
export function readClosely(bytes: Buffer): BlockContents {
  const terms = new Set<number>()
  let [oldest, newest] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY]
  for (const line of splitLines(bytes)) {
    const record = parseRecord(line)
    if (record === undefined) continue
    const time = timeOf(line)
    oldest = Math.min(oldest, Number.isNaN(time) ? Number.NEGATIVE_INFINITY : time)
    newest = Math.max(newest, Number.isNaN(time) ? Number.POSITIVE_INFINITY : time)
    for (const term of termsOf(record)) terms.add(term)
  }
  return { terms, oldest, newest }
}

/** The members of a record by which it is found, wherever they stand in it; of others by the same name it is found in vain. */
const nameOf: Readonly<Record<string, TermName>> = {
  call: 'call',
  server: 'server',
  tool: 'tool',
  type: 'type',
  result: 'result',
  session: 'session',
  id: 'lease',
  token: 'token',
  upstreamHash: 'token',
}
const backslash = 0x5c
/** A block with more terms for its bytes has a record that names what it likes; there is a limit to what of one record is indexed. */
const leastBytes = 32
/** In JSON without escapes what stands between quotation marks, and before a colon, is a member's name. */
const members = new RegExp(`"(?:(${Object.keys(nameOf).join('|')})":"([^"]*)"|trace":\\{([^{}]*\\})?)`, 'g')

/** Undefined where these lines have to be looked at one by one. */
export function readPlain(bytes: Buffer): BlockContents | undefined {
  if (bytes.includes(backslash) || !isAscii(bytes)) return undefined
  const text = bytes.toString('latin1')
  const times = timesOf(text)
  const terms = times === undefined ? undefined : termsIn(text)
  if (times === undefined || terms === undefined || terms.size * leastBytes > bytes.length) return undefined
  return { terms, ...times }
}

function termsIn(text: string): Set<number> | undefined {
  const terms = new Set<number>()
  const last = new Map<string, string>()
  for (const [, key, value = '', trace] of text.matchAll(members)) {
    if (key === undefined) {
      const ids = trace === undefined ? undefined : parseTrace(trace)
      if (ids === undefined) return undefined
      for (const term of traceTerms(ids)) terms.add(term)
    } else if (last.get(key) !== value) {
      // Most of what a record says was said by the one before.
      last.set(key, value)
      const name = nameOf[key]
      if (name !== undefined) terms.add(termOf(name, value))
    }
  }
  return terms
}

/** Undefined where a brace in one of its values made a part of it, and where the line is no JSON. */
function parseTrace(rest: string): JsonObject | undefined {
  try {
    const trace: unknown = JSON.parse(`{${rest}`)
    return isJsonObject(trace) ? trace : undefined
  } catch {
    return undefined
  }
}

/** Undefined when a line does not begin as the log begins them. */
function timesOf(text: string): Pick<BlockContents, 'oldest' | 'newest'> | undefined {
  let [oldest, newest] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY]
  let last = ''
  for (let start = 0; start < text.length; start = endOfLine(text, start)) {
    const time = timeTextAt(text, start)
    if (time === undefined) return undefined
    if (time === last) continue
    last = time
    const milliseconds = Date.parse(time)
    if (Number.isNaN(milliseconds)) return undefined
    oldest = Math.min(oldest, milliseconds)
    newest = Math.max(newest, milliseconds)
  }
  return { oldest, newest }
}

function endOfLine(text: string, start: number): number {
  const end = text.indexOf('\n', start)
  return end === -1 ? text.length : end + 1
}
