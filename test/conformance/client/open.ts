import { Client as ModernClient, StreamableHTTPClientTransport as ModernHttp } from '@modelcontextprotocol/client'
import { StdioClientTransport as ModernStdio } from '@modelcontextprotocol/client/stdio'
import { Client } from '@modelcontextprotocol/sdk/client/index.js'
import { StdioClientTransport } from '@modelcontextprotocol/sdk/client/stdio.js'
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js'
import type { Transport } from '@modelcontextprotocol/sdk/shared/transport.js'
import { CreateMessageRequestSchema, ElicitRequestSchema } from '@modelcontextprotocol/sdk/types.js'
import type { Program } from '../pipe.ts'
import type { Door } from './door.ts'

/** What the scenarios need of a client, whichever SDK it is from. */
export interface AnyClient {
  listTools(): Promise<{ tools: { name: string; inputSchema: Record<string, unknown> }[] }>
  callTool(params: { name: string; arguments: Record<string, unknown> }): Promise<unknown>
  listPrompts(): Promise<{ prompts: { name: string }[] }>
  getPrompt(params: { name: string }): Promise<unknown>
  listResources(): Promise<{ resources: { uri: string }[] }>
  readResource(params: { uri: string }): Promise<unknown>
  getServerCapabilities(): { prompts?: unknown; resources?: unknown } | undefined
  close(): Promise<void>
}

const about = { name: 'conformance-client', version: '1.0.0' }
const capabilities = { sampling: {}, elicitation: { form: { applyDefaults: true } } }
const sampled = { model: 'none', role: 'assistant' as const, content: { type: 'text' as const, text: 'sampled' } }

/** The SDK v1's client, for the revisions with a handshake. */
export async function openLegacy(door: Door): Promise<AnyClient> {
  const client = new Client(about, { capabilities })
  client.setRequestHandler(ElicitRequestSchema, () => ({ action: 'accept', content: {} }))
  client.setRequestHandler(CreateMessageRequestSchema, () => sampled)
  const transport =
    'url' in door
      ? new StreamableHTTPClientTransport(new URL(door.url))
      : new StdioClientTransport({ ...started(door.program), stderr: 'ignore' })
  await client.connect(transport as Transport)
  return client
}

/** The SDK v2's client, kept to 2026-07-28. */
export async function openModern(door: Door): Promise<AnyClient> {
  const client = new ModernClient(about, { capabilities, versionNegotiation: { mode: { pin: '2026-07-28' } } })
  client.setRequestHandler('elicitation/create', () => ({ action: 'accept', content: {} }))
  client.setRequestHandler('sampling/createMessage', () => sampled)
  const transport = 'url' in door ? new ModernHttp(new URL(door.url)) : new ModernStdio({ ...started(door.program), stderr: 'ignore' })
  await client.connect(transport)
  return client
}

function started({ command, args, env }: Program): { command: string; args: string[]; env?: Record<string, string> } {
  return { command, args: [...args], ...(env === undefined ? {} : { env: { ...env } }) }
}
