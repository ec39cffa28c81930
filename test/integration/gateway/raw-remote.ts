import type { IncomingMessage, ServerResponse } from 'node:http'
import { remoteConfig } from './remote.ts'
import { type Bench, type Client, openBench } from './support.ts'

export interface RawMessage {
  readonly id?: string | number
  readonly method?: string
}
export type Behave = (response: ServerResponse, message: RawMessage, request: IncomingMessage) => void

/** A remote server that behaves itself, but for the methods (of JSON-RPC, or GET) that a test speaks for. */
export async function openRaw(
  config = remoteConfig(),
): Promise<{ bench: Bench; client: Client; on(method: string, behave: Behave): void; token(): string }> {
  const own = new Map<string, Behave>()
  const bench = await openBench(config)
  bench.upstream.answer = (request, response) => {
    let text = ''
    response.on('error', () => undefined)
    request.on('data', (chunk: Buffer) => (text += chunk.toString()))
    request.once('end', () => {
      const message: RawMessage = text === '' ? {} : JSON.parse(text)
      const custom = own.get(message.method ?? request.method ?? '')
      if (custom === undefined) behave(response, message, request)
      else custom(response, message, request)
    })
  }
  const client = await (await bench.client('remote')).initialize()
  return {
    bench,
    client,
    on: (method, custom) => void own.set(method, custom),
    token: () => bench.provider.tokens[0]?.value ?? '?',
  }
}

function behave(response: ServerResponse, { id, method }: RawMessage, request: IncomingMessage): void {
  if (id === undefined) return void response.writeHead(request.method === 'GET' ? 405 : 202).end()
  const result =
    method === 'initialize'
      ? { protocolVersion: '2025-06-18', capabilities: {}, serverInfo: { name: 'x', version: '1' } }
      : method === 'tools/call'
        ? { content: [{ type: 'text', text: 'fine' }] }
        : { tools: [] }
  response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify({ jsonrpc: '2.0', id, result }))
}
