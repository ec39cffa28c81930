import { join } from 'node:path'
import type { CallIntent, CloseFields } from '../../src/audit/event.ts'
import { type AuditLog, openAudit } from '../../src/audit/log.ts'
import { buildIndex } from '../../src/audit/index-build.ts'
import { segmentNumbers } from '../../src/audit/segments.ts'
import { systemClock } from '../../src/core/clock.ts'
import { measureGrowth } from './growth.ts'
import type { Report, Setting } from './report.ts'
import { echoEntry, openStand } from './stand.ts'
import { Samples } from './statistics.ts'

const counts = [10_000, 100_000, 1_000_000] as const
const most = 1_000_000
const log = { debug() {}, info() {}, warn() {}, error() {} }
/** Calls whose records are written in one turn. */
const batch = 250
const times = 3
const callsOfLease = 100

/** The trail while it grows to a million records: what writing, opening, asking and proving it take, and what a call does. */
export async function measureTrail({ rounds, say }: Setting): Promise<Report> {
  const samples = new Samples()
  const grown = await measureGrowth(
    {
      what: 'records in the trail',
      sizes: [
        { name: '0', open: () => openStand({ servers: [echoEntry('bench')] }) },
        // What two of the same differ by.
        { name: '0 again', open: () => openStand({ servers: [echoEntry('bench')] }) },
        {
          name: most.toLocaleString('en'),
          open: () => openStand({ servers: [echoEntry('bench')], prepare: (home) => growTrail(join(home, 'audit'), samples, say) }),
        },
      ],
    },
    rounds,
  )
  const name = (count: number): string => count.toLocaleString('en')
  const row = (title: string, figure: string) => ({ name: title, cells: counts.map((count) => samples.spread(String(count), figure)) })
  const line = (title: string, figure: string) => ({ name: title, values: counts.map((count) => samples.spread(String(count), figure)) })
  return {
    subject: 'trail',
    tables: [
      {
        title: 'The trail, by records',
        columns: counts.map(name),
        rows: [
          row('write one record, µs', 'write'),
          row('open it, ms', 'open'),
          row('the newest 20, ms', 'newest'),
          row('the records of one old call, ms', 'call'),
          row('of one old lease, ms', 'lease'),
          row('of one old millisecond, ms', 'range'),
          row('of one old call without an index, ms', 'scan'),
          row('verify all of it, ms', 'verify'),
        ],
      },
      grown.table,
    ],
    targets: [grown.target],
    charts: [
      {
        kind: 'lines',
        name: 'trail',
        title: 'The trail while it grows',
        axis: 'milliseconds, logarithmic; a record is about 1,000 bytes',
        logarithmic: true,
        positionAxis: 'records',
        positions: counts.map(name),
        series: [
          line('verify', 'verify'),
          line('one old call', 'call'),
          line('without an index', 'scan'),
          line('newest 20', 'newest'),
          line('open', 'open'),
        ],
      },
      {
        kind: 'bars',
        name: 'trail-calls',
        title: 'A call with an empty trail and with a long one',
        axis: 'milliseconds, p50 over stdio, 1 KB results; whiskers from p10 to p90 of the rounds',
        plain: true,
        groups: [grown.group],
      },
    ],
    skipped: [],
  }
}

async function growTrail(folder: string, samples: Samples, say: (line: string) => void): Promise<void> {
  let written = 0
  for (const count of counts) {
    say(`a trail of ${count} records`)
    const began = performance.now()
    const writer = open(folder)
    await write(writer, written, count)
    samples.add(String(count), { write: ((performance.now() - began) * 1000) / (count - written) })
    written = count
    await writer.close()
    say(`indexes of ${await buildAll(folder)}`)
    for (let time = 0; time < times; time += 1) {
      const started = performance.now()
      const trail = open(folder)
      samples.add(String(count), { open: performance.now() - started })
      const early = await timeOfCall(trail, callId(7))
      await timed(samples, count, 'newest', () => all(trail, { limit: 20 }, 20))
      await timed(samples, count, 'call', () => all(trail, { call: callId(7) }, 2))
      await timed(samples, count, 'lease', () => all(trail, { lease: leaseId(700) }, callsOfLease))
      await timed(samples, count, 'range', () => all(trail, { since: early, until: early }))
      await timed(samples, count, 'scan', () => all(trail, { call: callId(7), scan: true }, 2))
      // It takes seconds, and does not differ much from the next one.
      if (time > 0 && count === most) {
        await trail.close()
        continue
      }
      await timed(samples, count, 'verify', async () => {
        const report = await trail.verify()
        if (!report.ok || report.records < count) throw new Error(JSON.stringify(report.problems))
      })
      await trail.close()
    }
  }
}

function open(folder: string): AuditLog {
  return openAudit({ folder, sync: 'batch', segmentBytes: 64 * 1024 * 1024, clock: systemClock, log })
}

async function timed(samples: Samples, count: number, figure: string, work: () => Promise<void>): Promise<void> {
  const started = performance.now()
  await work()
  samples.add(String(count), { [figure]: performance.now() - started })
}

/** Of all closed segments, as the daemon's thread does it; says what it took. */
async function buildAll(folder: string): Promise<string> {
  const segments = segmentNumbers(folder).slice(0, -1)
  const started = process.cpuUsage()
  for (const segment of segments) await buildIndex(folder, segment)
  const { user, system } = process.cpuUsage(started)
  return `${segments.length} segments: ${Math.round((user + system) / 1000)} ms of processor time`
}

async function timeOfCall(trail: AuditLog, call: string): Promise<number> {
  for await (const { time } of trail.query({ call, scan: true })) return Date.parse(time)
  throw new Error(`there is no ${call}`)
}

async function all(trail: AuditLog, filter: Parameters<AuditLog['query']>[0], expected?: number): Promise<void> {
  let found = 0
  for await (const record of trail.query(filter)) found += record.seq > 0 ? 1 : 0
  if (expected === undefined ? found === 0 : found !== expected) throw new Error(`${found} records instead of ${expected}`)
}

/** By jit's own writer, two records a call, as a busy daemon writes them. */
async function write(trail: AuditLog, from: number, to: number): Promise<void> {
  for (let first = from / 2; first < to / 2; first += batch) {
    const intents = Array.from({ length: Math.min(batch, to / 2 - first) }, (_, index) => intentOf(first + index))
    await Promise.all(intents.flatMap((intent, index) => [trail.stage(intent), trail.stageClose(intent, closeOf(first + index))]))
  }
}

function callId(number: number): string {
  return `call_${String(number).padStart(20, '0')}`
}

const digest = 'a3'.repeat(32)
const scope = { repositories: ['acme/web'], permissions: { issues: 'read' } }

function intentOf(number: number): CallIntent {
  return {
    type: 'call.intent',
    call: callId(number),
    principal: {
      human: 'ada(1000)',
      agent: { name: 'node', pid: 4242, startTime: 1_700_000, evidence: 'peer' },
      session: 'session_0123456789abcdef',
    },
    connection: 'connection_0123456789abcdef',
    server: 'bench',
    pin: `sha256:${digest}`,
    kind: 'tool',
    tool: 'echo',
    resource: 'acme/web',
    digest,
    policy: digest,
    decision: { effect: 'allow', rule: { source: 'config', path: 'servers.bench.allow[0]' } },
    arguments: { owner: 'acme', repo: 'web' },
    provider: 'acme',
    scope,
  }
}

function leaseId(number: number): string {
  return `lease_${String(Math.floor(number / callsOfLease)).padStart(16, '0')}`
}

function closeOf(number: number): CloseFields {
  return {
    result: 'ok',
    lease: { id: leaseId(number), provider: 'acme', scope, token: 'fp_0123456789abcdef', expiresAt: '2026-11-21T13:00:00.000Z' },
    requests: [],
    took: 0.25,
  }
}
