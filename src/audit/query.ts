import type { AuditRecord } from './event.ts'
import { batchesBackward, linesForward } from './lines.ts'
import { parseRecord, timeOf } from './record.ts'
import { type BlockFilter, type Range, rangesOf, type SegmentIndex } from './segment-index.ts'
import { segmentFile, readableSegments, type TrailPosition } from './segments.ts'
import { type TermName, termNames, termOf, valuesOf } from './terms.ts'

export interface AuditFilter {
  /** Milliseconds since 1970. */
  readonly since?: number | undefined
  /** The same; records of that very moment count. */
  readonly until?: number | undefined
  readonly server?: string | undefined
  readonly tool?: string | undefined
  readonly call?: string | undefined
  /** Id of a lease. */
  readonly lease?: string | undefined
  /** Fingerprint of a lease's token, or the upstream's own hash of it. */
  readonly token?: string | undefined
  readonly type?: string | undefined
  /** Session of the call's principal: records of no call are left out. */
  readonly session?: string | undefined
  /** How a call ended: other records are left out. */
  readonly result?: string | undefined
  /** Id of a trace, or of a conversation, turn or tool use, as the client gave it. */
  readonly trace?: string | undefined
  /** The newest so many. */
  readonly limit?: number | undefined
  /** Every record is looked at: no index is asked. */
  readonly scan?: boolean | undefined
}

/** Where a search may ask what a closed segment holds; undefined: it has to read all of it. */
export type FindIndex = (segment: number) => SegmentIndex | undefined

interface Match {
  (line: Buffer): AuditRecord | undefined
  /** Bytes that each line holds which is let through; undefined when there are no such. */
  readonly probe: Buffer | undefined
}

interface Part {
  readonly segment: number
  readonly ranges: readonly Range[]
}

/** Where there is no index, the wall clock may have been set back by this much, in milliseconds, and a search by `since` is still right. */
const clockSlack = 3_600_000
/** A value of so many bytes is rare enough to be looked for by itself, which is faster than with its name before it. */
const rareValue = 12

/**
 * Records up to `end` that match, oldest first; with `limit`, the newest so many. Streams: neither the trail nor the
 * result is held in memory. Lines that are no records are passed over: verify is where they are reported.
 */
export async function* readRecords(folder: string, filter: AuditFilter, end: TrailPosition, find: FindIndex): AsyncGenerator<AuditRecord> {
  const match = matcher(filter)
  for (const { segment, ranges } of await plan(folder, filter, match, end, find)) {
    for (const range of ranges) yield* readRange(segmentFile(folder, segment), match, range)
  }
}

/** Records between two positions that match. */
export async function* readBetween(folder: string, match: Match, start: TrailPosition, end: TrailPosition): AsyncGenerator<AuditRecord> {
  for (const segment of readableSegments(folder, end.segment)) {
    if (segment < start.segment || segment > end.segment) continue
    const from = segment === start.segment ? start.bytes : 0
    yield* readRange(segmentFile(folder, segment), match, { from, end: endOf(segment, end) })
  }
}

/** The record of a line if the filter lets it through. */
export function matcher(filter: AuditFilter): Match {
  const { since, until } = filter
  const wanted = wantedOf(filter)
  const marks = wanted.flatMap(([name, value]) => markOf(name, value) ?? [])
  const isTimed = since !== undefined || until !== undefined
  const match = (line: Buffer): AuditRecord | undefined => {
    // Far cheaper than parsing.
    if (!marks.every((mark) => line.includes(mark))) return undefined
    if (isTimed) {
      const time = timeOf(line)
      if ((since !== undefined && time < since) || (until !== undefined && time > until)) return undefined
    }
    const record = parseRecord(line)
    if (record === undefined) return undefined
    return wanted.every(([name, value]) => valuesOf(record, name).includes(value)) ? record : undefined
  }
  return Object.assign(match, { probe: probeOf(wanted) ?? marks[0] })
}

function wantedOf(filter: AuditFilter): [TermName, string][] {
  return termNames.flatMap((name) => {
    const value = filter[name]
    return value === undefined ? [] : [[name, value]]
  })
}

/** What stands in each line with this value. Only what JSON writes as it is can be looked for so. */
function markOf(name: TermName, value: string): Buffer | undefined {
  if (!/^[\w.:/+=-]*$/.test(value)) return undefined
  if (name === 'trace' || name === 'token') return value === '' ? undefined : Buffer.from(value)
  return Buffer.from(`"${name === 'lease' ? 'id' : name}":"${value}"`)
}

/** The longest value. */
function probeOf(wanted: readonly [TermName, string][]): Buffer | undefined {
  const [longest] = wanted
    .map(([, value]) => value)
    .filter((value) => value.length >= rareValue && /^[\w.:/+=-]+$/.test(value))
    .toSorted((one, other) => other.length - one.length)
  return longest === undefined ? undefined : Buffer.from(longest)
}

/**
 * Only lines as the log wrote them: a range from an index that begins or ends in the middle of a line could else make a record
 * of what a caller put into an argument.
 */
async function* readRange(file: string, match: Match, { from, end }: Range): AsyncGenerator<AuditRecord> {
  // One byte more shows whether a line begins there.
  const before = Math.max(0, from - 1)
  for await (const lines of linesForward(file, { from: before, end, probe: match.probe })) {
    for (const line of lines) {
      if (line.start < from || !line.whole) continue
      const record = match(line.bytes)
      if (record !== undefined) yield record
    }
  }
}

/**
 * What has to be read, oldest first: found from the end backwards, until there are the newest `limit`, or until records
 * are older than asked for.
 */
async function plan(folder: string, filter: AuditFilter, match: Match, end: TrailPosition, find: FindIndex): Promise<Part[]> {
  const { since, until, limit } = filter
  const blocks: BlockFilter = { terms: wantedOf(filter).map(([name, value]) => termOf(name, value)), since, until }
  const isNarrow = blocks.terms.length > 0 || since !== undefined || until !== undefined
  const parts: Part[] = []
  let open = limit ?? Number.POSITIVE_INFINITY
  /** A segment without an index had older records than asked for. */
  let isPast = false
  for (const segment of readableSegments(folder, end.segment).toReversed()) {
    if (segment > end.segment) continue
    const index = isNarrow && segment < end.segment ? find(segment) : undefined
    let ranges: readonly Range[] = []
    if (index !== undefined) ranges = rangesOf(index, blocks)
    else if (!isPast) {
      const range = await rangeOf(segmentFile(folder, segment), filter, endOf(segment, end))
      isPast = range.from > 0
      if (range.from < range.end) ranges = [range]
    }
    await turn()
    if (limit !== undefined) {
      const newest = await newestOf(segmentFile(folder, segment), match, ranges, open)
      ranges = newest.ranges
      open -= newest.found
    }
    if (ranges.length > 0) parts.push({ segment, ranges })
    if (open === 0) break
  }
  return parts.reverse()
}

/** The ranges without what stands before the last `limit` matches. */
async function newestOf(
  file: string,
  match: Match,
  ranges: readonly Range[],
  limit: number,
): Promise<{ readonly ranges: readonly Range[]; readonly found: number }> {
  const kept: Range[] = []
  let found = 0
  for (const { from, end } of ranges.toReversed()) {
    let first: number | undefined
    const before = Math.max(0, from - 1)
    for (const lines of batchesBackward(file, { from: before, end, probe: match.probe })) {
      for (const line of lines) {
        if (line.start < from || !line.whole || match(line.bytes) === undefined) continue
        found += 1
        first = line.start
        if (found === limit) return { ranges: [...kept, { from: first, end }].reverse(), found }
      }
      await turn()
    }
    if (first !== undefined) kept.push({ from: first, end })
  }
  return { ranges: kept.reverse(), found }
}

/**
 * What a search by time has to read of a segment without an index: somewhat more than the time. All of it for one that looks at each
 * record; and for one with `until` alone, since a clock that was ahead when the segment began says nothing about what follows.
 */
async function rangeOf(file: string, { since, scan }: AuditFilter, end: number): Promise<Range> {
  if (since === undefined || scan === true || !((await firstTime(file, end)) < since - clockSlack)) return { from: 0, end }
  for (const lines of batchesBackward(file, { end })) {
    const oldest = lines.at(-1)
    if (oldest !== undefined && timeOf(oldest.bytes) < since - clockSlack) return { from: oldest.start, end }
    await turn()
  }
  return { from: 0, end }
}

/** Of the first line; NaN where there is none, or no record. */
async function firstTime(file: string, end: number): Promise<number> {
  for await (const [line] of linesForward(file, { end })) return line === undefined ? Number.NaN : timeOf(line.bytes)
  return Number.NaN
}

function endOf(segment: number, end: TrailPosition): number {
  return segment === end.segment ? end.bytes : Number.POSITIVE_INFINITY
}

/** A long search leaves others their turn after each read. */
function turn(): Promise<void> {
  return new Promise((settle) => setImmediate(settle))
}
