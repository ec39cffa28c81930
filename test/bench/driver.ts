import { type ChildProcess, spawn } from 'node:child_process'

/** Whatever a tool can be called through. */
export interface Caller {
  /** Rejects when the answer is not one of `size` characters. */
  call(size: number, tool?: string): Promise<void>
}

/** A client that speaks raw lines to a command: what an MCP client does, without an SDK's own cost. */
export class LineClient implements Caller {
  readonly #child: ChildProcess
  readonly #waiting = new Map<number, (line: string) => void>()
  #parts: string[] = []
  #next = 1

  #unmatched: ((line: string) => void) | undefined

  constructor(command: string, args: readonly string[], environment: Record<string, string>, stderr: 'inherit' | 'ignore' = 'inherit') {
    this.#child = spawn(command, [...args], { env: environment, stdio: ['pipe', 'pipe', stderr] })
    this.#child.stdout?.setEncoding('utf8').on('data', (chunk: string) => this.#read(chunk))
  }

  async initialize(): Promise<void> {
    await this.request('initialize', { protocolVersion: '2025-06-18', capabilities: {}, clientInfo: { name: 'bench', version: '1' } })
    this.#child.stdin?.write('{"jsonrpc":"2.0","method":"notifications/initialized"}\n')
    await this.request('tools/list', {})
  }

  request(method: string, params: object): Promise<string> {
    const id = this.#next
    this.#next += 1
    return new Promise((resolve) => {
      this.#waiting.set(id, resolve)
      this.#child.stdin?.write(`${JSON.stringify({ jsonrpc: '2.0', id, method, params })}\n`)
    })
  }

  /** Sends a line as it is; answers with the next line whose id this client did not give out. */
  raw(line: string): Promise<string> {
    return new Promise((resolve) => {
      this.#unmatched = resolve
      this.#child.stdin?.write(`${line}\n`)
    })
  }

  async call(size: number, tool = 'echo'): Promise<void> {
    const line = await this.request('tools/call', { name: tool, arguments: { owner: 'acme', repo: 'web', size } })
    if (line.length < size || line.includes('"isError":true')) throw new Error(`not an answer: ${line.slice(0, 300)}`)
  }

  close(): void {
    this.#child.stdin?.end()
    this.#child.kill()
  }

  #read(chunk: string): void {
    const lines = chunk.split('\n')
    for (const [index, piece] of lines.entries()) {
      this.#parts.push(piece)
      if (index === lines.length - 1) break
      const line = this.#parts.length === 1 ? piece : this.#parts.join('')
      this.#parts = []
      const id = Number(/"id":(\d+)/.exec(line.slice(0, 200))?.[1])
      const settle = this.#waiting.get(id)
      this.#waiting.delete(id)
      if (settle !== undefined) settle(line)
      else if (!line.includes('"method"')) this.#unmatched?.(line)
    }
  }
}

/** Calls until a path's code is compiled as far as it ever will be: a daemon that runs all day is warm. */
export const warmUpCalls = 20_000

/** Milliseconds of `count` calls, one after the other, sorted. */
export async function sequential(client: Caller, count: number, size: number, tool?: string): Promise<number[]> {
  const times: number[] = []
  for (let round = 0; round < count; round += 1) {
    const started = performance.now()
    await client.call(size, tool)
    times.push(performance.now() - started)
  }
  return times.sort((left, right) => left - right)
}

/** Calls a second with `width` calls in flight. */
export async function throughput(client: Caller, count: number, width: number, size = 1000): Promise<number> {
  const started = performance.now()
  let left = count
  const worker = async (): Promise<void> => {
    while (left > 0) {
      left -= 1
      await client.call(size)
    }
  }
  await Promise.all(Array.from({ length: width }, worker))
  return (count / (performance.now() - started)) * 1000
}
