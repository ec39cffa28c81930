import { randomUUID } from 'node:crypto'
import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http'
import { McpServer } from '@modelcontextprotocol/sdk/server/mcp.js'
import { SSEServerTransport } from '@modelcontextprotocol/sdk/server/sse.js'
import { type EventStore, StreamableHTTPServerTransport } from '@modelcontextprotocol/sdk/server/streamableHttp.js'
import type { JSONRPCMessage } from '@modelcontextprotocol/sdk/types.js'
import { z } from 'zod'

/** Tools: `say` a text; `ask` the client a question; `slow` says one progress and answers when `release` is called. */
export interface RemoteFixture {
  readonly listener: RequestListener
  /** The same for a request whose body was read. */
  handle(request: IncomingMessage, response: ServerResponse, body: unknown): Promise<void>
  /** Lets `slow` calls answer. */
  release(): void
  /** Forgets all sessions, as a server that was deployed anew; says so with that status from now on. */
  forget(status?: number): void
  readonly sessions: ReadonlySet<string>
  /** Ids of the requests that clients cancelled. */
  readonly cancelled: string[]
  /** Says something on the stream of no request. */
  announce(): Promise<void>
  /** Ends the answer streams of calls under way. */
  breakOff(): void
}

type Transport = StreamableHTTPServerTransport | SSEServerTransport

function makeServer(released: (go: () => void) => void, cancelled: string[]): McpServer {
  const server = new McpServer({ name: 'remote', version: '1' }, { capabilities: { logging: {} } })
  const text = (value: string) => ({ content: [{ type: 'text' as const, text: value }] })
  const shape = { repo: z.string().optional(), text: z.string().optional() }
  server.registerTool('say', { inputSchema: shape }, (args) => text(args.text ?? ''))
  server.registerTool('ask', { inputSchema: shape }, async (_, { sendRequest }) => {
    const answer = await sendRequest(
      { method: 'elicitation/create', params: { message: 'well?', requestedSchema: { type: 'object', properties: {} } } },
      z.looseObject({ action: z.string() }),
    )
    return text(answer.action)
  })
  server.registerTool('slow', { inputSchema: shape }, async (_, { sendNotification, signal, requestId, _meta }) => {
    signal.addEventListener('abort', () => void cancelled.push(String(requestId)))
    await sendNotification({ method: 'notifications/progress', params: { progressToken: _meta?.progressToken ?? 'none', progress: 1 } })
    await new Promise<void>(released)
    return text('released')
  })
  server.registerResource('note', 'memo://note', {}, () => ({ contents: [{ uri: 'memo://note', text: 'noted' }] }))
  return server
}

/** SDK v1 over Streamable HTTP, or with `sse` over the transport before it. */
export function remoteFixture(
  options: { readonly json?: boolean; readonly sse?: boolean; readonly resumable?: boolean } = {},
): RemoteFixture {
  const transports = new Map<string, Transport>()
  const servers = new Set<McpServer>()
  const waiting: (() => void)[] = []
  const cancelled: string[] = []
  const streams = new Set<ServerResponse>()
  let unknown = 404
  const open = async (transport: Transport): Promise<void> => {
    const server = makeServer((go) => void waiting.push(go), cancelled)
    servers.add(server)
    await server.connect(transport)
  }
  const streamable = async (request: IncomingMessage, response: ServerResponse, body: unknown): Promise<void> => {
    const session = request.headers['mcp-session-id']
    const known = typeof session === 'string' ? transports.get(session) : undefined
    if (session !== undefined && known === undefined)
      return void response
        .writeHead(unknown, { 'content-type': 'application/json' })
        .end('{"jsonrpc":"2.0","error":{"code":-32001,"message":"Session not found"},"id":null}')
    if (known instanceof StreamableHTTPServerTransport) return known.handleRequest(request, response, body)
    const transport = new StreamableHTTPServerTransport({
      sessionIdGenerator: randomUUID,
      enableJsonResponse: options.json ?? false,
      ...(options.resumable === true ? { eventStore: memoryEvents(), retryInterval: 10 } : {}),
      onsessioninitialized: (id) => void transports.set(id, transport),
      onsessionclosed: (id) => void transports.delete(id),
    })
    await open(transport)
    await transport.handleRequest(request, response, body)
  }
  const legacy = async (request: IncomingMessage, response: ServerResponse, body: unknown): Promise<void> => {
    const { pathname, searchParams } = new URL(request.url ?? '', 'http://x')
    if (request.method === 'GET' && pathname === '/mcp') {
      const transport = new SSEServerTransport('/messages', response)
      transports.set(transport.sessionId, transport)
      return open(transport)
    }
    const known = transports.get(searchParams.get('sessionId') ?? '')
    if (known instanceof SSEServerTransport && request.method === 'POST') return known.handlePostMessage(request, response, body)
    response.writeHead(pathname === '/mcp' ? 405 : 404).end()
  }
  const handle = options.sse === true ? legacy : streamable
  return {
    handle,
    listener: (request, response) => {
      let text = ''
      if (request.method === 'POST') streams.add(response)
      request.on('data', (chunk: Buffer) => (text += chunk.toString()))
      request.once('end', () => {
        handle(request, response, text === '' ? undefined : JSON.parse(text)).catch((error: unknown) =>
          response.destroy(error instanceof Error ? error : undefined),
        )
      })
    },
    release: () => {
      for (const go of waiting.splice(0)) go()
    },
    forget(status = 404) {
      unknown = status
      transports.clear()
    },
    get sessions() {
      return new Set(transports.keys())
    },
    cancelled,
    async announce() {
      for (const { server } of servers) await server.sendLoggingMessage({ level: 'info', data: 'hear, hear' }).catch(() => undefined)
    },
    breakOff() {
      for (const response of streams) if (!response.writableEnded) response.destroy()
    },
  }
}

function memoryEvents(): EventStore {
  const events: { id: string; stream: string; message: JSONRPCMessage }[] = []
  return {
    async storeEvent(stream, message) {
      events.push({ id: `${events.length + 1}`, stream, message })
      return String(events.length)
    },
    async replayEventsAfter(last, { send }) {
      const stream = events.find(({ id }) => id === last)?.stream ?? ''
      for (const event of events) if (event.stream === stream && Number(event.id) > Number(last)) await send(event.id, event.message)
      return stream
    },
  }
}

/** A remote server, with a token for each call where it is `guarded`. */
export function remoteConfig(
  options: {
    readonly guarded?: boolean
    readonly startup?: boolean
    readonly inject?: string
    readonly more?: string
    readonly lifetime?: string
  } = {},
): string {
  const { guarded = true, startup = false, inject = '{ mode: header }', more = '', lifetime = 'ttl' } = options
  const credential = `    provider: acme
    inject: ${inject}
    lifetime: ${lifetime}
    tools:
${['say', 'ask', 'slow'].map((tool) => `      ${tool}: { scope: { repository: "\${args.repo}" } }\n`).join('')}`
  return `  remote:
    url: https://api.test/mcp
    allow: [say, ask, slow]
    resources: ["memo://note"]
${guarded ? credential : ''}${startup ? '    startup: { scope: { repository: lists } }\n' : ''}${more}`
}
