import { connect, type Socket } from 'node:net'
import type { Caller } from './driver.ts'

interface Answer {
  readonly status: number
  readonly text: string
  readonly session: string | undefined
}

/**
 * A client of Streamable HTTP that does nothing but measure: requests written by hand on connections that stay, one at a time on
 * each, answers read to their end. An HTTP library takes as long for a request as the proxies that are compared, on the same
 * processors.
 */
export class HttpCaller implements Caller {
  readonly #url: URL
  readonly #headers: string
  readonly #idle: Wire[] = []
  #session = ''
  #next = 1

  constructor(url: string, headers: Readonly<Record<string, string>> = {}) {
    this.#url = new URL(url)
    this.#headers = Object.entries(headers)
      .map(([name, value]) => `${name}: ${value}\r\n`)
      .join('')
  }

  async open(): Promise<void> {
    const clientInfo = { name: 'bench', version: '1' }
    const params = { protocolVersion: '2025-06-18', capabilities: {}, clientInfo }
    const { session } = await this.#post({ jsonrpc: '2.0', id: 0, method: 'initialize', params })
    if (session !== undefined) this.#session = `mcp-session-id: ${session}\r\n`
    await this.#post({ jsonrpc: '2.0', method: 'notifications/initialized' })
    await this.#post({ jsonrpc: '2.0', id: this.#next++, method: 'tools/list', params: {} })
  }

  async call(size: number, tool = 'echo'): Promise<void> {
    const params = { name: tool, arguments: { owner: 'acme', repo: 'web', size } }
    const { status, text } = await this.#post({ jsonrpc: '2.0', id: this.#next++, method: 'tools/call', params })
    if (status !== 200 || text.length < size || !text.includes('"result"') || text.includes('"isError":true'))
      throw new Error(`${this.#url.href}: ${status} ${text.slice(0, 300)}`)
  }

  async #post(message: object): Promise<Answer> {
    const body = JSON.stringify(message)
    const wire = this.#take()
    const answer = await wire.ask(
      `POST ${this.#url.pathname} HTTP/1.1\r\nhost: ${this.#url.host}\r\ncontent-type: application/json\r\n` +
        `accept: application/json, text/event-stream\r\ncontent-length: ${Buffer.byteLength(body)}\r\n${this.#session}${this.#headers}\r\n${body}`,
    )
    this.#idle.push(wire)
    return answer
  }

  /** Servers close what was idle for some seconds. */
  #take(): Wire {
    for (let wire = this.#idle.pop(); wire !== undefined; wire = this.#idle.pop()) if (wire.open) return wire
    return new Wire(this.#url)
  }
}

/** One connection. */
class Wire {
  readonly #socket: Socket
  #text = ''
  #settle: ((answer: Answer) => void) | undefined
  #fail: ((error: Error) => void) | undefined

  constructor({ hostname, port }: URL) {
    this.#socket = connect({ host: hostname, port: Number(port), noDelay: true }).setEncoding('latin1')
    this.#socket.on('data', (chunk) => this.#read(String(chunk)))
    this.#socket.once('error', (error) => this.#fail?.(error))
    this.#socket.once('close', () => this.#fail?.(new Error('the connection was closed')))
  }

  get open(): boolean {
    return this.#socket.writable
  }

  ask(request: string): Promise<Answer> {
    return new Promise((settle, fail) => {
      this.#settle = settle
      this.#fail = fail
      this.#socket.write(request)
    })
  }

  #read(chunk: string): void {
    this.#text += chunk
    const end = this.#text.indexOf('\r\n\r\n')
    if (end === -1) return
    const head = this.#text.slice(0, end)
    const body = this.#text.slice(end + 4)
    const length = /\r\ncontent-length: *(\d+)/i.exec(head)?.[1]
    const isWhole =
      length === undefined ? !/\r\ntransfer-encoding:/i.test(head) || body.endsWith('0\r\n\r\n') : body.length >= Number(length)
    if (!isWhole) return
    this.#text = ''
    const session = /\r\nmcp-session-id: *(\S+)/i.exec(head)?.[1]
    this.#settle?.({ status: Number(head.slice(9, 12)), text: body, session })
  }
}
