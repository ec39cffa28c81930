import { type ChildProcess, spawn } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { type Readable, Writable } from 'node:stream'
import { Outlet } from '../../api/outlet.js'
import type { Clock } from '../../core/clock.ts'
import { JitError } from '../../core/errors.ts'
import type { Logger } from '../../core/types.ts'
import type { ChildTable } from '../../store/store.ts'
import { lineReader } from '../protocol/lines.ts'
import type { LaunchSpec } from '../types.ts'
import type { Upstream, UpstreamEvents } from './upstream.ts'

export interface ChildOptions extends UpstreamEvents {
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
}

const grace = 2000
/** For a child that does not read any more: time to end by itself, so that its exit code is what people see. */
const deafGrace = 500

type Started = ChildProcess & { readonly stdin: Writable; readonly stdout: Readable; readonly stderr: Readable }

/** A local MCP server: a process group of its own, lines on stdin and stdout, its stderr scrubbed into the log. */
export class Child implements Upstream {
  readonly #process: Started
  readonly #options: ChildOptions
  readonly #outlet: Outlet
  #words: string[] = []
  /** Until the child has read what it was sent. However many wait, one pair of listeners stands on its pipe. */
  #waiting: (() => void)[] = []
  #exited = false
  #ended = false
  #closing = false
  #deaf = false

  /** Throws JitError `server.start`, or what the table of children throws: then nothing runs. */
  constructor(options: ChildOptions) {
    this.#options = options
    this.#process = start(options)
    const { stdin, stdout, stderr, pid } = this.#process
    for (const stream of [stdout, stderr]) stream.on('error', () => undefined)
    stdin.on('error', () => this.#turnDeaf())
    this.#outlet = new Outlet(stdin)
    this.#process.once('error', (error) => this.#end(`it could not be started: ${error.message}`))
    this.#process.once('exit', () => this.#bury())
    this.#process.once('close', (code, signal) =>
      this.#end(
        this.#deaf && signal === 'SIGKILL' ? 'it closed its input' : signal === null ? `exit code ${code ?? '?'}` : `signal ${signal}`,
      ),
    )
    try {
      if (pid !== undefined)
        options.children.add({ pid, startTime: startTimeOf(pid), processGroup: pid, server: options.server, lane: options.lane })
    } catch (error) {
      this.#signal('SIGKILL')
      throw error
    }
    stdout.on(
      'data',
      lineReader(options.cap, (line) => line.length > 0 && options.onLine(line), options.onTooLong),
    )
    stderr.on(
      'data',
      lineReader(
        64 * 1024,
        (line) => this.#hear(line),
        () => undefined,
      ),
    )
  }

  get pid(): number {
    return this.#process.pid ?? 0
  }

  /** False when the child reads too slowly: then wait for `drained`. */
  send(line: string | Buffer): boolean {
    if (!this.#process.stdin.writable) return true
    return this.#outlet.send(line, '\n')
  }

  /** Bytes that the child was sent and has not read. */
  get backlog(): number {
    return this.#outlet.pending
  }

  /** Calls back once the child has read what was sent, or will never read it. */
  drained(callback: () => void): void {
    const { stdin } = this.#process
    if (stdin.closed || !stdin.writableNeedDrain) return callback()
    this.#waiting.push(callback)
    if (this.#waiting.length > 1) return
    const done = (): void => {
      stdin.off('drain', done).off('close', done)
      const waiting = this.#waiting
      this.#waiting = []
      for (const go of waiting) go()
    }
    stdin.once('drain', done).once('close', done)
  }

  pause(): void {
    if (!this.#closing) this.#process.stdout.pause()
  }

  resume(): void {
    this.#process.stdout.resume()
  }

  /** End of stdin, then SIGTERM, then SIGKILL, to the whole group. What it still says is not heard. */
  close(): Promise<void> {
    if (this.#ended) return Promise.resolve()
    if (!this.#closing) {
      this.#closing = true
      this.#outlet.end()
      // Nobody reads a paused stream to its end, and before that no process counts as closed.
      this.#process.stdout.removeAllListeners('data').resume()
      this.#options.clock.after(grace, () => this.#signal('SIGTERM'))
      this.#options.clock.after(2 * grace, () => this.#signal('SIGKILL'))
    }
    return new Promise((resolve) => this.#process.once('close', () => resolve()))
  }

  #signal(signal: NodeJS.Signals): void {
    if (this.#exited || this.#process.pid === undefined) return
    try {
      process.kill(-this.#process.pid, signal)
    } catch {
      // The group is gone already.
    }
  }

  /** A child that takes no more input is of no use: it gets no call, and those that it has would wait for ever. */
  #turnDeaf(): void {
    if (this.#deaf || this.#closing) return
    this.#deaf = true
    this.#options.clock.after(deafGrace, () => this.#signal('SIGKILL'))
  }

  /** What the child started may outlive it and hold its pipes; nothing of a lane does. What left the group loses the pipes. */
  #bury(): void {
    this.#signal('SIGKILL')
    this.#exited = true
    this.#options.clock.after(grace, () => {
      this.#process.stdout.destroy()
      this.#process.stderr.destroy()
    })
  }

  #hear(line: Buffer): void {
    const text = this.#options.scrub(line.toString('utf8')).slice(0, 4000)
    this.#words = [...this.#words.slice(-49), text]
    this.#options.log.debug('server stderr', { server: this.#options.server, lane: this.#options.lane, text })
  }

  #end(how: string): void {
    if (this.#ended) return
    this.#ended = true
    try {
      if (this.#process.pid !== undefined) this.#options.children.remove(this.#process.pid)
    } catch (error) {
      this.#options.log.error('end of a child not stored', { server: this.#options.server, error: String(error) })
    }
    this.#options.launch.release?.()
    this.#options.onEnd(how, this.#words.at(-1) ?? '')
  }
}

/** Most failures come as an event later; a command line that is too long, for one, is thrown. */
function start({ launch, environment, server }: ChildOptions): Started {
  try {
    const child: ChildProcess = spawn(launch.command, [...launch.args], {
      cwd: launch.cwd,
      env: { ...environment },
      stdio: ['pipe', 'pipe', 'pipe', ...(launch.handed === undefined ? [] : ['pipe' as const])],
      detached: true,
    })
    if (!hasPipes(child)) {
      // It says the same once more, as an event.
      child.on('error', () => undefined)
      throw new Error('no file descriptors are left for its pipes')
    }
    if (launch.handed !== undefined) hand(child, launch.handed)
    return child
  } catch (error) {
    throw new JitError('server.start', `server ${server} could not be started: ${error instanceof Error ? error.message : String(error)}`)
  }
}

/** One that ends before it has read it has its own words about that. */
function hand(child: ChildProcess, text: string): void {
  const pipe = child.stdio[3]
  if (!(pipe instanceof Writable)) return
  pipe.on('error', () => undefined)
  pipe.end(text)
}

/** Against its type, Node gives none when the process is out of file descriptors. */
function hasPipes(child: ChildProcess): child is Started {
  return Boolean(child.stdin && child.stdout && child.stderr)
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
