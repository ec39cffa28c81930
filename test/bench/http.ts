import { type ChildProcess, spawn } from 'node:child_process'
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { connect, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { z } from 'zod'
import { demoEnvironment, jitJson, root, runJit } from '../support/command.ts'
import { median } from './driver.ts'
import { HttpCaller, type HttpFigures } from './http-client.ts'

/**
 * `npm run bench:http`: HTTP clients before one stdio server, through a bare relay, through jit (token, policy, trail) and, where
 * BENCH_PEERS names a folder in which they are installed, through the npm packages mcp-proxy and supergateway. They take turns.
 */
const rounds = Number(process.env['BENCH_ROUNDS'] ?? 5)
const echo = join(root, 'test/bench/echo-server.mjs')
const peers = process.env['BENCH_PEERS'] ?? ''
const home = mkdtempSync(join(tmpdir(), 'jit-bench-'))
const children: ChildProcess[] = []

try {
  const paths = new Map<string, HttpCaller>()
  for (const [name, make] of Object.entries({
    relay: startRelay,
    jit: startJit,
    'mcp-proxy': startMcpProxy,
    supergateway: startSupergateway,
  })) {
    const caller = await make()
    if (caller === undefined) continue
    await caller.open()
    paths.set(name, caller)
  }
  const figures = new Map<string, HttpFigures[]>()
  for (let round = 0; round < rounds; round += 1) {
    for (const [name, caller] of paths) figures.set(name, [...(figures.get(name) ?? []), await caller.measure(1000)])
  }
  const middle = (name: string, key: keyof HttpFigures): number => median((figures.get(name) ?? []).map((each) => each[key]))
  const report = Object.fromEntries(
    [...paths.keys()].map((name) => [
      name,
      { p50: middle(name, 'p50'), p99: middle(name, 'p99'), callsAt16: middle(name, 'callsAt16'), rounds: figures.get(name) },
    ]),
  )
  if (process.argv.includes('--json')) console.log(JSON.stringify(report, null, 2))
  else
    for (const [name, { p50, p99, callsAt16 }] of Object.entries(report))
      console.log(`${name.padEnd(14)} p50 ${p50.toFixed(3)} ms  p99 ${p99.toFixed(2)} ms  ${Math.round(callsAt16)} calls/s at 16`)
} finally {
  await runJit(home, ['stop'])
  for (const child of children) child.kill()
  rmSync(home, { recursive: true, force: true })
}
process.exit()

async function startRelay(): Promise<HttpCaller> {
  const port = await freePort()
  return started([join(root, 'test/bench/http-relay.mjs'), String(port), echo], port, '/')
}

async function startJit(): Promise<HttpCaller> {
  const port = await freePort()
  const config = `version: 1\nhttp: { port: ${port} }\nservers:\n  bench: { run: [node, ${JSON.stringify(echo)}], allow: [echo] }\n`
  writeFileSync(join(home, 'jit.yaml'), config, { mode: 0o600 })
  const { token } = z.object({ token: z.string() }).parse(await jitJson(home, ['token', 'add', 'bench']))
  await listens(port)
  return new HttpCaller(`http://127.0.0.1:${port}/mcp/bench`, { authorization: `Bearer ${token}` })
}

async function startMcpProxy(): Promise<HttpCaller | undefined> {
  const program = join(peers, 'node_modules/.bin/mcp-proxy')
  if (peers === '' || !existsSync(program)) return undefined
  const port = await freePort()
  return started([program, '--port', String(port), '--host', '127.0.0.1', '--', process.execPath, echo], port, '/mcp')
}

async function startSupergateway(): Promise<HttpCaller | undefined> {
  const program = join(peers, 'node_modules/.bin/supergateway')
  if (peers === '' || !existsSync(program)) return undefined
  const port = await freePort()
  const options = ['--outputTransport', 'streamableHttp', '--stateful', '--logLevel', 'none']
  return started([program, '--stdio', `${process.execPath} ${echo}`, ...options, '--port', String(port)], port, '/mcp')
}

async function started(args: readonly string[], port: number, path: string): Promise<HttpCaller> {
  children.push(spawn(process.execPath, args, { env: demoEnvironment(home), stdio: 'ignore' }))
  await listens(port)
  return new HttpCaller(`http://127.0.0.1:${port}${path}`)
}

function freePort(): Promise<number> {
  return new Promise((settle) => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const address = server.address()
      server.close(() => settle(typeof address === 'object' && address !== null ? address.port : 0))
    })
  })
}

async function listens(port: number): Promise<void> {
  for (let attempt = 0; attempt < 400; attempt += 1) {
    const open = await new Promise<boolean>((settle) => {
      const socket = connect(port, '127.0.0.1')
      socket.once('error', () => settle(false))
      socket.once('connect', () => {
        socket.destroy()
        settle(true)
      })
    })
    if (open) return
    await new Promise((settle) => setTimeout(settle, 50))
  }
  throw new Error(`nothing listens at ${port}`)
}
