import { createHash, randomBytes } from 'node:crypto'
import { type ClientRequest, type IncomingMessage, request } from 'node:http'
import { rmSync } from 'node:fs'
import { connect } from 'node:net'
import { join } from 'node:path'
import { root } from '../../support/command.ts'
import { makeHomeFor, type RunningDaemon, startDaemon } from '../daemon/running-daemon.ts'

const hostile = join(root, 'test/integration/gateway/hostile-server.ts')

export interface Reply {
  readonly status: number
  readonly headers: IncomingMessage['headers']
  readonly text: string
  /** The body as JSON; undefined when it is none. */
  readonly body: unknown
  /** The messages of an event stream, and the id of each event. */
  readonly events: readonly { readonly id: string; readonly data: string }[]
}

export interface Ask {
  readonly method?: string
  readonly token?: string
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: unknown
  /** Sent as it is. */
  readonly raw?: string | Buffer
}

/** A stream that is being read; or not, while it is paused. */
export interface Stream {
  readonly status: number
  readonly headers: IncomingMessage['headers']
  readonly response: IncomingMessage
  /** What has come so far. */
  text(): string
  /** Resolves once `wanted` is in the text. */
  until(wanted: string): Promise<void>
  readonly ended: Promise<void>
  leave(): void
}

/** A daemon with its HTTP door open, before a server that does what a test tells it: once as `one`, once as `two`. */
export interface Door {
  readonly daemon: RunningDaemon
  readonly address: string
  readonly port: number
  /** Makes a token; answers it. */
  token(name: string, options?: { readonly servers?: readonly string[]; readonly life?: number }): Promise<string>
  send(path: string, ask: Ask): Promise<Reply>
  open(path: string, ask: Ask): Promise<Stream>
  /** Raw bytes; answers all that came back until the door closed, or said what `until` matches. */
  bytes(text: string | Buffer, until?: RegExp): Promise<string>
  close(): Promise<void>
}

export async function openDoor(more: readonly string[] = []): Promise<Door> {
  const server = `{ run: [node, ${JSON.stringify(hostile)}], allow: [say, raw, journal, self, describe], sampling: allow }`
  const home = makeHomeFor(
    [
      'version: 1',
      'http: { port: 0 }',
      'servers:',
      `  one: ${server}`,
      `  two: ${server}`,
      `  grim: { run: [node, ${JSON.stringify(hostile)}, '{"onInitialize":"refuse"}'] }`,
      ...more,
      '',
    ].join('\n'),
  )
  const daemon = await startDaemon(home, { untilTestEnds: false })
  const address = await addressOf(daemon)
  const port = Number(new URL(address).port)
  return {
    daemon,
    address,
    port,
    async token(name, { servers = [], life } = {}) {
      const token = `jit_mcp_${randomBytes(32).toString('base64url')}`
      const hash = createHash('sha256').update(token).digest('hex')
      const { status, text } = await daemon.ask('POST', '/v1/tokens', {
        body: { name, hash, servers, ...(life === undefined ? {} : { life }) },
      })
      if (status !== 200) throw new Error(text)
      return token
    },
    send: (path, ask) => send(port, path, ask),
    open: (path, ask) => open(port, path, ask),
    bytes: (text, until) => bytes(port, text, until),
    async close() {
      daemon.signal('SIGKILL')
      await daemon.ended
      rmSync(home, { recursive: true, force: true })
    },
  }
}

/** The door opens after the API does. */
async function addressOf(daemon: RunningDaemon): Promise<string> {
  for (let attempt = 0; attempt < 200; attempt += 1) {
    const { body } = await daemon.ask('GET', '/v1/status')
    const address: unknown = typeof body === 'object' && body !== null ? Reflect.get(body, 'http') : ''
    if (typeof address === 'string' && address !== '') return address
    await new Promise((settle) => setTimeout(settle, 25))
  }
  throw new Error('the door did not open')
}

function start(port: number, path: string, { method = 'POST', token, headers, body, raw }: Ask): ClientRequest {
  const payload = raw ?? (body === undefined ? '' : JSON.stringify(body))
  const outgoing = request({
    host: '127.0.0.1',
    port,
    path,
    method,
    agent: false,
    headers: {
      accept: 'application/json, text/event-stream',
      ...(method === 'POST' ? { 'content-type': 'application/json', 'content-length': String(Buffer.byteLength(payload)) } : {}),
      ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
      ...headers,
    },
  })
  outgoing.end(payload)
  return outgoing
}

function send(port: number, path: string, ask: Ask): Promise<Reply> {
  return new Promise((settle, fail) => {
    const outgoing = start(port, path, ask)
    outgoing.once('error', fail)
    outgoing.once('response', (response) => {
      let text = ''
      response.setEncoding('utf8').on('data', (chunk: string) => (text += chunk))
      response.once('error', fail)
      response.once('end', () =>
        settle({ status: response.statusCode ?? 0, headers: response.headers, text, body: parse(text), events: eventsOf(text) }),
      )
    })
  })
}

function open(port: number, path: string, ask: Ask): Promise<Stream> {
  return new Promise((settle, fail) => {
    const outgoing = start(port, path, ask)
    outgoing.once('error', fail)
    outgoing.once('response', (response) => {
      outgoing.off('error', fail).on('error', () => undefined)
      response.on('error', () => undefined)
      let text = ''
      let changed = (): void => undefined
      response.setEncoding('utf8').on('data', (chunk: string) => {
        text += chunk
        changed()
      })
      const ended = new Promise<void>((done) => response.once('close', done))
      settle({
        status: response.statusCode ?? 0,
        headers: response.headers,
        response,
        text: () => text,
        async until(wanted) {
          while (!text.includes(wanted)) await new Promise<void>((done) => (changed = done))
        },
        ended,
        leave: () => void outgoing.destroy(),
      })
    })
  })
}

function bytes(port: number, text: string | Buffer, until?: RegExp): Promise<string> {
  return new Promise((settle, fail) => {
    const socket = connect(port, '127.0.0.1', () => socket.write(text))
    let got = ''
    socket.setEncoding('utf8').on('data', (chunk) => {
      got += String(chunk)
      if (until?.test(got) === true) socket.destroy()
    })
    socket.once('error', fail)
    socket.once('close', () => settle(got))
  })
}

export function eventsOf(text: string): { id: string; data: string }[] {
  return text
    .split('\n\n')
    .map((event) => ({ id: /^id: (.*)$/m.exec(event)?.[1] ?? '', data: /^data: (.*)$/m.exec(event)?.[1] ?? '' }))
    .filter(({ data }) => data !== '')
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

export function initialize(revision = '2025-06-18', id: string | number = 'start'): object {
  const params = { protocolVersion: revision, capabilities: {}, clientInfo: { name: 'test', version: '1' } }
  return { jsonrpc: '2.0', id, method: 'initialize', params }
}

/** Opens a session; answers its id. */
export async function session(door: Door, token: string, server = 'one', revision = '2025-06-18'): Promise<string> {
  const { headers, status, text } = await door.send(`/mcp/${server}`, { token, body: initialize(revision) })
  const id = headers['mcp-session-id']
  if (status !== 200 || typeof id !== 'string') throw new Error(`no session: ${status} ${text}`)
  await door.send(`/mcp/${server}`, {
    token,
    headers: { 'mcp-session-id': id },
    body: { jsonrpc: '2.0', method: 'notifications/initialized' },
  })
  return id
}

export function call(
  id: string | number,
  name: string,
  args: object = {},
  meta?: object,
): { jsonrpc: string; id: string | number; method: string; params: object } {
  return { jsonrpc: '2.0', id, method: 'tools/call', params: { name, arguments: args, ...(meta === undefined ? {} : { _meta: meta }) } }
}

export const modern = '2026-07-28'

/** A call of 2026-07-28 with the headers that belong to it. */
export function statelessCall(
  id: string | number,
  name: string,
  args: object = {},
  meta: object = {},
): { body: object; headers: Record<string, string> } {
  const envelope = { 'io.modelcontextprotocol/protocolVersion': modern, 'io.modelcontextprotocol/clientCapabilities': {}, ...meta }
  return { body: call(id, name, args, envelope), headers: { 'mcp-protocol-version': modern, 'mcp-method': 'tools/call', 'mcp-name': name } }
}
