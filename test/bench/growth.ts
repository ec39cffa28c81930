import { readdirSync, readFileSync } from 'node:fs'
import { z } from 'zod'
import { sequential } from './driver.ts'
import type { Table, Target } from './report.ts'
import type { Stand } from './stand.ts'
import { quantile, spread, type Spread, takeTurns } from './statistics.ts'
import type { BarChart } from './chart.ts'

const size = 1000
/** Calls of one turn, and turns for each round of the benchmark: short and many, so that both sides meet the same moments of the machine. */
const calls = 100
const turns = 8

/** One kind of thing, and daemons that have few and many of it. */
export interface Growth {
  readonly what: string
  readonly sizes: readonly GrownSize[]
}

export interface GrownSize {
  readonly name: string
  /** Before the daemons are compared; its server `bench` is the one that is called. */
  open(): Promise<Stand>
  /** Once the daemon has been started for the last time. */
  fill?(stand: Stand): Promise<void>
}

export interface Grown {
  readonly table: Table
  readonly target: Target
  readonly group: BarChart['groups'][number]
}

/** What a call costs where there is more of something: all daemons are up at once, and calls through them take turns. */
export async function measureGrowth({ what, sizes }: Growth, rounds: number): Promise<Grown> {
  const stands: { readonly size: GrownSize; readonly stand: Stand }[] = []
  try {
    for (const one of sizes) stands.push({ size: one, stand: await one.open() })
    const starts: Spread[] = []
    for (const { stand } of stands) starts.push(await measureStart(stand, Math.min(rounds, 3)))
    const paths = []
    for (const { size: one, stand } of stands) {
      const client = await stand.connect('bench')
      await one.fill?.(stand)
      const pid = await daemonOf(stand)
      paths.push({
        name: one.name,
        async measure() {
          const before = processorTime(pid)
          const times = await sequential(client, calls, size)
          return { p50: quantile(times, 0.5), processor: (processorTime(pid) - before) / calls }
        },
      })
    }
    await takeTurns(paths, turns)
    const samples = await takeTurns(paths, rounds * turns)
    const hasProcessor = samples.spread(sizes[0]?.name ?? '', 'processor').median > 0
    const [least, most] = [sizes[0]?.name ?? '', sizes.at(-1)?.name ?? '']
    return {
      table: {
        title: `A call over stdio, by ${what}`,
        columns: sizes.map(({ name }) => name),
        rows: [
          { name: '1 KB p50 ms', cells: sizes.map(({ name }) => samples.spread(name, 'p50')) },
          { name: `of that with ${least}, ×`, cells: sizes.map(({ name }) => samples.ratio(name, least, 'p50')) },
          ...(hasProcessor
            ? [
                { name: 'processor time of the daemon, µs', cells: sizes.map(({ name }) => samples.spread(name, 'processor')) },
                { name: `of that with ${least}, ×`, cells: sizes.map(({ name }) => samples.ratio(name, least, 'processor')) },
              ]
            : []),
          { name: 'first answer when no daemon runs, ms', cells: starts },
        ],
      },
      target: {
        what: `${hasProcessor ? 'the daemon’s processor time for ' : ''}a call with ${most} ${what}, of one with ${least}`,
        // The time on the clock is mostly what other processes of the machine do.
        measured: samples.ratio(most, least, hasProcessor ? 'processor' : 'p50'),
        unit: '×',
        // Flat, but for what two runs of the same thing differ by.
        limit: 1.1,
        bound: 'at most',
      },
      group: { name: what, bars: sizes.map(({ name }) => ({ name, value: samples.spread(name, 'p50') })) },
    }
  } finally {
    for (const { stand } of stands) await stand.close()
  }
}

/** A client's handshake that has to start the daemon, the connection's server with it. */
async function measureStart(stand: Stand, times: number): Promise<Spread> {
  const took: number[] = []
  for (let time = 0; time < times; time += 1) {
    await stand.run(['stop'])
    const started = performance.now()
    const client = await stand.connect('bench')
    took.push(performance.now() - started)
    client.close()
  }
  return spread(took)
}

async function daemonOf(stand: Stand): Promise<number> {
  return z.object({ pid: z.number() }).parse(JSON.parse(await stand.run(['status', '--json']))).pid
}

/** Microseconds for which the threads of a process ran; 0 where the system does not say. */
function processorTime(pid: number): number {
  if (process.platform !== 'linux') return 0
  const threads = readdirSync(`/proc/${pid}/task`)
  return (
    threads.reduce((sum, thread) => sum + Number(readFileSync(`/proc/${pid}/task/${thread}/schedstat`, 'latin1').split(' ')[0]), 0) / 1000
  )
}
