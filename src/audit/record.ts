import { createHash } from 'node:crypto'
import type { AuditEvent } from './event.ts'

const longestText = 8 * 1024

/** One line of the trail without its newline, and its hash: SHA-256 of the bytes before `,"hash":`. */
export function encodeRecord(event: AuditEvent, seq: number, time: string, prev: string): { line: string; hash: string } {
  const body = JSON.stringify({ seq, time, prev, ...event }, shorten)
  const open = body.slice(0, -1).replaceAll('\u2028', '\\u2028').replaceAll('\u2029', '\\u2029')
  const hash = createHash('sha256').update(open).digest('hex')
  return { line: `${open},"hash":"${hash}"}`, hash }
}

/** What a stranger wrote must not make a record huge. */
function shorten(_: string, value: unknown): unknown {
  if (typeof value !== 'string' || value.length <= longestText) return value
  return `${value.slice(0, longestText)}… (${value.length} characters)`
}
