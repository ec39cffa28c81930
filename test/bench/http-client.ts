import { Agent, request } from 'node:http'
import type { Caller } from './driver.ts'

const agent = new Agent({ keepAlive: true, maxSockets: 64 })

/** A client of Streamable HTTP that does nothing but measure: keep-alive connections, answers read to their end. */
export class HttpCaller implements Caller {
  readonly #url: URL
  readonly #headers: Readonly<Record<string, string>>
  #session: string | undefined
  #next = 1

  constructor(url: string, headers: Readonly<Record<string, string>> = {}) {
    this.#url = new URL(url)
    this.#headers = headers
  }

  async open(): Promise<void> {
    const clientInfo = { name: 'bench', version: '1' }
    const params = { protocolVersion: '2025-06-18', capabilities: {}, clientInfo }
    this.#session = (await this.#post({ jsonrpc: '2.0', id: 0, method: 'initialize', params })).session
    await this.#post({ jsonrpc: '2.0', method: 'notifications/initialized' })
    await this.#post({ jsonrpc: '2.0', id: this.#next++, method: 'tools/list', params: {} })
  }

  async call(size: number, tool = 'echo'): Promise<void> {
    const params = { name: tool, arguments: { owner: 'acme', repo: 'web', size } }
    const { status, text } = await this.#post({ jsonrpc: '2.0', id: this.#next++, method: 'tools/call', params })
    if (status !== 200 || text.length < size || !text.includes('"result"') || text.includes('"isError":true'))
      throw new Error(`${this.#url.href}: ${status} ${text.slice(0, 300)}`)
  }

  #post(message: object): Promise<{ status: number; text: string; session: string | undefined }> {
    const body = JSON.stringify(message)
    return new Promise((settle, fail) => {
      const headers = {
        'content-type': 'application/json',
        accept: 'application/json, text/event-stream',
        'content-length': String(Buffer.byteLength(body)),
        ...(this.#session === undefined ? {} : { 'mcp-session-id': this.#session }),
        ...this.#headers,
      }
      const { hostname, port, pathname } = this.#url
      const outgoing = request({ host: hostname, port, path: pathname, method: 'POST', agent, headers }, (response) => {
        let text = ''
        response.setEncoding('utf8').on('data', (chunk: string) => (text += chunk))
        response.once('end', () => {
          const session = response.headers['mcp-session-id']
          settle({ status: response.statusCode ?? 0, text, session: typeof session === 'string' ? session : undefined })
        })
      })
      outgoing.once('error', fail)
      outgoing.end(body)
    })
  }
}
