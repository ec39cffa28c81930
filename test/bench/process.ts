import { spawn } from 'node:child_process'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { z } from 'zod'
import { demoEnvironment, jitJson, launcher } from '../support/command.ts'
import { sequential } from './driver.ts'
import type { Report, Setting } from './report.ts'
import { echoEntry, openStand, type Stand } from './stand.ts'
import { quantile, type Samples, spread, type Spread, takeTurns } from './statistics.ts'

const idleServers = 10

/** The start of the shim beside that of bare Node, what an idle daemon holds, and the price of `audit.sync: each`. */
export async function measureProcess({ rounds, say }: Setting): Promise<Report> {
  const stand = await openStand({ servers: Array.from({ length: idleServers }, (_, index) => echoEntry(`server${index}`)) })
  try {
    say('start of the shim')
    const starts = await measureStart(stand, rounds)
    say('the trail with a sync for each record')
    const synced = await measureSync(stand, rounds)
    say('memory of the daemon')
    const memory = await measureMemory(stand)
    return {
      subject: 'process',
      tables: [
        {
          title: 'Start, milliseconds',
          columns: ['p50 ms'],
          rows: [
            { name: 'node -e 0, to its exit', cells: [starts.spread('bare', 'ms')] },
            { name: 'jit connect, to its first frame', cells: [starts.spread('shim', 'ms')] },
          ],
        },
        { title: 'With audit.sync: each', columns: ['1 KB p50 ms'], rows: [{ name: 'jit', cells: [synced] }] },
        { title: `Daemon with ${idleServers} idle servers`, columns: ['resident MB'], rows: [{ name: 'jit', cells: [memory] }] },
      ],
      targets: [
        { what: 'start of the shim, of node -e 0', measured: starts.ratio('shim', 'bare', 'ms'), unit: '×', limit: 1.5, bound: 'at most' },
        { what: `daemon with ${idleServers} idle servers`, measured: memory, unit: 'MB', limit: 130, bound: 'at most' },
      ],
      charts: [],
      skipped: [],
    }
  } finally {
    await stand.close()
  }
}

/** From spawn to the shim's first frame at the daemon's socket, beside `node -e 0` from spawn to exit. */
async function measureStart(stand: Stand, rounds: number): Promise<Samples> {
  const folder = join(stand.stage.home, 'start')
  mkdirSync(join(folder, 'run'), { recursive: true, mode: 0o700 })
  let arrived: (() => void) | undefined
  const server = createServer((socket) => {
    socket.on('error', () => undefined)
    socket.once('data', () => {
      arrived?.()
      socket.destroy()
    })
  })
  await new Promise<void>((resolve) => server.listen(join(folder, 'run', 'connect.sock'), resolve))
  const bare = async (): Promise<Record<string, number>> => {
    const begun = performance.now()
    const child = spawn(process.execPath, ['-e', '0'], { env: stand.environment, stdio: 'ignore' })
    await new Promise((resolve) => child.once('exit', resolve))
    return { ms: performance.now() - begun }
  }
  const shim = async (): Promise<Record<string, number>> => {
    const begun = performance.now()
    const hello = new Promise<void>((resolve) => (arrived = resolve))
    const child = spawn(process.execPath, [launcher, 'connect', 'server0'], {
      env: demoEnvironment(folder),
      stdio: ['pipe', 'ignore', 'ignore'],
    })
    await hello
    const ms = performance.now() - begun
    child.kill('SIGKILL')
    return { ms }
  }
  try {
    return await takeTurns(
      [
        { name: 'bare', measure: bare },
        { name: 'shim', measure: shim },
      ],
      rounds * 4,
    )
  } finally {
    await new Promise((resolve) => server.close(resolve))
  }
}

async function measureSync(stand: Stand, rounds: number): Promise<Spread> {
  const file = join(stand.stage.home, 'jit.yaml')
  const before = readFileSync(file, 'utf8')
  writeFileSync(file, `${before}audit: { sync: each }\n`)
  await stand.run(['config', 'apply', '--yes'])
  const client = await stand.connect('server0')
  await sequential(client, 100, 1000)
  const samples: number[] = []
  for (let round = 0; round < rounds; round += 1) samples.push(quantile(await sequential(client, 200, 1000), 0.5))
  client.close()
  writeFileSync(file, before)
  await stand.run(['config', 'apply', '--yes'])
  return spread(samples)
}

/** Of a daemon freshly started: what the load before has left behind is not what an idle one holds. */
async function measureMemory(stand: Stand): Promise<Spread> {
  await stand.run(['stop'])
  for (let index = 0; index < idleServers; index += 1) await stand.connect(`server${index}`)
  await new Promise((resolve) => setTimeout(resolve, 3000))
  const { pid } = z.looseObject({ pid: z.number() }).parse(await jitJson(stand.stage.home, ['status']))
  return spread([Math.round(residentKilobytes(pid) / 1024)])
}

function residentKilobytes(pid: number): number {
  return Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1])
}
