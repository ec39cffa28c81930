import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { type IncomingMessage, request as httpRequest, type RequestListener } from 'node:http'
import { createServer, type Server } from 'node:https'
import { connect, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { connect as connectTls, type TLSSocket } from 'node:tls'
import { afterAll, afterEach, beforeAll } from 'vitest'
import type { UpstreamRequest } from '../../../src/audit/event.ts'
import type { Lease } from '../../../src/broker/types.ts'
import { type Clock, systemClock } from '../../../src/core/clock.ts'
import { JitError } from '../../../src/core/errors.ts'
import { LiveSearch } from '../../../src/core/live-search.ts'
import { Secret } from '../../../src/core/secret.ts'
import type { PathSegment, RequestRule } from '../../../src/core/types.ts'
import { createEgress, type EgressDeps } from '../../../src/egress/egress.ts'
import type { Egress, InFlightCall, LaneEgress, LaneNetwork } from '../../../src/egress/types.ts'
import { createNetwork, type Network } from '../../../src/network/network.ts'
import { createTestAuthority } from '../../support/certificates.ts'
import { MemoryAudit } from '../../support/memory-audit.ts'

export const placeholder = 'ghs_placeholder0placeholder0placeholder0'
export const token = 'ghs_Real0Token1Real0Token1Real0Token1Real'
export const origin = 'https://api.test'

export interface Upstream {
  readonly server: Server
  /** What arrived, in order. */
  readonly journal: { method: string; url: string; headers: IncomingMessage['headers']; rawHeaders: string[]; body: string }[]
  answer: RequestListener
}

export interface Bench {
  readonly folder: string
  readonly egress: Egress
  readonly network: Network
  readonly audit: MemoryAudit
  readonly upstream: Upstream
  /** Secrets that are alive besides those of leases. */
  readonly live: Secret[]
  lane(options?: Partial<LaneEgress>): Promise<LaneNetwork>
  refusals(): string[]
  close(): Promise<void>
}

const log = { debug() {}, info() {}, warn() {}, error() {} }

const sayOk: RequestListener = (_, response) => response.end('{"ok":true}')

/** Egress before a real upstream over TLS on loopback, whose authority only the test's network trusts. */
export async function openBench(clock: Clock = systemClock, timeout = 5000, limits?: EgressDeps['limits']): Promise<Bench> {
  const folder = mkdtempSync(join(tmpdir(), 'jit-egress-'))
  const names = ['api.test', 'open.test', 'other.test', 's3.eu-west-1.amazonaws.com', 'dynamodb.eu-west-1.amazonaws.com']
  const authority = await createTestAuthority(names)
  writeFileSync(join(folder, 'upstream.pem'), authority.ca)
  const journal: Upstream['journal'] = []
  const server = createServer({ key: authority.key, cert: authority.cert }, (request, response) => {
    const entry = {
      method: request.method ?? '',
      url: request.url ?? '',
      headers: request.headers,
      rawHeaders: request.rawHeaders,
      body: '',
    }
    journal.push(entry)
    request.on('data', (chunk: Buffer) => (entry.body += chunk.toString()))
    upstream.answer(request, response)
  })
  const upstream: Upstream = { server, journal, answer: sayOk }
  const port = await new Promise<number>((resolve) => {
    server.listen(0, '127.0.0.1', () => {
      const address = server.address()
      resolve(typeof address === 'object' && address !== null ? address.port : 0)
    })
  })
  const hosts = Object.fromEntries(names.map((name) => [name, `127.0.0.1:${port}`]))
  const network = createNetwork({ hosts, ca: ['upstream.pem'], timeout }, { baseFolder: folder, clock, log })
  const audit = new MemoryAudit()
  const live: Secret[] = []
  const secretsVersion = versionOf(live)
  const egress = await createEgress({
    folder,
    network,
    audit,
    clock,
    log,
    liveSecrets: () => live,
    secretsVersion,
    scrubber: new LiveSearch({
      list: live,
      get version() {
        return secretsVersion()
      },
    }).scrubber,
    ...(limits === undefined ? {} : { limits }),
  })
  await egress.listen()
  const lanes: LaneNetwork[] = []
  return {
    folder,
    egress,
    network,
    audit,
    upstream,
    live,
    async lane(options = {}) {
      const made = await egress.openLane({
        lane: `lane_${lanes.length}`,
        server: 'github',
        placeholder,
        origins: new Set([origin]),
        open: new Set(['https://open.test']),
        ...options,
      })
      lanes.push(made)
      return made
    },
    refusals: () => audit.ofType('egress.refused').map((event) => event.reason),
    async close() {
      for (const lane of lanes) lane.close()
      await egress.close()
      await network.close()
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
      rmSync(folder, { recursive: true, force: true })
    },
  }
}

/** One bench for all tests of a file or a block, handed to `use`; what a test left on it is gone before the next one. */
export function shareBench(use: (bench: Bench) => void, clock?: Clock, timeout?: number): void {
  let bench: Bench
  beforeAll(async () => {
    bench = await openBench(clock, timeout)
    use(bench)
  })
  afterEach(() => {
    bench.audit.events.length = 0
    bench.upstream.journal.length = 0
    bench.upstream.answer = sayOk
    bench.live.length = 0
  })
  afterAll(() => bench.close())
}

/** `GET /repos/acme/web ?page` with `*`, `**` and `{seen}` as segments. */
export function rule(text: string, more: Partial<RequestRule> = {}): RequestRule {
  const [, method = '', path = '', query] = /^(\S+) (\S+?)(?: \?(\S+))?$/.exec(text) ?? []
  const segments = path === '/' ? [] : path.slice(1).split('/').map(segmentOf)
  const parameters = query === undefined ? [] : query.split('&').map((part) => parameterOf(part))
  return { text, method, origin, segments, query: parameters, ...more }
}

function segmentOf(text: string): PathSegment {
  if (text === '*') return { kind: 'one' }
  if (text === '**') return { kind: 'rest' }
  if (text.startsWith('{')) return { kind: 'seen', name: text.slice(1, -1) }
  return { kind: 'literal', value: text, ignoreCase: false }
}

function parameterOf(text: string): { name: string; value?: string } {
  const [name = '', value] = text.split('=')
  return value === undefined ? { name } : { name, value }
}

export interface TestLease extends Lease {
  revoke(): void
}

export function lease(id = 'lease_1', value = token, mintedAt = 0): TestLease {
  const abort = new AbortController()
  return {
    id,
    provider: 'acme',
    scope: {},
    partition: 'acme/web',
    secrets: { token: new Secret(value) },
    fingerprint: '',
    upstreamHash: '',
    mintedAt,
    expiresAt: Number.MAX_SAFE_INTEGER,
    signal: abort.signal,
    fresh: true,
    revoke: () => abort.abort(new JitError('lease.revoked', 'the test revoked it')),
  }
}

export interface TestCall extends InFlightCall {
  readonly requests: RequestRule[]
  readonly sent: UpstreamRequest[]
}

let calls = 0

export function call(rules: (string | RequestRule)[], options: Partial<InFlightCall> = {}): TestCall {
  const sent: UpstreamRequest[] = []
  calls += 1
  return {
    call: `call_${calls}`,
    lease: lease(),
    current: () => true,
    seen: new Map(),
    onRequest: (request) => sent.push(request),
    sent,
    ...options,
    requests: rules.map((text) => (typeof text === 'string' ? rule(text) : text)),
  }
}

export interface Answer {
  readonly status: number
  readonly headers: IncomingMessage['headers']
  readonly body: string
}

/** Opens a CONNECT tunnel; answers the status line when the proxy refuses. */
export async function tunnel(lane: LaneNetwork, to = 'api.test:443', authorization?: string): Promise<Socket> {
  const url = new URL(lane.proxyUrl)
  const credentials = authorization ?? `Basic ${Buffer.from(`${url.username}:${url.password}`).toString('base64')}`
  const socket = connect(Number(url.port), '127.0.0.1')
  socket.write(`CONNECT ${to} HTTP/1.1\r\nHost: ${to}\r\n${credentials === '' ? '' : `Proxy-Authorization: ${credentials}\r\n`}\r\n`)
  const head = await new Promise<string>((resolve, reject) => {
    socket.once('data', (chunk: Buffer) => resolve(chunk.toString('latin1')))
    socket.once('error', reject)
    socket.once('close', () => reject(new Error('closed')))
  })
  if (!head.startsWith('HTTP/1.1 200')) throw new Error(head)
  return socket
}

/** TLS through the tunnel, trusting the lane's own authority and nothing else. */
export async function secure(lane: LaneNetwork, options: { host?: string; servername?: string; trust?: boolean } = {}): Promise<TLSSocket> {
  const host = options.host ?? 'api.test'
  const raw = await tunnel(lane, `${host}:443`)
  const socket = connectTls({
    socket: raw,
    servername: options.servername ?? host,
    ca: [readFileSync(lane.caFile)],
    rejectUnauthorized: options.trust !== false,
    ALPNProtocols: ['http/1.1'],
  })
  return new Promise((resolve, reject) => {
    socket.once('secureConnect', () => resolve(socket))
    socket.once('error', reject)
  })
}

export interface Asking {
  readonly method?: string
  readonly path?: string
  readonly headers?: Record<string, string | string[]>
  readonly body?: string | Buffer
  readonly host?: string
  /** Kept open for more requests when given. */
  readonly socket?: Socket
}

/** One request as an ordinary client makes it: `Authorization: Bearer <placeholder>` unless said otherwise. */
export async function ask(lane: LaneNetwork, asking: Asking = {}): Promise<Answer> {
  const host = asking.host ?? 'api.test'
  const socket = asking.socket ?? (await secure(lane, { host }))
  return new Promise((resolve, reject) => {
    const outgoing = httpRequest(
      {
        host,
        path: asking.path ?? '/',
        method: asking.method ?? 'GET',
        headers: {
          host,
          ...(asking.socket === undefined ? {} : { connection: 'keep-alive' }),
          ...(asking.body === undefined ? {} : { 'content-length': String(Buffer.byteLength(asking.body)) }),
          ...(asking.headers ?? { authorization: `Bearer ${placeholder}` }),
        },
        createConnection: () => socket,
      },
      (answer) => {
        const parts: Buffer[] = []
        answer.on('data', (part: Buffer) => parts.push(part))
        answer.once('end', () =>
          resolve({ status: answer.statusCode ?? 0, headers: answer.headers, body: Buffer.concat(parts).toString() }),
        )
        answer.once('error', reject)
      },
    )
    outgoing.once('error', reject)
    outgoing.end(asking.body)
  })
}

/** Writes bytes as they are and answers all that comes back until the other side closes or is silent for `quiet` ms. */
export async function exchange(socket: Socket, bytes: string | Buffer, until: (text: string) => boolean = () => false): Promise<string> {
  return new Promise((resolve) => {
    let text = ''
    const done = (): void => {
      socket.destroy()
      resolve(text)
    }
    socket.on('data', (chunk: Buffer) => {
      text += chunk.toString('latin1')
      if (until(text)) done()
    })
    socket.once('close', () => resolve(text))
    socket.once('error', () => resolve(text))
    socket.write(typeof bytes === 'string' ? Buffer.from(bytes, 'latin1') : bytes)
  })
}

/** Collects what a socket receives, and waits for a part of it; throws when the socket closes before that. */
export function listen(socket: Socket): { text: () => string; until: (part: string | ((text: string) => boolean)) => Promise<string> } {
  let text = ''
  let closed = false
  let wake: () => void = () => undefined
  socket.on('data', (chunk: Buffer) => {
    text += chunk.toString('latin1')
    wake()
  })
  socket.on('error', () => undefined)
  socket.once('close', () => {
    closed = true
    wake()
  })
  return {
    text: () => text,
    async until(part) {
      const has = typeof part === 'string' ? () => text.includes(part) : () => part(text)
      for (; !has(); await new Promise<void>((resolve) => (wake = resolve))) {
        if (closed) throw new Error(`closed after ${JSON.stringify(text)}`)
      }
      return text
    },
  }
}

/** Lets other work have its turn until `check` holds; throws when it does not for a long while. */
export async function eventually(check: () => boolean): Promise<void> {
  for (let turn = 0; turn < 20_000; turn += 1) {
    if (check()) return
    await new Promise((resolve) => setImmediate(resolve))
  }
  throw new Error(`never: ${check.toString()}`)
}

/** Another number whenever the list holds something else than when it was asked last. */
function versionOf(list: readonly unknown[]): () => number {
  let last: readonly unknown[] = []
  let version = 0
  return () => {
    if (list.length !== last.length || list.some((item, index) => item !== last[index])) version += 1
    last = [...list]
    return version
  }
}
