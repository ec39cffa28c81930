import { appendFileSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { linesBackward, linesForward } from '../../../src/audit/lines.ts'
import type { AuditLog } from '../../../src/audit/log.ts'
import type { AuditFilter } from '../../../src/audit/query.ts'
import { all, event, openTestLog, temporaryFolder, TestClock } from './support.ts'
import { cases } from '../../support/cases.ts'

const minute = 60_000

describe('a query', () => {
  it('answers as a naive search through all records would', async () => {
    const { log, clock } = busyLog()
    const everything = await all(log.query({}))
    expect(everything.map(({ seq }) => seq)).toEqual(Array.from({ length: 200 }, (_, index) => index + 1))
    const filters: fc.Arbitrary<AuditFilter> = fc.record(
      {
        server: fc.constantFrom('github', 'files', 'ünusual "name"', 'none'),
        tool: fc.constantFrom('get_issue', 'none'),
        call: fc.constantFrom('call_7', 'call_100'),
        type: fc.constantFrom('server.started', 'lease.issued'),
        since: fc.integer({ min: clock.time - 210 * minute, max: clock.time + minute }),
        limit: fc.integer({ min: 1, max: 50 }),
      },
      { requiredKeys: [] },
    )
    await fc.assert(
      fc.asyncProperty(filters, async (filter) => {
        const { limit = Number.POSITIVE_INFINITY, since = 0, ...fields } = filter
        const naive = everything
          .filter(
            (record) =>
              Date.parse(record.time) >= since && Object.entries(fields).every(([name, value]) => Reflect.get(record, name) === value),
          )
          .slice(-limit)
        expect(await all(log.query(filter))).toEqual(naive)
      }),
    )
  })

  it('finds the calls of a trace, a turn or a tool use by its id', async () => {
    const { log } = busyLog()
    const id = '0af7651916cd43dd8448eb211c80319c'
    const traces = [
      { traceparent: `00-${id}-00f067aa0ba902b7-01` },
      { 'vscode.requestId': 'turn 1' },
      { 'vscode.requestId': id.slice(0, 31) },
    ]
    for (const trace of traces) log.append(Object.assign(event('traced'), { trace }))
    const found = async (trace: string) => (await all(log.query({ trace }))).map((record) => Reflect.get(record, 'trace'))
    expect(await found(id)).toEqual([traces[0]])
    expect(await found('turn 1')).toEqual([traces[1]])
    expect(await found('turn')).toEqual([])
  })

  it('sees the trail as it was when it was asked', async () => {
    const { log } = busyLog()
    const asked = log.query({ limit: 2 })
    log.append(event('late'))
    expect((await all(asked)).map(({ seq }) => seq)).toEqual([199, 200])
  })

  it('passes over lines that are no records', async () => {
    const folder = temporaryFolder()
    writeFileSync(join(folder, '000001.jsonl'), 'rubbish\n{"seq":1}\nnull\n')
    const log = openTestLog(folder)
    log.append(event('a'))
    expect(await all(log.query({}))).toMatchObject([{ server: 'a' }])
    expect(await all(log.query({ limit: 5 }))).toMatchObject([{ server: 'a' }])
  })

  it('of an empty trail is empty', async () => {
    const log = openTestLog(temporaryFolder())
    expect(await all(log.query({}))).toEqual([])
    expect(await all(log.query({ limit: 3, since: 0 }))).toEqual([])
  })
})

describe('following', () => {
  it('yields each new record once, in order, over segments, and nothing old', async () => {
    const log = openTestLog(temporaryFolder(), { segmentBytes: 4096 })
    log.append(event('old'))
    const gone = new AbortController()
    const seen: number[] = []
    const following = (async () => {
      for await (const record of log.follow({ server: 'new' }, gone.signal)) {
        seen.push(record.seq)
        if (seen.length === 60) gone.abort()
      }
    })()
    for (let burst = 0; burst < 6; burst++) {
      for (let index = 0; index < 10; index++) {
        log.append(event('new', { text: 'x'.repeat(300) }))
        log.append(event('other'))
      }
      await new Promise((settle) => setImmediate(settle))
    }
    await following
    expect(seen).toEqual(Array.from({ length: 60 }, (_, index) => 2 + 2 * index))
  })

  it('joins a query that was asked in the same moment without a gap or a repetition', async () => {
    const { log } = busyLog()
    const gone = new AbortController()
    const [past, future] = [log.query({}), log.follow({}, gone.signal)]
    log.append(event('a'))
    log.append(event('b'))
    const seqs = (await all(past)).map(({ seq }) => seq)
    for await (const record of future) {
      seqs.push(record.seq)
      if (record.seq === 202) break
    }
    expect(seqs).toEqual(Array.from({ length: 202 }, (_, index) => index + 1))
  })

  it('ends when the signal aborts, before or while it waits, and when the log closes', async () => {
    const log = openTestLog(temporaryFolder())
    expect(await all(log.follow({}, AbortSignal.abort()))).toEqual([])
    const gone = new AbortController()
    const waiting = all(log.follow({}, gone.signal))
    const open = all(log.follow({}, new AbortController().signal))
    await new Promise((settle) => setImmediate(settle))
    gone.abort()
    expect(await waiting).toEqual([])
    log.append(event('last'))
    await log.close()
    expect(await open).toMatchObject([{ server: 'last' }])
  })
})

describe('lines', () => {
  it('are the same forwards and backwards, for every file and every part of it', async () => {
    const file = join(temporaryFolder(), 'lines')
    const pieces = fc.array(
      fc.oneof(
        fc.string(),
        fc.constant('\n'),
        fc.integer({ min: 1, max: 600_000 }).map((length) => 'x'.repeat(length)),
      ),
      { maxLength: 12 },
    )
    await fc.assert(
      fc.asyncProperty(pieces, async (parts) => {
        writeFileSync(file, parts.join(''))
        const content = readFileSync(file)
        const forward: string[] = []
        for await (const lines of linesForward(file)) for (const line of lines) forward.push(shown(line))
        expect([...linesBackward(file)].map(shown).toReversed()).toEqual(forward)
        const rebuilt = forward
          .map((line) => JSON.parse(line))
          .map(([bytes, , whole]) => (whole ? `${bytes}\n` : bytes))
          .join('')
        expect(rebuilt).toBe(content.toString('latin1'))
      }),
      { numRuns: cases(60) },
    )
    appendFileSync(file, '')
  })
})

function shown(line: { bytes: Buffer; start: number; whole: boolean }): string {
  return JSON.stringify([line.bytes.toString('latin1'), line.start, line.whole])
}

/** 200 records, a minute apart, in many segments. */
function busyLog(): { log: AuditLog; clock: TestClock } {
  const clock = new TestClock()
  const log = openTestLog(temporaryFolder(), { clock, segmentBytes: 4096 })
  for (let index = 0; index < 200; index++) {
    const server = ['github', 'files', 'ünusual "name"'][index % 3] ?? ''
    if (index % 2 === 0) log.append(event(server, { index, server: 'none' }))
    else
      log.append({
        type: 'lease.issued',
        call: `call_${index}`,
        lease: { id: 'l', provider: 'p', scope: {} },
        detail: { tool: 'get_issue' },
      })
    clock.advance(minute)
  }
  return { log, clock }
}
