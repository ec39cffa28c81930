import { type ChildProcess, spawn } from 'node:child_process'
import { readFileSync } from 'node:fs'
import type { Clock } from '../../core/clock.ts'
import type { Logger } from '../../core/types.ts'
import type { ChildTable } from '../../store/store.ts'
import { batchedWriter } from '../batched.ts'
import { lineReader } from '../lines.ts'
import type { LaunchSpec } from '../types.ts'

export interface ChildOptions {
  readonly server: string
  readonly lane: string
  readonly launch: LaunchSpec
  readonly environment: Readonly<Record<string, string>>
  readonly children: ChildTable
  readonly clock: Clock
  readonly log: Logger
  /** Longest line in bytes. */
  readonly cap: number
  scrub(text: string): string
  onLine(line: Buffer): void
  onTooLong(bytes: number, head: Buffer): void
  /** Once: `exit code 1`, `signal SIGKILL`, or why it could not be started; and its last words. */
  onEnd(how: string, lastWords: string): void
}

const grace = 2000

/** A local MCP server: a process group of its own, lines on stdin and stdout, its stderr scrubbed into the log. */
export class Child {
  readonly #process: ChildProcess
  readonly #options: ChildOptions
  readonly #write: (data: Buffer | string) => boolean
  #words: string[] = []
  #ended = false
  #closing = false

  constructor(options: ChildOptions) {
    this.#options = options
    const { launch } = options
    this.#process = spawn(launch.command, [...launch.args], {
      cwd: launch.cwd,
      env: { ...options.environment },
      stdio: ['pipe', 'pipe', 'pipe'],
      detached: true,
    })
    const { pid } = this.#process
    if (pid !== undefined)
      options.children.add({ pid, startTime: startTimeOf(pid), processGroup: pid, server: options.server, lane: options.lane })
    this.#process.stdin?.on('error', () => undefined)
    this.#write = this.#process.stdin === null ? () => true : batchedWriter(this.#process.stdin)
    this.#process.stdout?.on(
      'data',
      lineReader(options.cap, (line) => line.length > 0 && options.onLine(line), options.onTooLong),
    )
    this.#process.stderr?.on(
      'data',
      lineReader(
        64 * 1024,
        (line) => this.#hear(line),
        () => undefined,
      ),
    )
    this.#process.once('error', (error) => this.#end(`it could not be started: ${error.message}`))
    this.#process.once('close', (code, signal) => this.#end(signal === null ? `exit code ${code ?? '?'}` : `signal ${signal}`))
  }

  get pid(): number {
    return this.#process.pid ?? 0
  }

  /** False when the child reads too slowly: then wait for `drained`. */
  send(line: string | Buffer): boolean {
    if (this.#process.stdin?.writable !== true) return true
    if (typeof line === 'string') return this.#write(`${line}\n`)
    this.#write(line)
    return this.#write('\n')
  }

  drained(callback: () => void): void {
    this.#process.stdin?.once('drain', callback)
  }

  pause(): void {
    this.#process.stdout?.pause()
  }

  resume(): void {
    this.#process.stdout?.resume()
  }

  /** End of stdin, then SIGTERM, then SIGKILL, to the whole group. */
  close(): Promise<void> {
    if (this.#ended) return Promise.resolve()
    if (!this.#closing) {
      this.#closing = true
      this.#process.stdin?.end()
      this.#options.clock.after(grace, () => this.#signal('SIGTERM'))
      this.#options.clock.after(2 * grace, () => this.#signal('SIGKILL'))
    }
    return new Promise((resolve) => this.#process.once('close', () => resolve()))
  }

  kill(): void {
    this.#signal('SIGKILL')
  }

  #signal(signal: NodeJS.Signals): void {
    if (this.#ended || this.#process.pid === undefined) return
    try {
      process.kill(-this.#process.pid, signal)
    } catch {
      // The group is gone already.
    }
  }

  #hear(line: Buffer): void {
    const text = this.#options.scrub(line.toString('utf8', 0, 4000))
    this.#words = [...this.#words.slice(-49), text]
    this.#options.log.debug('server stderr', { server: this.#options.server, lane: this.#options.lane, text })
  }

  #end(how: string): void {
    if (this.#ended) return
    // What the child started may outlive it; nothing of a lane does.
    this.#signal('SIGKILL')
    this.#ended = true
    if (this.#process.pid !== undefined) this.#options.children.remove(this.#process.pid)
    this.#options.launch.release?.()
    this.#options.onEnd(how, this.#words.at(-1) ?? '')
  }
}

/** Field 22 of /proc/PID/stat, behind the parenthesised name; 0 where there is no /proc. */
export function startTimeOf(pid: number): number {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
    return Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19])
  } catch {
    return 0
  }
}
