import { type ChildProcess, spawn } from 'node:child_process'
import { createInterface } from 'node:readline'

export interface Program {
  readonly command: string
  readonly args: readonly string[]
  readonly env?: Readonly<Record<string, string>>
}

export type Message = Record<string, unknown>

/** A program that speaks MCP over its stdio, one message a line. */
export class Pipe {
  readonly #child: ChildProcess
  readonly ended: Promise<void>
  onMessage: (message: Message) => void = () => undefined

  constructor({ command, args, env }: Program) {
    this.#child = spawn(command, args, { stdio: ['pipe', 'pipe', 'ignore'], ...(env === undefined ? {} : { env: { ...env } }) })
    this.ended = new Promise((settle) => this.#child.once('close', () => settle()))
    // A program that is gone takes nothing more; that it is gone shows in `ended`.
    this.#child.stdin?.on('error', () => undefined)
    if (this.#child.stdout === null) throw new Error('no stdout')
    createInterface({ input: this.#child.stdout }).on('line', (line) => {
      const message = parse(line)
      if (message !== undefined) this.onMessage(message)
    })
  }

  send(message: unknown): void {
    this.#child.stdin?.write(`${JSON.stringify(message)}\n`)
  }

  /** Ends its input, as a client that leaves does; kills it when that is not enough within 3 s. */
  async close(): Promise<void> {
    this.#child.stdin?.end()
    const timer = setTimeout(() => this.#child.kill('SIGKILL'), 3000)
    await this.ended
    clearTimeout(timer)
  }
}

function parse(line: string): Message | undefined {
  try {
    const value: unknown = JSON.parse(line)
    return isObject(value) ? value : undefined
  } catch {
    return undefined
  }
}

export function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
