import { type ChildProcess, spawn } from 'node:child_process'
import { join } from 'node:path'
import { z } from 'zod'
import { jitJson, root } from '../support/command.ts'
import { sequential, throughput, warmUpCalls } from './driver.ts'
import { HttpCaller } from './http-client.ts'
import { findPeers, missing, peerFile } from './peers.ts'
import { daemonOf, noOneProcessor, onOneProcessor } from './one-processor.ts'
import { freePort, listens } from './ports.ts'
import type { Report, Setting, Target } from './report.ts'
import { echoEntry, echoServer, openStand } from './stand.ts'
import { quantile, type Samples, takeTurns } from './statistics.ts'

const size = 1000
const peers = ['mcp-proxy', 'supergateway'] as const

/** HTTP clients before one stdio server: through a bare relay on node:http, through jit (token, policy, lease, trail), and through peers. */
export async function measureHttp({ rounds, say }: Setting): Promise<Report> {
  const port = await freePort()
  const stand = await openStand({ servers: [echoEntry('bench')], top: `http: { port: ${port} }\n` })
  const children: ChildProcess[] = []
  const start = async (args: readonly string[], at: number, path: string): Promise<HttpCaller> => {
    children.push(spawn(process.execPath, args, { env: stand.environment, stdio: 'ignore' }))
    await listens(at)
    return new HttpCaller(`http://127.0.0.1:${at}${path}`)
  }
  try {
    const installed = await findPeers(say)
    const callers = new Map<string, HttpCaller>()
    const relayPort = await freePort()
    callers.set('relay', await start([join(root, 'test/bench/http-relay.mjs'), String(relayPort), echoServer], relayPort, '/'))
    const { token } = z.looseObject({ token: z.string() }).parse(await jitJson(stand.stage.home, ['token', 'add', 'bench']))
    await listens(port)
    callers.set('jit', new HttpCaller(`http://127.0.0.1:${port}/mcp/bench`, { authorization: `Bearer ${token}` }))
    const skipped: string[] = []
    for (const peer of peers) {
      const program = peerFile(installed, peer === 'mcp-proxy' ? 'mcp-proxy/dist/bin/mcp-proxy.mjs' : 'supergateway/dist/index.js')
      if (program === undefined) {
        skipped.push(missing(peer))
        continue
      }
      const at = await freePort()
      callers.set(peer, await start([program, ...peerOptions(peer, at)], at, '/mcp'))
    }
    const paths = [...callers].map(([name, caller]) => ({ name, measure: () => measurePath(caller) }))
    for (const caller of callers.values()) await caller.open()
    say('warming up')
    for (const caller of callers.values()) await throughput(caller, warmUpCalls, 16, size)
    await takeTurns(paths, 1)
    say(`calls over HTTP: ${[...callers.keys()].join(', ')}`)
    const samples = await takeTurns(paths, rounds)
    const alone = [...callers].map(([name, caller]) => ({ name, measure: () => measureAlone(caller) }))
    const work = async (): Promise<void> => void (await takeTurns(alone, rounds, samples))
    if (!(await onOneProcessor([await daemonOf(stand.stage.home)], work))) skipped.push(noOneProcessor)
    return reportOf(samples, [...callers.keys()], skipped)
  } finally {
    for (const child of children) child.kill()
    await stand.close()
  }
}

function peerOptions(peer: (typeof peers)[number], port: number): string[] {
  if (peer === 'mcp-proxy') return ['--port', String(port), '--host', '127.0.0.1', '--server', 'stream', '--', process.execPath, echoServer]
  const output = ['--outputTransport', 'streamableHttp', '--stateful', '--logLevel', 'none']
  return ['--stdio', `${process.execPath} ${echoServer}`, ...output, '--port', String(port)]
}

async function measurePath(caller: HttpCaller): Promise<Record<string, number>> {
  const times = await sequential(caller, 300, size)
  return { p50: quantile(times, 0.5), p99: quantile(times, 0.99), 'at 16': await throughput(caller, 6400, 16, size) }
}

async function measureAlone(caller: HttpCaller): Promise<Record<string, number>> {
  return { alone: quantile(await sequential(caller, 1000, size), 0.5) }
}

function reportOf(samples: Samples, names: readonly string[], skipped: readonly string[]): Report {
  const rivals = peers.filter((peer) => names.includes(peer))
  const better = rivals.toSorted((one, other) => samples.spread(other, 'at 16').median - samples.spread(one, 'at 16').median)[0]
  const targets: Target[] =
    better === undefined
      ? []
      : [
          {
            what: `calls a second over HTTP at 16, of those of ${better}`,
            measured: samples.ratio('jit', better, 'at 16'),
            unit: '×',
            limit: 2.5,
            bound: 'at least',
          },
          ...quicker(samples, rivals),
        ]
  const bars = (figure: string) => names.map((name) => ({ name, value: samples.spread(name, figure) }))
  return {
    subject: 'http',
    tables: [
      {
        title: 'A call over HTTP to a stdio server, 1 KB',
        columns: ['p50 ms', 'p50 ms, one processor', 'p99 ms', 'calls/s at 16'],
        rows: names.map((name) => ({
          name,
          cells: ['p50', 'alone', 'p99', 'at 16'].map((figure) => (samples.has(name, figure) ? samples.spread(name, figure) : undefined)),
        })),
      },
    ],
    targets,
    charts: [
      {
        kind: 'bars',
        name: 'http-throughput',
        title: 'HTTP clients before a stdio server',
        axis: 'calls a second with 16 at once, 1 KB results; more is better; whiskers from p10 to p90 of the rounds',
        groups: [{ name: '', bars: bars('at 16') }],
      },
      {
        kind: 'bars',
        name: 'http-latency',
        title: 'A call over HTTP to a stdio server',
        axis: 'milliseconds, p50 of calls one after the other, 1 KB results; whiskers from p10 to p90 of the rounds',
        groups: [{ name: '', bars: bars('p50') }],
      },
    ],
    skipped,
  }
}

/** Beside the quicker peer, where one processor does all the work. */
function quicker(samples: Samples, rivals: readonly string[]): Target[] {
  const best = rivals
    .filter((peer) => samples.has(peer, 'alone'))
    .toSorted((one, other) => samples.spread(one, 'alone').median - samples.spread(other, 'alone').median)[0]
  if (best === undefined) return []
  const measured = samples.ratio('jit', best, 'alone')
  return [{ what: `p50 over HTTP on one processor, of that of ${best}`, measured, unit: '×', limit: 1, bound: 'at most' }]
}
