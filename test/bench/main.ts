import { spawn, spawnSync } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { z } from 'zod'
import { demoEnvironment, jitJson, launcher, root, runJit } from '../support/command.ts'
import { openStage, type Stage } from '../support/stage.ts'
import { LineClient, median, quantile, sequential, throughput } from './driver.ts'

/**
 * `npm run bench`: what jit adds, as ratios in one run. The same server directly, through a relay of the same two processes
 * that only parses and re-serialises, and through jit with policy, a warm lease and the trail. The paths take turns, so a
 * machine that slows down slows all of them.
 */
const json = process.argv.includes('--json')
const rounds = Number(process.env['BENCH_ROUNDS'] ?? 7)
const echo = join(root, 'test/bench/echo-server.mjs')
const relay = join(root, 'test/bench/relay.mjs')

const stage = await openStage()
const environment = demoEnvironment(stage.home)
const relaySocket = join(stage.home, 'relay.sock')
const relayDaemon = spawn(process.execPath, [relay, 'daemon', relaySocket, echo], {
  env: environment,
  stdio: ['ignore', 'inherit', 'inherit'],
})
try {
  await prepare(stage)
  const report = {
    node: process.version,
    calls: await measureCalls(),
    callsWithSync: await measureSync(),
    start: await measureStart(),
    memory: await measureMemory(),
  }
  if (json) console.log(JSON.stringify(report, null, 2))
  else print(report)
} finally {
  relayDaemon.kill()
  await stage.close()
}

interface Path {
  readonly name: 'direct' | 'relay' | 'jit'
  readonly client: LineClient
}

interface Figures {
  readonly p50: number
  readonly p99: number
  readonly p50Megabyte: number
  readonly callsAt32: number
}

type Calls = Record<'direct' | 'relay' | 'jit', Figures> & { readonly ratios: Record<string, number> }

async function prepare(stage: Stage): Promise<void> {
  await must(['login', 'github-app', 'acme', '--app-id', String(stage.appId), '--installation', 'acme', '--private-key', stage.keyFile])
  const file = join(stage.home, 'jit.yaml')
  const servers = Array.from(
    { length: 10 },
    (_, index) => `  ${index === 0 ? 'bench' : `idle${index}`}:
    run: [node, ${JSON.stringify(echo)}]
    provider: acme
    inject: { mode: egress, env: GITHUB_TOKEN }
    where: { owner: acme, repo: [web, api] }
    allow: [echo]
    ttl: 1h
    tools:
      echo:
        scope: { repositories: ["\${args.owner}/\${args.repo}"], permissions: { issues: read } }
        requests: ["GET /repos/\${args.owner}/\${args.repo}/issues"]
`,
  )
  writeFileSync(file, `${readFileSync(file, 'utf8').trimEnd()}\nservers:\n${servers.join('')}`)
  await must(['config', 'apply', '--yes'])
}

async function must(args: readonly string[]): Promise<void> {
  const result = await runJit(stage.home, args)
  if (result.code !== 0) throw new Error(`jit ${args[0] ?? ''}: ${result.stderr}${result.stdout}`)
}

async function measureCalls(): Promise<Calls> {
  const paths: Path[] = [
    { name: 'direct', client: new LineClient(process.execPath, [echo], environment) },
    { name: 'relay', client: new LineClient(process.execPath, [relay, 'shim', relaySocket], environment) },
    { name: 'jit', client: new LineClient(process.execPath, [launcher, 'connect', 'bench'], environment) },
  ]
  const samples = new Map<string, { p50: number[]; p99: number[]; p50Megabyte: number[]; callsAt32: number[] }>()
  for (const { name, client } of paths) {
    samples.set(name, { p50: [], p99: [], p50Megabyte: [], callsAt32: [] })
    await client.initialize()
    await sequential(client, 500, 100)
    await throughput(client, 2000, 32)
    await sequential(client, 5, 1_000_000)
  }
  for (let round = 0; round < rounds; round += 1) {
    for (const { name, client } of paths) {
      const sample = samples.get(name)
      if (sample === undefined) continue
      const times = await sequential(client, 1500, 100)
      sample.p50.push(quantile(times, 0.5))
      sample.p99.push(quantile(times, 0.99))
      sample.callsAt32.push(await throughput(client, 6000, 32))
      sample.p50Megabyte.push(quantile(await sequential(client, 15, 1_000_000), 0.5))
    }
  }
  for (const { client } of paths) client.close()
  const figures = (name: string): Figures => {
    const sample = samples.get(name) ?? { p50: [], p99: [], p50Megabyte: [], callsAt32: [] }
    return {
      p50: median(sample.p50),
      p99: median(sample.p99),
      p50Megabyte: median(sample.p50Megabyte),
      callsAt32: median(sample.callsAt32),
    }
  }
  const [direct, relayed, jit] = [figures('direct'), figures('relay'), figures('jit')]
  return {
    direct,
    relay: relayed,
    jit,
    ratios: {
      addedP50OverRelay: (jit.p50 - direct.p50) / (relayed.p50 - direct.p50),
      addedP50Milliseconds: jit.p50 - direct.p50,
      throughputOfRelay: jit.callsAt32 / relayed.callsAt32,
      megabyteOverRelay: jit.p50Megabyte / relayed.p50Megabyte,
    },
  }
}

/** The price of `audit.sync: each`: two fsyncs a call. */
async function measureSync(): Promise<{ p50: number }> {
  const file = join(stage.home, 'jit.yaml')
  const before = readFileSync(file, 'utf8')
  writeFileSync(file, `${before}audit: { sync: each }\n`)
  await must(['config', 'apply', '--yes'])
  const client = new LineClient(process.execPath, [launcher, 'connect', 'bench'], environment)
  await client.initialize()
  await sequential(client, 100, 100)
  const samples: number[] = []
  for (let round = 0; round < 3; round += 1) samples.push(quantile(await sequential(client, 400, 100), 0.5))
  client.close()
  writeFileSync(file, before)
  await must(['config', 'apply', '--yes'])
  return { p50: median(samples) }
}

/** From spawn to the shim's first frame at the daemon's socket, beside `node -e 0` from spawn to exit. */
async function measureStart(): Promise<{ shim: number; bare: number; ratio: number }> {
  const folder = join(stage.home, 'start')
  spawnSync('mkdir', ['-p', '-m', '700', join(folder, 'run')])
  let arrived: (() => void) | undefined
  const server = createServer((socket) => {
    socket.on('error', () => undefined)
    socket.once('data', () => {
      arrived?.()
      socket.destroy()
    })
  })
  await new Promise<void>((resolve) => server.listen(join(folder, 'run', 'connect.sock'), resolve))
  const shim: number[] = []
  const bare: number[] = []
  for (let round = 0; round < 25; round += 1) {
    const begun = performance.now()
    spawnSync(process.execPath, ['-e', '0'], { env: environment })
    bare.push(performance.now() - begun)
    const started = performance.now()
    const hello = new Promise<void>((resolve) => (arrived = resolve))
    const child = spawn(process.execPath, [launcher, 'connect', 'bench'], {
      env: demoEnvironment(folder),
      stdio: ['pipe', 'ignore', 'ignore'],
    })
    await hello
    shim.push(performance.now() - started)
    child.kill('SIGKILL')
  }
  await new Promise((resolve) => server.close(resolve))
  return { shim: median(shim), bare: median(bare), ratio: median(shim) / median(bare) }
}

/** Resident memory of the daemon alone with ten servers connected and idle. */
async function measureMemory(): Promise<{ megabytes: number; servers: number }> {
  // What the load before has left behind is not what an idle daemon holds.
  await must(['stop'])
  const names = ['bench', ...Array.from({ length: 9 }, (_, index) => `idle${index + 1}`)]
  const clients = names.map((name) => new LineClient(process.execPath, [launcher, 'connect', name], environment))
  for (const client of clients) await client.initialize()
  await new Promise((resolve) => setTimeout(resolve, 3000))
  const { pid } = z.looseObject({ pid: z.number() }).parse(await jitJson(stage.home, ['status']))
  const kilobytes = Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1])
  for (const client of clients) client.close()
  return { megabytes: Math.round(kilobytes / 1024), servers: names.length }
}

function print(report: {
  calls: Calls
  callsWithSync: { p50: number }
  start: { shim: number; bare: number; ratio: number }
  memory: { megabytes: number; servers: number }
}): void {
  const { calls } = report
  console.log('path      p50 ms   p99 ms   1 MB p50 ms   calls/s at 32')
  for (const name of ['direct', 'relay', 'jit'] as const) {
    const row = calls[name]
    console.log(
      `${name.padEnd(8)}  ${row.p50.toFixed(3)}    ${row.p99.toFixed(2).padStart(5)}    ${row.p50Megabyte.toFixed(2).padStart(8)}      ${Math.round(row.callsAt32)}`,
    )
  }
  const { ratios } = calls
  console.log(
    `\nadded p50            ${ratios['addedP50Milliseconds']?.toFixed(3)} ms, ${ratios['addedP50OverRelay']?.toFixed(2)} × the relay's (target ≤ 1.5 × and ≤ 0.25 ms)`,
  )
  console.log(`with audit.sync each ${report.callsWithSync.p50.toFixed(3)} ms p50`)
  console.log(`throughput at 32     ${((ratios['throughputOfRelay'] ?? 0) * 100).toFixed(0)} % of the relay's (target ≥ 50 %)`)
  console.log(`1 MB result          ${ratios['megabyteOverRelay']?.toFixed(2)} × the relay (target ≤ 1.5 ×)`)
  console.log(`start of the shim    ${report.start.shim.toFixed(1)} ms, ${report.start.ratio.toFixed(2)} × node -e 0 (target ≤ 1.5 ×)`)
  console.log(`daemon, ${report.memory.servers} servers   ${report.memory.megabytes} MB resident (target ≤ 130 MB)`)
}
