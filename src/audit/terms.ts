import { isJsonObject } from '../core/json.ts'
import type { AuditRecord } from './event.ts'

/** What records can be asked for by exact value. */
export const termNames = ['call', 'lease', 'token', 'trace', 'session', 'server', 'tool', 'type', 'result'] as const
export type TermName = (typeof termNames)[number]

/** A record with more values than this (a client may name many ids) is found by every search of its block. */
const mostTerms = 64
/** Stands for all terms. */
export const anyTerm = 0

/**
 * The values under which a record is found by a name. The one place that says so: a search through the index and one
 * without it cannot differ.
 */
export function valuesOf(record: AuditRecord, name: TermName): readonly unknown[] {
  switch (name) {
    case 'session':
      return 'principal' in record && isJsonObject(record.principal) ? [record.principal.session] : []
    case 'lease':
      return 'lease' in record && isJsonObject(record.lease) ? [record.lease.id] : []
    case 'token':
      return 'lease' in record && isJsonObject(record.lease) ? [record.lease.token, record.lease.upstreamHash] : []
    case 'trace':
      return 'trace' in record && isJsonObject(record.trace) ? traceIds(record.trace) : []
    default:
      return [Reflect.get(record, name)]
  }
}

/** 32 bits for a name and a value. Two values may share them: what is found is looked at. */
export function termOf(name: TermName, value: string): number {
  // FNV-1a, by UTF-16 code unit.
  let term = 0x81_1c_9d_c5
  for (let index = 0; index < name.length; index += 1) term = Math.imul(term ^ name.charCodeAt(index), 0x01_00_01_93)
  term = Math.imul(term ^ 0xff_ff, 0x01_00_01_93)
  for (let index = 0; index < value.length; index += 1) term = Math.imul(term ^ value.charCodeAt(index), 0x01_00_01_93)
  return Math.max(anyTerm + 1, term >>> 0)
}

/** All terms of a record, or `anyTerm` alone. */
export function termsOf(record: AuditRecord): number[] {
  const terms: number[] = []
  for (const name of termNames) {
    for (const value of valuesOf(record, name)) {
      if (typeof value !== 'string') continue
      if (terms.length === mostTerms) return [anyTerm]
      terms.push(termOf(name, value))
    }
  }
  return terms
}

/** Those of a record's trace. */
export function traceTerms(trace: object): number[] {
  return traceIds(trace).flatMap((id) => (typeof id === 'string' ? [termOf('trace', id)] : []))
}

/** The ids themselves, and of a `traceparent` the trace that it names. */
function traceIds(trace: object): unknown[] {
  const { traceparent, ...others }: { traceparent?: unknown } = trace
  return typeof traceparent === 'string' ? [traceparent, traceparent.slice(3, 35), ...Object.values(others)] : Object.values(others)
}
