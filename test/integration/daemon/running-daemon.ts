import { type ChildProcess, spawn } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { request } from 'node:http'
import { tmpdir } from 'node:os'
import { createInterface } from 'node:readline'
import { join } from 'node:path'
import { onTestFinished } from 'vitest'
import { demoEnvironment, root } from '../../support/command.ts'

export interface Answer {
  readonly status: number
  readonly text: string
  /** The body as JSON; undefined when it is none. */
  readonly body: unknown
}

export interface AskOptions {
  readonly body?: unknown
  /** Sent as it is. */
  readonly raw?: string
  readonly headers?: Readonly<Record<string, string>>
}

/** A daemon in a process of its own, on a home of its own, and its API over the real socket. */
export interface RunningDaemon {
  readonly home: string
  readonly pid: number
  readonly apiSocket: string
  readonly connectSocket: string
  ask(method: string, path: string, options?: AskOptions): Promise<Answer>
  alive(): boolean
  signal(name: NodeJS.Signals): void
  /** Exit code, once it has ended. */
  readonly ended: Promise<number | null>
  stderr(): string
  log(): string
}

/** A folder with a config file; it goes away with the test. */
export function makeHome(config = 'version: 1\n'): string {
  const home = makeHomeFor(config)
  onTestFinished(() => rmSync(home, { recursive: true, force: true }))
  return home
}

/** The same for what outlives a test (`beforeAll`); its owner removes it. */
export function makeHomeFor(config: string): string {
  const home = mkdtempSync(join(tmpdir(), 'jit-home-'))
  writeFileSync(join(home, 'jit.yaml'), config, { mode: 0o600 })
  return home
}

export interface StartOptions {
  readonly environment?: Readonly<Record<string, string>>
  /** Ends with the test; false for what outlives it (`beforeAll`). */
  readonly untilTestEnds?: boolean
}

/** Starts `src/daemon/main.ts`; resolves when it answers, or when it has ended. */
export async function startDaemon(home: string, options: StartOptions = {}): Promise<RunningDaemon> {
  const child = spawn(process.execPath, [join(root, 'src/daemon/main.ts')], {
    cwd: root,
    env: { ...demoEnvironment(home), ...options.environment },
    stdio: ['ignore', 'ignore', 'pipe'],
  })
  let words = ''
  child.stderr.setEncoding('utf8').on('data', (text: string) => (words += text))
  const ended = new Promise<number | null>((settle) => child.once('close', (code) => settle(code)))
  const apiSocket = join(home, 'run', 'api.sock')
  const daemon: RunningDaemon = {
    home,
    pid: child.pid ?? 0,
    apiSocket,
    connectSocket: join(home, 'run', 'connect.sock'),
    ask: (method, path, asked) => ask(apiSocket, method, path, asked),
    alive: () => child.exitCode === null && child.signalCode === null,
    signal: (name) => void child.kill(name),
    ended,
    stderr: () => words,
    log: () => (existsSync(join(home, 'jit.log')) ? readFileSync(join(home, 'jit.log'), 'utf8') : ''),
  }
  if (options.untilTestEnds !== false) onTestFinished(() => endDaemon(child, ended))
  await ready(daemon, ended)
  return daemon
}

async function endDaemon(child: ChildProcess, ended: Promise<unknown>): Promise<void> {
  child.kill('SIGKILL')
  await ended
}

/** Asks until the API answers; a daemon that ended does not. */
async function ready(daemon: RunningDaemon, ended: Promise<unknown>): Promise<void> {
  for (let attempt = 0; attempt < 400; attempt += 1) {
    if (!daemon.alive()) return void (await ended)
    const answer = await daemon.ask('GET', '/v1/kinds').catch(() => undefined)
    if (answer !== undefined) return
    await new Promise((settle) => setTimeout(settle, 50))
  }
  throw new Error(`the daemon did not answer: ${daemon.stderr()} ${daemon.log()}`)
}

function ask(socketPath: string, method: string, path: string, options: AskOptions = {}): Promise<Answer> {
  const payload = options.raw ?? (options.body === undefined ? undefined : JSON.stringify(options.body))
  return new Promise((settle, fail) => {
    const outgoing = request(
      {
        socketPath,
        method,
        path,
        agent: false,
        headers: {
          host: 'jit',
          ...(payload === undefined ? {} : { 'content-type': 'application/json', 'content-length': String(Buffer.byteLength(payload)) }),
          ...options.headers,
        },
      },
      (response) => {
        let text = ''
        response.setEncoding('utf8').on('data', (chunk: string) => (text += chunk))
        response.once('error', fail)
        response.once('end', () => settle({ status: response.statusCode ?? 0, text, body: parse(text) }))
      },
    )
    outgoing.once('error', fail)
    outgoing.end(payload)
  })
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

export interface Records {
  /** The next record that `wanted` takes. */
  first(wanted: (record: Record<string, unknown>) => boolean): Promise<Record<string, unknown>>
  close(): void
}

/** The records of an open stream of the trail, as they come. */
export function recordsOf(home: string, path: string): Records {
  const outgoing = request({ socketPath: join(home, 'run', 'api.sock'), path, agent: false, headers: { host: 'jit' } })
  const lines = new Promise<AsyncIterator<string>>((settle, fail) => {
    outgoing.once('error', fail)
    outgoing.once('response', (response) => settle(createInterface({ input: response })[Symbol.asyncIterator]()))
  })
  lines.catch(() => undefined)
  outgoing.end()
  return {
    async first(wanted) {
      const iterator = await lines
      for (;;) {
        const next = await iterator.next()
        if (next.done === true) throw new Error('the stream ended')
        const record: Record<string, unknown> = JSON.parse(next.value)
        if (wanted(record)) return record
      }
    },
    close: () => void outgoing.destroy(),
  }
}
