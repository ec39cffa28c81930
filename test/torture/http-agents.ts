import { Client } from '@modelcontextprotocol/sdk/client/index.js'
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js'
import { type Answer, outcomeOf } from './agents.ts'

interface Entered {
  readonly client: Client
  readonly transport: StreamableHTTPClientTransport
}

/** MCP clients at the HTTP door, one for each server. */
export class HttpAgents {
  readonly #open = new Map<string, Promise<Entered>>()
  #address = ''
  #token = ''

  enter(address: string, token: string): void {
    this.#address = address
    this.#token = token
  }

  async call(server: string, tool: string, args: Record<string, unknown>): Promise<Answer> {
    return outcomeOf(async (options) => (await this.#client(server)).client.callTool({ name: tool, arguments: args }, undefined, options))
  }

  /** Ends the session; the next call opens another. */
  async reconnect(server: string): Promise<void> {
    const known = this.#open.get(server)
    this.#open.delete(server)
    const entered = await known?.catch(() => undefined)
    await entered?.transport.terminateSession().catch(() => undefined)
    await entered?.client.close().catch(() => undefined)
  }

  async close(): Promise<void> {
    for (const server of this.#open.keys()) await this.reconnect(server)
  }

  #client(server: string): Promise<Entered> {
    const known = this.#open.get(server)
    if (known !== undefined) return known
    const opening = this.#connect(server)
    this.#open.set(server, opening)
    opening.catch(() => this.#open.get(server) === opening && this.#open.delete(server))
    return opening
  }

  async #connect(server: string): Promise<Entered> {
    const client = new Client({ name: 'torture', version: '1.0.0' })
    const headers = { Authorization: `Bearer ${this.#token}` }
    const transport = new StreamableHTTPClientTransport(new URL(`${this.#address}/mcp/${server}`), { requestInit: { headers } })
    await client.connect(transport)
    return { client, transport }
  }
}
