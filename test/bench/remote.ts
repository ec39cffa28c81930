import { type ChildProcess, spawn } from 'node:child_process'
import { join } from 'node:path'
import { root } from '../support/command.ts'
import { type Caller, LineClient, sequential, throughput } from './driver.ts'
import { HttpCaller } from './http-client.ts'
import { findPeers, missing, peerFile } from './peers.ts'
import { freePort, listens } from './ports.ts'
import type { Report, Setting } from './report.ts'
import { echoServer, openStand } from './stand.ts'
import { quantile, takeTurns } from './statistics.ts'

const size = 1000

/** A stdio client before a server that is reached over HTTP: directly over HTTP, through jit (policy and trail), and through mcp-remote. */
export async function measureRemote({ rounds, say }: Setting): Promise<Report> {
  const port = await freePort()
  const address = `http://localhost:${port}/`
  const stand = await openStand({
    servers: [`  bench: { url: ${JSON.stringify(address)}, allow: [echo] }\n`],
    hosts: { [`localhost:${port}`]: `127.0.0.1:${port}` },
  })
  const children: ChildProcess[] = [
    spawn(process.execPath, [join(root, 'test/bench/http-relay.mjs'), String(port), echoServer], {
      env: stand.environment,
      stdio: 'ignore',
    }),
  ]
  let peer: LineClient | undefined
  try {
    await listens(port)
    const direct = new HttpCaller(`http://127.0.0.1:${port}/`)
    await direct.open()
    const callers = new Map<string, Caller>([
      ['direct, over HTTP', direct],
      ['jit', await stand.connect('bench')],
    ])
    const program = peerFile(await findPeers(say), 'mcp-remote/dist/proxy.js')
    if (program !== undefined) {
      peer = new LineClient(process.execPath, [program, address, '--transport', 'http-only'], stand.environment, 'ignore')
      await peer.initialize()
      callers.set('mcp-remote', peer)
    }
    const paths = [...callers].map(([name, caller]) => ({ name, measure: () => measurePath(caller) }))
    say(`calls to a remote server: ${[...callers.keys()].join(', ')}`)
    await takeTurns(paths, 1)
    const samples = await takeTurns(paths, rounds)
    const names = [...callers.keys()]
    return {
      subject: 'remote',
      tables: [
        {
          title: 'A call over stdio to a server behind HTTP, 1 KB',
          columns: ['p50 ms', 'p99 ms', 'calls/s at 16'],
          rows: names.map((name) => ({ name, cells: ['p50', 'p99', 'at 16'].map((figure) => samples.spread(name, figure)) })),
        },
      ],
      targets: [],
      charts: [
        {
          kind: 'bars',
          name: 'remote-latency',
          title: 'A stdio client before a remote server',
          axis: 'milliseconds, p50 of calls one after the other, 1 KB results; whiskers from p10 to p90 of the rounds',
          groups: [{ name: '', bars: names.map((name) => ({ name, value: samples.spread(name, 'p50') })) }],
        },
      ],
      skipped: program === undefined ? [missing('mcp-remote')] : [],
    }
  } finally {
    peer?.close()
    for (const child of children) child.kill()
    await stand.close()
  }
}

async function measurePath(caller: Caller): Promise<Record<string, number>> {
  const times = await sequential(caller, 300, size)
  return { p50: quantile(times, 0.5), p99: quantile(times, 0.99), 'at 16': await throughput(caller, 1200, 16, size) }
}
