import { isJsonObject } from '../core/json.ts'
import type { AuditRecord } from './event.ts'
import { linesBackward, linesForward } from './lines.ts'
import { parseRecord } from './record.ts'
import { segmentFile, readableSegments, type TrailPosition } from './segments.ts'

export interface AuditFilter {
  /** Milliseconds since 1970. */
  readonly since?: number | undefined
  readonly server?: string | undefined
  readonly tool?: string | undefined
  readonly call?: string | undefined
  readonly type?: string | undefined
  /** Session of the call's principal: records of no call are left out. */
  readonly session?: string | undefined
  /** How a call ended: other records are left out. */
  readonly result?: string | undefined
  /** Id of a trace, or of a conversation, turn or tool use, as the client gave it. */
  readonly trace?: string | undefined
  /** The newest so many. */
  readonly limit?: number | undefined
}

type Match = (line: Buffer) => AuditRecord | undefined

/** The wall clock may be set back; records are looked at this much further back than asked, in milliseconds. */
const clockSlack = 3_600_000
/** Lines between two turns that a long backward scan leaves to others. */
const patience = 2000

/**
 * Records up to `end` that match, oldest first; with `limit`, the newest so many. Streams: neither the trail nor the
 * result is held in memory. Lines that are no records are passed over: verify is where they are reported.
 */
export async function* readRecords(folder: string, filter: AuditFilter, end: TrailPosition): AsyncGenerator<AuditRecord> {
  const match = matcher(filter)
  const start = await findStart(folder, filter, match, end)
  yield* readBetween(folder, match, start, end)
}

/** Records between two positions that match. */
export async function* readBetween(folder: string, match: Match, start: TrailPosition, end: TrailPosition): AsyncGenerator<AuditRecord> {
  for (const segment of readableSegments(folder, end.segment)) {
    if (segment < start.segment || segment > end.segment) continue
    const from = segment === start.segment ? start.bytes : 0
    const to = segment === end.segment ? end.bytes : undefined
    for await (const lines of linesForward(segmentFile(folder, segment), from, to)) {
      for (const line of lines) {
        const record = match(line.bytes)
        if (record !== undefined) yield record
      }
    }
  }
}

/** The record of a line if the filter lets it through. */
export function matcher(filter: AuditFilter): Match {
  const { type, server, tool, call, session, result } = filter
  const wanted = Object.entries({ type, server, tool, call, session, result }).filter(([, value]) => value !== undefined)
  const marks = wanted.filter(([, value]) => /^[\w.:/-]*$/.test(value ?? '')).map(([name, value]) => Buffer.from(`"${name}":"${value}"`))
  const { trace } = filter
  if (trace !== undefined && /^[\w.:-]+$/.test(trace)) marks.push(Buffer.from(trace))
  return (line) => {
    // Far cheaper than parsing. Only names that JSON writes as they are can be looked for so.
    if (!marks.every((mark) => line.includes(mark))) return undefined
    const record = parseRecord(line)
    if (record === undefined) return undefined
    if (filter.since !== undefined && Date.parse(record.time) < filter.since) return undefined
    if (trace !== undefined && !isOfTrace(record, trace)) return undefined
    return wanted.every(([name, value]) => fieldOf(record, name) === value) ? record : undefined
  }
}

function fieldOf(record: AuditRecord, name: string): unknown {
  if (name !== 'session') return Reflect.get(record, name)
  return 'principal' in record ? record.principal.session : undefined
}

/** The id itself, or the trace that a `traceparent` names. */
function isOfTrace(record: AuditRecord, id: string): boolean {
  const { trace } = { trace: Reflect.get(record, 'trace') }
  return (
    isJsonObject(trace) && Object.entries(trace).some(([key, value]) => value === id || (key === 'traceparent' && traceIdOf(value) === id))
  )
}

function traceIdOf(traceparent: unknown): string {
  return typeof traceparent === 'string' ? traceparent.slice(3, 35) : ''
}

/** From the end backwards: where the last `limit` matches begin, or where records are older than `since`. */
async function findStart(folder: string, filter: AuditFilter, match: Match, end: TrailPosition): Promise<TrailPosition> {
  let start: TrailPosition = { segment: 0, bytes: 0 }
  if (filter.limit === undefined && filter.since === undefined) return start
  const tooOld = (filter.since ?? Number.NEGATIVE_INFINITY) - clockSlack
  let found = 0
  let seen = 0
  for (const segment of readableSegments(folder, end.segment).toReversed()) {
    if (segment > end.segment) continue
    for (const line of linesBackward(segmentFile(folder, segment), segment === end.segment ? end.bytes : undefined)) {
      if (filter.since !== undefined && timeOf(line.bytes) < tooOld) return { segment, bytes: line.start + line.bytes.length + 1 }
      if (filter.limit !== undefined && match(line.bytes) !== undefined) {
        found += 1
        start = { segment, bytes: line.start }
        if (found === filter.limit) return start
      }
      seen += 1
      if (seen % patience === 0) await new Promise((settle) => setImmediate(settle))
    }
  }
  return filter.limit === undefined ? { segment: 0, bytes: 0 } : found === 0 ? end : start
}

/** Milliseconds since 1970; NaN, which is older than nothing, for what is no record. */
function timeOf(line: Buffer): number {
  return Date.parse(/"time":"([^"]{0,40})"/.exec(line.toString('latin1', 0, 80))?.[1] ?? '')
}
