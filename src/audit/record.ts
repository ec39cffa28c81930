import { hash as digest } from 'node:crypto'
import type { AuditEvent } from './event.ts'

const longestText = 8 * 1024
/** Line ends for some readers, though not for JSON. */
const separators = /[\u2028\u2029]/

/** One line of the trail without its newline, and its hash: SHA-256 of the bytes before `,"hash":`. */
export function encodeRecord(event: AuditEvent, seq: number, time: string, prev: string): { line: string; hash: string } {
  const fields = { seq, time, prev, ...event }
  let body = JSON.stringify(fields)
  if (body.length > longestText) body = JSON.stringify(fields, shorten)
  let open = body.slice(0, -1)
  if (separators.test(open)) open = open.replaceAll('\u2028', '\\u2028').replaceAll('\u2029', '\\u2029')
  const hash = digest('sha256', open, 'hex')
  return { line: `${open},"hash":"${hash}"}`, hash }
}

/** What a stranger wrote must not make a record huge. */
function shorten(_: string, value: unknown): unknown {
  if (typeof value !== 'string' || value.length <= longestText) return value
  return `${value.slice(0, longestText)}… (${value.length} characters)`
}
