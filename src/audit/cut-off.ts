import type { AuditRecord, CallFields } from './event.ts'
import type { AuditFilter } from './query.ts'

/**
 * A call that a daemon began and did not live to end: the trail has its intent and no closing record. No record itself: it is
 * concluded from the trail whenever that is read, so nothing has to be looked for, or written, when a daemon starts.
 */
export type CutOffCall = CallFields & { readonly type: 'call.cut-off'; readonly seq: number; readonly time: string }

type Query = (filter: AuditFilter) => AsyncIterable<AuditRecord>

/**
 * The records that match, and behind the last one of a daemon each call of theirs that it did not live to end. Whether a daemon
 * followed is looked up apart from the filter, which its start may not match; and so is the end of a call that ran beyond `until`.
 */
export function withCutOff(query: Query, filter: AuditFilter): AsyncGenerator<AuditRecord | CutOffCall> {
  // At once: who follows goes on from the moment of this call.
  return joined(query, filter, query(filter))
}

async function* joined(query: Query, filter: AuditFilter, records: AsyncIterable<AuditRecord>): AsyncGenerator<AuditRecord | CutOffCall> {
  const starts = await startsOf(query, filter)
  const open = new Map<string, AuditRecord & CallFields>()
  let next = 0
  for await (const record of records) {
    for (; (starts[next] ?? Number.POSITIVE_INFINITY) <= record.seq; next += 1) yield* cutOff(open)
    yield record
    if (record.type === 'call.intent') open.set(record.call, record)
    if (record.type === 'call.close') open.delete(record.call)
  }
  const last = starts.at(-1) ?? 0
  for (const [call, { seq }] of open) if (seq > last || (filter.until !== undefined && (await isClosed(query, call)))) open.delete(call)
  yield* cutOff(open)
}

/** Where daemons started, ascending; in the time asked for and after it. */
async function startsOf(query: Query, { since, scan }: AuditFilter): Promise<number[]> {
  const starts: number[] = []
  for await (const { seq } of query({ type: 'daemon.started', since, scan })) starts.push(seq)
  return starts
}

function* cutOff(open: Map<string, AuditRecord & CallFields>): Generator<CutOffCall> {
  for (const { prev: _prev, hash: _hash, ...intent } of open.values()) yield { ...intent, type: 'call.cut-off' }
  open.clear()
}

async function isClosed(query: Query, call: string): Promise<boolean> {
  for await (const _close of query({ type: 'call.close', call, limit: 1 })) return true
  return false
}
