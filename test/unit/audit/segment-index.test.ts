import { appendFileSync, existsSync, readFileSync, rmSync, statSync, truncateSync, utimesSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import fc from 'fast-check'
import { describe, expect, it, vi } from 'vitest'
import type { AuditEvent, AuditRecord, CallIntent } from '../../../src/audit/event.ts'
import { buildIndex, removeStrayIndexes } from '../../../src/audit/index-build.ts'
import { type AuditFilter, type FindIndex, readRecords } from '../../../src/audit/query.ts'
import { parseRecord } from '../../../src/audit/record.ts'
import { decodeIndex, encodeIndex, indexFile, lookAt, readIndex, type SegmentIndex } from '../../../src/audit/segment-index.ts'
import { segmentFile, segmentNumbers } from '../../../src/audit/segments.ts'
import { verifyFolder } from '../../../src/audit/verify.ts'
import { cases } from '../../support/cases.ts'
import { makeOdd, oddKinds } from '../../support/odd-file.ts'
import { all, openLog, openTestLog, temporaryFolder, TestClock, TestLog } from './support.ts'

const minute = 60_000
const end = { segment: Number.MAX_SAFE_INTEGER, bytes: Number.MAX_SAFE_INTEGER }
const withoutIndex: FindIndex = () => undefined
const conditionNames: Exclude<keyof AuditFilter, 'scan'>[] = [
  'call',
  'lease',
  'token',
  'session',
  'trace',
  'server',
  'tool',
  'type',
  'result',
  'since',
  'until',
  'limit',
]
const trace = '0af7651916cd43dd8448eb211c80319c'

describe('a search through indexes', () => {
  it('finds exactly what a look at every record finds', async () => {
    const { folder, clock } = await indexedTrail()
    const everything = naive(folder)
    const begun = Date.parse(everything[0]?.time ?? '')
    const moment = fc
      .tuple(fc.integer({ min: -2, max: (clock.time - begun) / minute + 2 }), fc.constantFrom(0, 1, -1))
      .map(([minutes, beside]) => begun + minutes * minute + beside)
    const conditions = fc.record({
      call: fc.constantFrom('call_7', 'call_8', 'call_100', 'none', 'a "call"'),
      lease: fc.constantFrom('lease_7', 'lease_100', 'call_7', 'none'),
      token: fc.constantFrom('fp_7', 'up+7/=', 'lease_7'),
      session: fc.constantFrom('session_1', 'session_2', 'none'),
      trace: fc.constantFrom(trace, 'turn 7', 'many_69', 'none'),
      server: fc.constantFrom('github', 'files', 'ünusual "name"'),
      tool: fc.constantFrom('get_issue', 'none', ''),
      type: fc.constantFrom('call.close', 'lease.issued', 'server.started'),
      result: fc.constantFrom('ok', 'denied'),
      since: moment,
      until: moment,
      limit: fc.integer({ min: 1, max: 40 }),
    })
    const filters: fc.Arbitrary<AuditFilter> = fc
      .tuple(conditions, fc.subarray(conditionNames, { minLength: 1, maxLength: 3 }))
      .map(([values, names]) => Object.fromEntries(names.map((name) => [name, values[name]])))
    let matches = 0
    await fc.assert(
      fc.asyncProperty(filters, async (filter) => {
        const expected = search(everything, filter)
        matches += expected.length
        expect(await all(readRecords(folder, filter, end, finder(folder)))).toEqual(expected)
        expect(await all(readRecords(folder, filter, end, withoutIndex))).toEqual(expected)
        expect(
          await all(readRecords(folder, filter, end, (segment) => (segment % 2 === 0 ? readIndex(folder, segment) : undefined))),
        ).toEqual(expected)
      }),
      { numRuns: cases(60) },
    )
    expect(matches).toBeGreaterThan(0)
    for (const { time } of everything.filter(({ seq }) => seq % 40 === 1)) {
      const filter = { since: Date.parse(time), until: Date.parse(time) }
      expect(await all(readRecords(folder, filter, end, finder(folder)))).toEqual(search(everything, filter))
    }
    for (const filter of [
      { call: 'call_7' },
      { lease: 'lease_7' },
      { token: 'up+7/=' },
      { trace },
      { trace: 'turn 7' },
      { trace: 'many_69' },
    ])
      expect(search(everything, filter).length).toBeGreaterThan(0)
  })

  it('reads little of the trail', async () => {
    const { folder } = await indexedTrail()
    for (const filter of [
      { call: 'call_100' },
      { lease: 'lease_100' },
      { since: Date.UTC(2026, 10, 21, 13), until: Date.UTC(2026, 10, 21, 13) },
    ]) {
      const found = await all(readRecords(folder, filter, end, finder(folder)))
      expect(found.length).toBeGreaterThan(0)
      // Whatever is in other segments is not looked at: they can as well be gone.
      const wanted = new Set(found.map(({ seq }) => seq))
      const needed = new Set(segmentNumbers(folder).filter((number) => readSegment(folder, number).some(({ seq }) => wanted.has(seq))))
      expect(needed.size).toBeLessThan(3)
      const indexes = new Map(segmentNumbers(folder).map((number) => [number, readIndex(folder, number)]))
      const last = segmentNumbers(folder).length
      const emptied: FindIndex = (segment) => (segment === last ? undefined : needed.has(segment) ? indexes.get(segment) : empty)
      expect(await all(readRecords(folder, filter, end, emptied))).toEqual(found)
    }
  })

  it('by time is right where the clock was set back, however far', async () => {
    const folder = temporaryFolder()
    const clock = new TestClock()
    const log = openLog(folder, { clock, segmentBytes: 4096 })
    const noon = clock.time
    for (let index = 0; index < 120; index += 1) {
      log.append(started(String(index)))
      clock.time += index === 60 ? -1000 * minute : minute
    }
    await log.close()
    await indexAll(folder)
    for (const filter of [{ since: noon + 30 * minute }, { until: noon - 1 }, { since: noon, limit: 7 }])
      expect(await all(readRecords(folder, filter, end, finder(folder)))).toEqual(search(naive(folder), filter))
  })

  it('that looks at each record finds what a full reading finds, and one with `until` needs no index for that, whatever the clock did', async () => {
    const step = fc.integer({ min: -600, max: 600 })
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 60 }), fc.nat(), fc.nat(), async (steps, one, other) => {
        const folder = temporaryFolder()
        const clock = new TestClock()
        const log = openLog(folder, { clock, segmentBytes: 2048 })
        const times = steps.map((by, index) => {
          log.append(started(String(index)))
          return (clock.time += by * minute)
        })
        await log.close()
        const [since = 0, until = 0] = [times[one % times.length], times[other % times.length]]
        for (const filter of [{ since }, { until }, { since, until }, { since, limit: 3 }])
          expect(await all(readRecords(folder, { ...filter, scan: true }, end, withoutIndex))).toEqual(search(naive(folder), filter))
        expect(await all(readRecords(folder, { until }, end, withoutIndex))).toEqual(search(naive(folder), { until }))
      }),
      { numRuns: cases(40) },
    )
  })
})

describe('an index', () => {
  it('is a file that only its account reads, and the same however often it is made', async () => {
    const { folder } = await indexedTrail()
    expect(statSync(indexFile(folder, 2)).mode & 0o777).toBe(0o600)
    const before = readFileSync(indexFile(folder, 2))
    expect(await buildIndex(folder, 2, 512)).toBe(true)
    expect(readFileSync(indexFile(folder, 2)).equals(before)).toBe(true)
    expect(existsSync(`${indexFile(folder, 2)}-new`)).toBe(false)
  })

  const damages: Readonly<Record<string, (folder: string) => void>> = {
    missing: (folder) => rmSync(indexFile(folder, 2)),
    empty: (folder) => writeFileSync(indexFile(folder, 2), ''),
    truncated: (folder) => truncateSync(indexFile(folder, 2), statSync(indexFile(folder, 2)).size - 1),
    'cut in its head': (folder) => truncateSync(indexFile(folder, 2), 50),
    longer: (folder) => appendFileSync(indexFile(folder, 2), 'x'),
    'of foreign bytes': (folder) => writeFileSync(indexFile(folder, 2), Buffer.alloc(statSync(indexFile(folder, 2)).size, 'jit')),
    'of another segment': (folder) => writeFileSync(indexFile(folder, 2), readFileSync(indexFile(folder, 3))),
    'changed in one byte': (folder) => {
      const bytes = readFileSync(indexFile(folder, 2))
      bytes[bytes.length >> 1] = (bytes[bytes.length >> 1] ?? 0) ^ 1
      writeFileSync(indexFile(folder, 2), bytes)
    },
    'of a segment that has grown': (folder) => appendFileSync(segmentFile(folder, 2), `${recordLine('call_added')}\n`),
    'of a segment that was cut in the middle': (folder) => truncateSync(segmentFile(folder, 2), 1500),
    'of a segment whose middle was rewritten, with its length and its time of modification': (folder) => {
      const { atime, mtime } = statSync(segmentFile(folder, 2))
      const text = readFileSync(segmentFile(folder, 2), 'utf8')
      const middle = text.indexOf('\n', 6000)
      writeFileSync(
        segmentFile(folder, 2),
        text.slice(0, middle) + text.slice(middle, -6000).replaceAll('"github"', '"bithug"') + text.slice(-6000),
      )
      utimesSync(segmentFile(folder, 2), atime, mtime)
    },
    'of a segment with other ends': (folder) => {
      rmSync(indexFile(folder, 2))
      const bytes = readFileSync(segmentFile(folder, 2))
      writeFileSync(
        indexFile(folder, 2),
        encodeIndex({ ...empty, size: bytes.length }, { ...lookAt(segmentFile(folder, 2)), ends: Buffer.alloc(32) }),
      )
    },
  }
  it.each(Object.entries(damages))('that is %s is not used, and made again', async (_, damage) => {
    const { folder } = await indexedTrail()
    damage(folder)
    expect(readIndex(folder, 2)).toBeUndefined()
    const everything = naive(folder)
    for (const filter of [{ server: 'github' }, { server: 'bithug' }, { call: 'call_added' }, { type: 'call.close', limit: 30 }])
      expect(await all(readRecords(folder, filter, end, finder(folder)))).toEqual(search(everything, filter))
    expect(await buildIndex(folder, 2, 512)).toBe(true)
    expect(readIndex(folder, 2)).toBeDefined()
    for (const filter of [{ server: 'github' }, { server: 'bithug' }, { call: 'call_added' }])
      expect(await all(readRecords(folder, filter, end, finder(folder)))).toEqual(search(everything, filter))
  })

  it.each(oddKinds.filter((kind) => kind !== 'a folder'))('that is %s is not waited for, not read, and replaced', async (kind) => {
    const { folder } = await indexedTrail()
    rmSync(indexFile(folder, 2))
    await makeOdd(indexFile(folder, 2), kind)
    expect(readIndex(folder, 2)).toBeUndefined()
    expect(await buildIndex(folder, 2, 512)).toBe(true)
    expect(readIndex(folder, 2)).toBeDefined()
  })

  it('that somebody forged hides records at the most: it makes none, doubles none and changes no order', async () => {
    const { folder } = await indexedTrail()
    const everything = naive(folder)
    const { size } = statSync(segmentFile(folder, 2))
    // Where a line holds a record inside of an argument, cutting right before it must not make it one.
    const inside = readFileSync(segmentFile(folder, 2), 'latin1').indexOf('{"seq":1,')
    expect(inside).toBeGreaterThan(0)
    const behind = readFileSync(segmentFile(folder, 2), 'latin1').indexOf('}', inside) + 1
    const cut = fc.oneof(fc.constantFrom(inside, behind), fc.integer({ min: 1, max: size - 1 }))
    const asked = fc.constantFrom<AuditFilter>({ server: 'github' }, { server: 'forged' }, { since: 1 }, { type: 'call.close', limit: 500 })
    const shown = fc.array(fc.boolean(), { minLength: 9, maxLength: 9 })
    const check = async (cuts: readonly number[], filter: AuditFilter, isShown: readonly boolean[]): Promise<void> => {
      const starts = Float64Array.from([0, ...cuts.toSorted((one, other) => one - other)])
      const blocks = Uint32Array.from([...starts.keys()].filter((block) => isShown[block] === true))
      const oldest = new Float64Array(starts.length).fill(Number.NEGATIVE_INFINITY)
      const newest = Float64Array.from(starts, (_, block) =>
        isShown[block] === true ? Number.POSITIVE_INFINITY : Number.NEGATIVE_INFINITY,
      )
      forge(folder, 2, { size, starts, oldest, newest, terms: new Uint32Array(blocks.length), blocks })
      expect(readIndex(folder, 2)).toBeDefined()
      const found = await all(readRecords(folder, filter, end, finder(folder)))
      const seen = new Set(found.map(({ seq }) => seq))
      expect(found).toEqual(search(everything, filter).filter(({ seq }) => seen.has(seq)))
    }
    await check([inside, behind], { server: 'forged' }, [false, true, false])
    await check([inside, behind], { server: 'forged', limit: 9 }, [false, true, false])
    await check([inside - 1, behind], { since: 1 }, [false, true, false])
    await fc.assert(fc.asyncProperty(fc.uniqueArray(cut, { maxLength: 8 }), asked, shown, check), { numRuns: cases(60) })
    expect(search(everything, { server: 'forged' })).toEqual([])
  })

  it('of forged blocks that overlap or run backwards is not used', async () => {
    const { folder } = await indexedTrail()
    const { size } = statSync(segmentFile(folder, 2))
    for (const starts of [[0, 10, 10], [0, 20, 10], [5], [0, size], [0, Number.NaN], [0, 1.5]]) {
      const times = new Float64Array(starts.length)
      forge(folder, 2, { ...empty, size, starts: Float64Array.from(starts), oldest: times, newest: times })
      expect(readIndex(folder, 2)).toBeUndefined()
    }
  })

  it('proves nothing: verify says the same whatever it says', async () => {
    const { folder } = await indexedTrail()
    const before = await verifyFolder(folder)
    expect(before.ok).toBe(true)
    forge(folder, 1, { ...empty, size: statSync(segmentFile(folder, 1)).size })
    expect(await all(readRecords(folder, { call: 'call_7' }, end, finder(folder)))).not.toEqual(search(naive(folder), { call: 'call_7' }))
    expect(await verifyFolder(folder)).toEqual(before)
  })

  it('survives its segment at most until the next one is made', async () => {
    const { folder } = await indexedTrail()
    rmSync(segmentFile(folder, 3))
    writeFileSync(`${indexFile(folder, 4)}-new`, 'half')
    removeStrayIndexes(folder)
    expect([2, 3, 4].map((number) => existsSync(indexFile(folder, number)))).toEqual([true, false, true])
    expect(existsSync(`${indexFile(folder, 4)}-new`)).toBe(false)
    expect(existsSync(join(folder, 'checkpoints.jsonl'))).toBe(false)
  })

  it('decodes to what was encoded', async () => {
    const { folder } = await indexedTrail()
    const index = known(readIndex(folder, 2))
    const state = lookAt(segmentFile(folder, 2))
    const bytes = Buffer.from(new Uint8Array(encodeIndex(index, state)).buffer)
    expect(decodeIndex(bytes)).toEqual({ index, state })
  })
})

describe('the log', () => {
  const wide = 'x'.repeat(8000)

  it('makes the index of a segment that it has closed, in a thread, and searches through it', async () => {
    const folder = temporaryFolder()
    const clock = new TestClock()
    const log = openTestLog(folder, { clock })
    for (let index = 0; index < 300; index += 1) log.append({ ...started(`s${index}`), detail: { wide } })
    expect(segmentNumbers(folder)).toEqual([1, 2, 3])
    expect(existsSync(indexFile(folder, 1))).toBe(false)
    clock.advance(10_000)
    await vi.waitFor(() => expect([1, 2].map((number) => readIndex(folder, number))).not.toContain(undefined), 20_000)
    expect(existsSync(indexFile(folder, 3))).toBe(false)
    expect(await all(log.query({ server: 's3' }))).toHaveLength(1)
    forge(folder, 1, { ...empty, size: statSync(segmentFile(folder, 1)).size })
    expect(await all(log.query({ server: 's3' }))).toHaveLength(0)
    expect(await all(log.query({ server: 's3', scan: true }))).toHaveLength(1)
  }, 30_000)

  it('makes an index again that a search found missing, and says once which segment cannot have one', async () => {
    const folder = temporaryFolder()
    const clock = new TestClock()
    const said = new TestLog()
    const log = openTestLog(folder, { clock, log: said })
    for (let index = 0; index < 300; index += 1) log.append({ ...started(`s${index}`), detail: { wide } })
    await makeOdd(indexFile(folder, 1), 'a folder')
    for (const time of [1, 2]) {
      expect(await all(log.query({ server: 's3' }))).toHaveLength(1)
      rmSync(indexFile(folder, 2), { force: true })
      expect(await all(log.query({ server: 's200' }))).toHaveLength(1)
      await vi.waitFor(() => {
        // Again and again: a thread that still runs is followed by the next one only after a while.
        clock.advance(10_000)
        expect(readIndex(folder, 2), String(time)).toBeDefined()
      }, 20_000)
    }
    expect(said.lines.filter((line) => line.includes('has no index'))).toHaveLength(1)
  }, 60_000)

  it('closes while indexes are made', async () => {
    const folder = temporaryFolder()
    const clock = new TestClock()
    const log = openLog(folder, { clock })
    for (let index = 0; index < 300; index += 1) log.append({ ...started(`s${index}`), detail: { wide } })
    clock.advance(10_000)
    await log.close()
    const again = openTestLog(folder)
    expect(again.problems).toEqual([])
    expect(await all(again.query({ server: 's3' }))).toHaveLength(1)
  })
})

const empty: SegmentIndex = {
  size: 0,
  starts: new Float64Array(),
  oldest: new Float64Array(),
  newest: new Float64Array(),
  terms: new Uint32Array(),
  blocks: new Uint32Array(),
}

/** Some hundred records of all kinds, a minute apart, and lines that are none; each segment but the last has an index. */
async function indexedTrail(): Promise<{ folder: string; clock: TestClock }> {
  const folder = temporaryFolder()
  const clock = new TestClock()
  const log = openLog(folder, { clock, segmentBytes: 20_000 })
  for (let index = 0; index < 160; index += 1) {
    const intent = intentOf(index)
    if (index % 3 === 0) log.append(started(['github', 'files', 'ünusual "name"'][index % 7] ?? 'other'))
    else {
      log.append(intent)
      log.append({ type: 'lease.issued', call: intent.call, lease: leaseOf(index) })
      log.append({ ...intent, type: 'call.close', result: index % 5 === 0 ? 'denied' : 'ok', lease: leaseOf(index), requests: [], took: 1 })
    }
    clock.advance(minute)
  }
  await log.close()
  await indexAll(folder)
  return { folder, clock }
}

function intentOf(index: number): CallIntent {
  const many = Object.fromEntries(Array.from({ length: 70 }, (_, id) => [`k${id}`, `many_${id}`]))
  return {
    type: 'call.intent',
    call: index === 10 ? 'a "call"' : `call_${index}`,
    principal: {
      human: 'ada(1000)',
      agent: { name: 'node', pid: 1, startTime: 1, evidence: 'peer' },
      session: `session_${index % 4}`,
    },
    connection: 'c',
    server: ['github', 'files', 'ünusual "name"'][index % 3] ?? '',
    kind: 'tool',
    tool: index % 2 === 0 ? 'get_issue' : '',
    resource: '',
    digest: '',
    policy: '',
    decision: { effect: 'allow', rule: { source: 'config', path: '' } },
    // A stranger's, made to look like a record.
    arguments: { seq: 'none', record: { seq: 1, time: '2026-11-21T12:00:00.000Z', type: 'call.close', server: 'forged' } },
    ...(index % 11 === 0 && { trace: many }),
    ...(index % 11 === 1 && { trace: { traceparent: `00-${trace}-00f067aa0ba902b7-01` } }),
    ...(index % 11 === 7 && { trace: { turn: `turn ${index}` } }),
  }
}

function leaseOf(index: number): {
  id: string
  provider: string
  scope: object & Record<string, never>
  token: string
  upstreamHash: string
} {
  return { id: `lease_${index}`, provider: 'p', scope: {}, token: `fp_${index}`, upstreamHash: `up+${index}/=` }
}

function started(server: string): AuditEvent & { type: 'server.started' } {
  return { type: 'server.started', server, detail: {} }
}

function recordLine(call: string): string {
  return JSON.stringify({ seq: 1, time: '2026-11-21T12:00:00.000Z', type: 'call.close', call })
}

async function indexAll(folder: string): Promise<void> {
  for (const number of segmentNumbers(folder).slice(0, -1)) expect(await buildIndex(folder, number, 512)).toBe(true)
}

/** As the log finds them: the last segment has none. */
function finder(folder: string): FindIndex {
  return (segment) => readIndex(folder, segment)
}

function readSegment(folder: string, number: number): AuditRecord[] {
  const lines = readFileSync(segmentFile(folder, number), 'utf8').split('\n').slice(0, -1)
  return lines.flatMap((line) => parseRecord(Buffer.from(line)) ?? [])
}

function naive(folder: string): AuditRecord[] {
  return segmentNumbers(folder).flatMap((number) => readSegment(folder, number))
}

function search(
  records: readonly AuditRecord[],
  { limit = Number.POSITIVE_INFINITY, since = 0, until = Infinity, ...fields }: AuditFilter,
): AuditRecord[] {
  const read = (record: object, ...path: string[]): unknown =>
    path.reduce<unknown>((value, key) => (typeof value === 'object' && value !== null ? Reflect.get(value, key) : undefined), record)
  return records
    .filter((record) => Date.parse(record.time) >= since && Date.parse(record.time) <= until)
    .filter((record) =>
      Object.entries(fields).every(([name, value]) => {
        if (name === 'lease') return read(record, 'lease', 'id') === value
        if (name === 'token') return [read(record, 'lease', 'token'), read(record, 'lease', 'upstreamHash')].includes(value)
        if (name === 'session') return read(record, 'principal', 'session') === value
        if (name !== 'trace') return read(record, name) === value
        const ids = read(record, 'trace')
        if (typeof ids !== 'object' || ids === null) return false
        return Object.values(ids).includes(value) || String(read(ids, 'traceparent')).split('-')[1] === value
      }),
    )
    .slice(-limit)
}

function known(index: SegmentIndex | undefined): SegmentIndex {
  if (index === undefined) throw new Error('there is no index')
  return index
}

/** With everything right that can be checked. */
function forge(folder: string, segment: number, index: SegmentIndex): void {
  writeFileSync(indexFile(folder, segment), encodeIndex(index, lookAt(segmentFile(folder, segment))))
}
