import { spawn } from 'node:child_process'
import { join } from 'node:path'
import { type LineClient, LineClient as Lines, sequential, throughput, warmUpCalls } from './driver.ts'
import type { Report, Setting, Target } from './report.ts'
import { echoEntry, echoServer, openStand, relayProgram, type Stand } from './stand.ts'
import { quantile, type Samples, type Spread, spread, takeTurns } from './statistics.ts'
import { openMintFloor } from './mint-floor.ts'
import { daemonOf, noOneProcessor, onOneProcessor } from './one-processor.ts'
import { listens } from './ports.ts'

const kilobyte = 1000
const sizes = [
  { name: '1 KB', bytes: kilobyte, calls: 800 },
  { name: '100 KB', bytes: 100 * kilobyte, calls: 60 },
  { name: '10 MB', bytes: 10_000 * kilobyte, calls: 2 },
] as const
const widths = [
  { width: 1, calls: 800 },
  { width: 32, calls: 12_000 },
  { width: 256, calls: 12_000 },
] as const
const names = ['direct', 'relay', 'jit'] as const

/**
 * A call over stdio: the same server directly, through a relay of the same two processes that only parses and
 * re-serialises, and through jit with policy, a warm lease and the trail. Then a call that has to mint.
 */
export async function measureMcp({ rounds, say }: Setting): Promise<Report> {
  const stand = await openStand({ servers: [echoEntry('bench')] })
  const relaySocket = join(stand.stage.home, 'relay.sock')
  const relay = spawn(process.execPath, [relayProgram, 'daemon', relaySocket, echoServer], {
    env: stand.environment,
    stdio: ['ignore', 'inherit', 'inherit'],
  })
  await listens(relaySocket)
  const clients: Record<(typeof names)[number], LineClient> = {
    direct: new Lines(process.execPath, [echoServer], stand.environment),
    relay: new Lines(process.execPath, [relayProgram, 'shim', relaySocket], stand.environment),
    jit: await stand.connect('bench'),
  }
  try {
    for (const name of ['direct', 'relay'] as const) await clients[name].initialize()
    say('warming up')
    for (const name of names) {
      await throughput(clients[name], warmUpCalls, 32)
      await measurePath(clients[name])
    }
    say('calls over stdio')
    const samples = await takeTurns(
      names.map((name) => ({ name, measure: () => measurePath(clients[name]) })),
      rounds,
    )
    const skipped: string[] = []
    const alone = names.map((name) => ({ name, measure: () => measureAlone(clients[name]) }))
    const work = async (): Promise<void> => void (await takeTurns(alone, rounds, samples))
    if (!(await onOneProcessor([await daemonOf(stand.stage.home)], work))) skipped.push(noOneProcessor)
    say('calls that mint')
    const mints = await measureMints(stand, clients.jit, rounds)
    return reportOf(samples, mints, skipped)
  } finally {
    for (const name of names) clients[name].close()
    relay.kill()
    await stand.close()
  }
}

async function measurePath(client: LineClient): Promise<Record<string, number>> {
  const figures: Record<string, number> = {}
  for (const { name, bytes, calls } of sizes) {
    const times = await sequential(client, calls, bytes)
    figures[name] = quantile(times, 0.5)
    if (bytes === kilobyte) figures['p99'] = quantile(times, 0.99)
  }
  for (const { width, calls } of widths) figures[`at ${width}`] = await throughput(client, calls, width)
  return figures
}

async function measureAlone(client: LineClient): Promise<Record<string, number>> {
  return { alone: quantile(await sequential(client, 1500, kilobyte), 0.5) }
}

/** The same call with a warm lease and with one that is minted for it, beside the upstream's own answer to the same request. */
async function measureMints(stand: Stand, client: LineClient, rounds: number): Promise<Samples> {
  const floor = await openMintFloor(stand.stage)
  const measure = async (one: () => Promise<void>, calls = 20): Promise<Record<string, number>> => {
    const times: number[] = []
    for (let call = 0; call < calls; call += 1) {
      const started = performance.now()
      await one()
      times.push(performance.now() - started)
      await ended(stand)
    }
    return { p50: spread(times).median }
  }
  try {
    const paths = [
      { name: 'warm', measure: () => measure(() => client.call(kilobyte)) },
      { name: 'cold', measure: () => measure(() => client.call(kilobyte, 'mint')) },
      { name: 'upstream', measure: () => measure(() => floor.mint()) },
    ]
    await measure(() => client.call(kilobyte, 'mint'), warmUpMints)
    await measure(() => floor.mint(), warmUpMints)
    await takeTurns(paths, 1)
    return await takeTurns(paths, rounds)
  } finally {
    await floor.close()
  }
}

/** Mints until their path is compiled: fewer than calls, since each is followed by its revocation. */
const warmUpMints = 400
/** Milliseconds in which the daemon has read the upstream's answer to a revocation and written it down. */
const receiptTime = 5

/** A lease for one call is revoked behind it: the next call must not share the machine with that. */
async function ended(stand: Stand): Promise<void> {
  const revoking = (): boolean =>
    stand.stage.github.tokens().filter((token) => token.alive && token.permissions['issues'] === 'read').length > 1
  for (let turn = 0; turn < 1000 && revoking(); turn += 1) await new Promise((resolve) => setTimeout(resolve, 1))
  await new Promise((resolve) => setTimeout(resolve, receiptTime))
}

function reportOf(samples: Samples, mints: Samples, skipped: readonly string[]): Report {
  const beyond = mints.compare(['cold', 'warm', 'upstream'], 'p50', (cold, warm, upstream) => cold - warm - upstream)
  return {
    subject: 'mcp',
    tables: [
      {
        title: 'A call over stdio, one after the other',
        columns: [...sizes.map(({ name }) => `${name} p50 ms`), '1 KB p99 ms', '1 KB p50 ms, one processor'],
        rows: names.map((name) => ({
          name,
          cells: [...sizes.map((size) => size.name), 'p99', 'alone'].map((figure) =>
            samples.has(name, figure) ? samples.spread(name, figure) : undefined,
          ),
        })),
      },
      {
        title: 'Calls a second over stdio, 1 KB',
        columns: widths.map(({ width }) => `${width} at once`),
        rows: names.map((name) => ({ name, cells: widths.map(({ width }) => samples.spread(name, `at ${width}`)) })),
      },
      {
        title: 'A call whose lease must be minted',
        columns: ['p50 ms'],
        rows: [
          { name: 'warm lease', cells: [mints.spread('warm', 'p50')] },
          { name: 'cold lease', cells: [mints.spread('cold', 'p50')] },
          { name: 'the upstream’s own answer', cells: [mints.spread('upstream', 'p50')] },
        ],
      },
    ],
    targets: [
      { what: 'added p50 over stdio, of the relay’s', measured: addedOf(samples, '1 KB'), unit: '×', limit: 1.5, bound: 'at most' },
      ...(samples.has('jit', 'alone') ? addedAlone(samples) : []),
      { what: 'added p50 over stdio', measured: samples.difference('jit', 'direct', '1 KB'), unit: 'ms', limit: 0.25, bound: 'at most' },
      { what: 'added p99 over stdio', measured: samples.difference('jit', 'direct', 'p99'), unit: 'ms', limit: 1, bound: 'at most' },
      {
        what: 'calls a second at 32, of the relay’s',
        measured: samples.ratio('jit', 'relay', 'at 32'),
        unit: '×',
        limit: 0.5,
        bound: 'at least',
      },
      { what: 'a 10 MB result, of the relay’s', measured: samples.ratio('jit', 'relay', '10 MB'), unit: '×', limit: 1.5, bound: 'at most' },
      { what: 'a mint beyond the upstream’s own answer', measured: beyond, unit: 'ms', limit: 3, bound: 'at most' },
    ],
    charts: [
      {
        kind: 'bars',
        name: 'stdio-latency',
        title: 'A call over stdio',
        axis: 'milliseconds, p50 of calls one after the other; whiskers from p10 to p90 of the rounds; logarithmic',
        logarithmic: true,
        groups: sizes.map((size) => ({
          name: `${size.name} result`,
          bars: names.map((name) => ({ name, value: samples.spread(name, size.name) })),
        })),
      },
      {
        kind: 'bars',
        name: 'stdio-throughput',
        title: 'Calls a second over stdio',
        axis: '1 KB results; more is better; logarithmic',
        logarithmic: true,
        groups: widths.map(({ width }) => ({
          name: width === 1 ? 'one after the other' : `${width} at once`,
          bars: names.map((name) => ({ name, value: samples.spread(name, `at ${width}`) })),
        })),
      },
    ],
    skipped,
  }
}

function addedOf(samples: Samples, figure: string): Spread {
  return samples.compare(['jit', 'relay', 'direct'], figure, (jit, relay, direct) => (jit - direct) / (relay - direct))
}

function addedAlone(samples: Samples): Target[] {
  const added = samples.difference('jit', 'direct', 'alone')
  return [
    {
      what: 'added p50 over stdio on one processor, of the relay’s',
      measured: addedOf(samples, 'alone'),
      unit: '×',
      limit: 1.5,
      bound: 'at most',
    },
    { what: 'added p50 over stdio on one processor', measured: added, unit: 'ms', limit: 0.25, bound: 'at most' },
  ]
}
