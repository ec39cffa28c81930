import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { request as httpRequest } from 'node:http'
import { Agent, request } from 'node:https'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { PassThrough } from 'node:stream'
import { connect as connectTls } from 'node:tls'
import { z } from 'zod'
import { createTestAuthority } from '../support/certificates.ts'
import { demoEnvironment } from '../support/command.ts'
import { findPeers, missing, peerFile } from './peers.ts'
import { noOneProcessor, onOneProcessor } from './one-processor.ts'
import { freePort } from './ports.ts'
import type { Report, Setting, Target } from './report.ts'
import { quantile, type Samples, takeTurns } from './statistics.ts'

const token = 'ghs_Real0Token1Real0Token1Real0Token1Real'
const placeholder = 'ghs_placeholder0placeholder0placeholder0'
const peers = { mockttp: 'mockttp/dist/main.js', 'http-mitm-proxy': 'http-mitm-proxy/dist/index.js' } as const
const started = z.object({ proxy: z.string(), ca: z.string() })

/** A request of a server to its upstream: directly over TLS, through jit's egress, and through npm packages that intercept TLS. */
export async function measureEgress({ rounds, say }: Setting): Promise<Report> {
  const folder = mkdtempSync(join(tmpdir(), 'jit-bench-'))
  const authority = await createTestAuthority(['localhost'])
  const file = (name: string, content: string): string => {
    writeFileSync(join(folder, name), content, { mode: 0o600 })
    return join(folder, name)
  }
  const ca = file('upstream.pem', authority.ca)
  const children: ChildProcess[] = []
  const start = async (args: readonly string[]): Promise<unknown> => {
    const child = spawn(process.execPath, args, {
      env: { ...demoEnvironment(folder), NODE_EXTRA_CA_CERTS: ca },
      stdio: ['ignore', 'pipe', 'ignore'],
    })
    children.push(child)
    return firstLine(child)
  }
  const program = (name: string): string => join(import.meta.dirname, name)
  try {
    const upstream = await start([program('egress-upstream.mjs'), file('key.pem', authority.key), file('cert.pem', authority.cert)])
    const { port } = z.object({ port: z.number() }).parse(upstream)
    const agents = new Map([['direct', new Agent({ keepAlive: true, maxSockets: 1, ca: readFileSync(ca) })]])
    agents.set('jit', tunnelling(started.parse(await start([program('egress-jit.ts'), folder, String(port), placeholder, token]))))
    const installed = await findPeers(say)
    const skipped: string[] = []
    for (const [name, path] of Object.entries(peers)) {
      const module = peerFile(installed, path)
      if (module === undefined) skipped.push(missing(name))
      else {
        const at = String(await freePort())
        agents.set(name, tunnelling(started.parse(await start([program('egress-peer.mjs'), name, module, folder, token, at]))))
      }
    }
    const paths = [...agents].map(([name, agent]) => ({
      name,
      measure: () => measurePath(agent, port, name === 'direct' ? token : placeholder),
    }))
    say('warming up')
    await takeTurns(paths, 10)
    say(`requests over TLS: ${[...agents.keys()].join(', ')}`)
    const samples = await takeTurns(paths, rounds)
    const alone = paths.map(({ name, measure }) => ({ name, measure: async () => ({ alone: (await measure()).p50 }) }))
    const work = async (): Promise<void> => void (await takeTurns(alone, rounds, samples))
    if (!(await onOneProcessor([], work))) skipped.push(noOneProcessor)
    for (const agent of agents.values()) agent.destroy()
    return reportOf(samples, [...agents.keys()], skipped)
  } finally {
    for (const child of children) child.kill()
    rmSync(folder, { recursive: true, force: true })
  }
}

function firstLine(child: ChildProcess): Promise<unknown> {
  return new Promise((resolve, reject) => {
    child.once('exit', (code) => reject(new Error(`a process of the benchmark ended with ${code}`)))
    if (child.stdout !== null) createInterface({ input: child.stdout }).once('line', (line) => resolve(JSON.parse(line)))
  })
}

/** Connections go through CONNECT and trust the proxy's own authority. */
function tunnelling({ proxy, ca }: z.infer<typeof started>): Agent {
  const { hostname, port, username, password } = new URL(proxy)
  const trusted = readFileSync(ca)
  const agent = new Agent({ keepAlive: true, maxSockets: 1 })
  agent.createConnection = (options, done) => {
    const to = `${options.host ?? ''}:${options.port ?? ''}`
    const credentials =
      username === '' ? {} : { 'proxy-authorization': `Basic ${Buffer.from(`${username}:${password}`).toString('base64')}` }
    const asked = httpRequest({ host: hostname, port, method: 'CONNECT', path: to, headers: { host: to, ...credentials } })
    asked.once('error', (error) => done?.(error, new PassThrough()))
    asked.once('connect', (_, socket) => {
      const secure = connectTls({ socket, servername: 'localhost', ca: trusted, ALPNProtocols: ['http/1.1'] }, () => done?.(null, secure))
      secure.once('error', (error) => done?.(error, secure))
    })
    asked.end()
    return undefined
  }
  return agent
}

async function measurePath(agent: Agent, port: number, credential: string): Promise<{ p50: number; p99: number; perSecond: number }> {
  const times: number[] = []
  const began = performance.now()
  const calls = 400
  for (let call = 0; call < calls; call += 1) {
    const from = performance.now()
    await ask(agent, port, credential)
    times.push(performance.now() - from)
  }
  const perSecond = (calls / (performance.now() - began)) * 1000
  times.sort((one, other) => one - other)
  return { p50: quantile(times, 0.5), p99: quantile(times, 0.99), perSecond }
}

function ask(agent: Agent, port: number, credential: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const asked = request(
      {
        agent,
        host: 'localhost',
        port,
        path: '/repos/acme/web/issues/42',
        headers: { authorization: `Bearer ${credential}`, 'user-agent': 'bench' },
      },
      (answer) => {
        answer.resume().once('end', () => (answer.statusCode === 200 ? resolve() : reject(new Error(`status ${answer.statusCode}`))))
      },
    )
    asked.once('error', reject)
    asked.end()
  })
}

function onOne(samples: Samples): Target {
  const measured = samples.difference('jit', 'direct', 'alone')
  return { what: 'egress, added p50 on one processor', measured, unit: 'ms', limit: 0.3, bound: 'at most' }
}

function reportOf(samples: Samples, names: readonly string[], skipped: readonly string[]): Report {
  return {
    subject: 'egress',
    tables: [
      {
        title: 'A request of a server to its upstream, over a kept connection',
        columns: ['p50 ms', 'p99 ms', 'added p50 ms', 'added p50 ms, one processor', 'requests/s, one at a time'],
        rows: names.map((name) => ({
          name,
          cells: [
            samples.spread(name, 'p50'),
            samples.spread(name, 'p99'),
            name === 'direct' ? undefined : samples.difference(name, 'direct', 'p50'),
            name === 'direct' || !samples.has(name, 'alone') ? undefined : samples.difference(name, 'direct', 'alone'),
            samples.spread(name, 'perSecond'),
          ],
        })),
      },
    ],
    targets: [
      { what: 'egress, added p50', measured: samples.difference('jit', 'direct', 'p50'), unit: 'ms', limit: 0.3, bound: 'at most' },
      ...(samples.has('jit', 'alone') ? [onOne(samples)] : []),
    ],
    charts: [
      {
        kind: 'bars',
        name: 'egress-latency',
        title: 'A request of a server to its upstream',
        axis: 'milliseconds, p50 over a kept TLS connection; whiskers from p10 to p90 of the rounds',
        groups: [{ name: '', bars: names.map((name) => ({ name, value: samples.spread(name, 'p50') })) }],
      },
    ],
    skipped,
  }
}
