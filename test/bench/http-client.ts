import { Agent, request } from 'node:http'
import { median, quantile } from './driver.ts'

const agent = new Agent({ keepAlive: true, maxSockets: 64 })

export interface HttpFigures {
  readonly p50: number
  readonly p99: number
  /** At 16 concurrent calls. */
  readonly callsAt16: number
}

/** A client of Streamable HTTP that does nothing but measure: keep-alive connections, answers read to their end. */
export class HttpCaller {
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
    for (let count = 0; count < 500; count += 1) await this.#call()
  }

  async measure(calls: number): Promise<HttpFigures> {
    const took: number[] = []
    for (let count = 0; count < calls; count += 1) took.push(await this.#call())
    const began = performance.now()
    let left = calls * 4
    const worker = async (): Promise<void> => {
      while (left > 0) {
        left -= 1
        await this.#call()
      }
    }
    await Promise.all(Array.from({ length: 16 }, worker))
    return {
      p50: median(took),
      p99: quantile(
        [...took].sort((left, right) => left - right),
        0.99,
      ),
      callsAt16: (calls * 4 * 1000) / (performance.now() - began),
    }
  }

  /** Milliseconds. */
  async #call(): Promise<number> {
    const began = performance.now()
    const params = { name: 'echo', arguments: { size: 100 } }
    const { status, text } = await this.#post({ jsonrpc: '2.0', id: this.#next++, method: 'tools/call', params })
    if (status !== 200 || !text.includes('"result"')) throw new Error(`${this.#url.href}: ${status} ${text}`)
    return performance.now() - began
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
