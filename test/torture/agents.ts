import type { Client } from '@modelcontextprotocol/sdk/client/index.js'
import { StdioClientTransport } from '@modelcontextprotocol/sdk/client/stdio.js'
import { openAgent } from '../support/agent.ts'

export type Answer = 'result' | 'error' | 'none'

/** Milliseconds within which a client must hear of a call that was in flight. */
const patience = 20_000
const timedOut = -32001

/** MCP clients, one for each server, that start their shim again when it is gone. */
export class Agents {
  readonly #home: string
  readonly #open = new Map<string, Promise<Client>>()

  constructor(home: string) {
    this.#home = home
  }

  /** Process id of the shim; undefined while there is none. */
  async shim(server: string): Promise<number | undefined> {
    const transport = (await this.#client(server)).transport
    return transport instanceof StdioClientTransport ? (transport.pid ?? undefined) : undefined
  }

  /** `none`: it was never answered, which must not be. */
  async call(server: string, tool: string, args: Record<string, unknown>): Promise<Answer> {
    return outcomeOf(async (options) => (await this.#client(server)).callTool({ name: tool, arguments: args }, undefined, options))
  }

  /** Ends the shim; the next call starts another. */
  async reconnect(server: string): Promise<void> {
    const known = this.#open.get(server)
    this.#open.delete(server)
    await (await known?.catch(() => undefined))?.close().catch(() => undefined)
  }

  async close(): Promise<void> {
    for (const client of this.#open.values()) await (await client).close().catch(() => undefined)
  }

  #client(server: string): Promise<Client> {
    const known = this.#open.get(server)
    if (known !== undefined) return known
    const opening = openAgent(this.#home, server, 'torture')
    this.#open.set(server, opening)
    const forget = (): void => {
      if (this.#open.get(server) === opening) this.#open.delete(server)
    }
    opening.then((client) => (client.onclose = forget), forget)
    return opening
  }
}

/** What came of a call. */
export async function outcomeOf(call: (options: { timeout: number }) => Promise<{ readonly [name: string]: unknown }>): Promise<Answer> {
  try {
    return (await call({ timeout: patience }))['isError'] === true ? 'error' : 'result'
  } catch (error) {
    return Reflect.get(Object(error), 'code') === timedOut ? 'none' : 'error'
  }
}
