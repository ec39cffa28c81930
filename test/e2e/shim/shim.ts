import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { demoEnvironment, launcher } from '../../support/command.ts'

interface Answer {
  readonly id?: string | number | null
  readonly method?: string
  readonly result?: unknown
  readonly error?: { readonly code: number; readonly message: string; readonly data?: unknown }
}

/** Nodes that a client may have: the one of the tests and, under npm, the one that runs npm. */
export const nodes: readonly string[] = [...new Set([process.execPath, process.env['npm_node_execpath'] ?? process.execPath])]

export function newHome(): string {
  return mkdtempSync(join(tmpdir(), 'jit-shim-'))
}

/** `jit connect <server>` as a client starts it, and what it says. */
export class Shim {
  readonly child: ChildProcess
  readonly lines: string[] = []
  stderr = ''
  /** The exit code; null after a signal. */
  readonly exit: Promise<number | null>
  #parts: string[] = []
  #listeners = new Set<() => void>()

  constructor(
    home: string,
    options: { server?: string; node?: string; launcher?: string; environment?: Record<string, string>; read?: boolean } = {},
  ) {
    this.child = spawn(options.node ?? process.execPath, [options.launcher ?? launcher, 'connect', options.server ?? 'github'], {
      stdio: ['pipe', 'pipe', 'pipe'],
      env: { ...demoEnvironment(home), ...options.environment },
    })
    this.child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      this.stderr += text
      this.#changed()
    })
    if (options.read !== false) this.read()
    this.exit = new Promise((resolve) => this.child.once('close', (code) => resolve(code)))
    this.child.stdin?.on('error', () => undefined)
    void this.exit.then(() => this.#changed())
  }

  /** Begins to take what the shim writes. */
  read(): void {
    this.child.stdout?.setEncoding('utf8').on('data', (text: string) => {
      const pieces = text.split('\n')
      for (const [index, piece] of pieces.entries()) {
        this.#parts.push(piece)
        if (index === pieces.length - 1) break
        this.lines.push(this.#parts.join(''))
        this.#parts = []
      }
      this.#changed()
    })
  }

  send(value: unknown): void {
    this.child.stdin?.write(`${typeof value === 'string' ? value : JSON.stringify(value)}\n`)
  }

  /** Sends a request and waits for its answer. */
  async ask(id: string | number, method: string, params: object = {}): Promise<Answer> {
    this.send({ jsonrpc: '2.0', id, method, params })
    return this.answerTo(id)
  }

  async answerTo(id: string | number | null): Promise<Answer> {
    return this.until(() => this.answers().find((answer) => answer.id === id && answer.method === undefined), `an answer to ${String(id)}`)
  }

  answers(): Answer[] {
    return this.lines.map((line) => JSON.parse(line))
  }

  /** Waits for something that the shim's next output, or its end, brings about. */
  async until<T>(look: () => T | undefined, what: string): Promise<T> {
    const deadline = Date.now() + 20_000
    for (;;) {
      const found = look()
      if (found !== undefined) return found
      if (Date.now() > deadline) throw new Error(`no ${what}; stdout: ${this.lines.join('\n').slice(0, 2000)}; stderr: ${this.stderr}`)
      await this.#next()
    }
  }

  async initialize(): Promise<void> {
    await this.ask('init', 'initialize', { protocolVersion: '2025-11-25', capabilities: {}, clientInfo: { name: 'test', version: '1' } })
    this.send({ jsonrpc: '2.0', method: 'notifications/initialized' })
  }

  /** What a client does at its end; answers the exit code. */
  close(): Promise<number | null> {
    this.child.stdin?.end()
    return this.exit
  }

  kill(): void {
    this.child.kill('SIGKILL')
  }

  #changed(): void {
    for (const listener of this.#listeners) listener()
  }

  /** The next output, or soon: what a test waits for may also show in the fake daemon. */
  #next(): Promise<void> {
    return new Promise((resolve) => {
      const done = (): void => {
        clearTimeout(timer)
        this.#listeners.delete(done)
        resolve()
      }
      const timer = setTimeout(done, 20)
      this.#listeners.add(done)
    })
  }
}
