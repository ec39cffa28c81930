import { mkdtempSync, rmSync } from 'node:fs'
import { connect, createServer, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { onTestFinished } from 'vitest'
import { z } from 'zod'
import { CONTROL, frame, frameReader, MESSAGE, readResponse, RESPONSE } from '../../../src/api/frames.js'
import { createApprovals } from '../../../src/approval/queue.ts'
import type { Approvals } from '../../../src/approval/types.ts'
import { createBroker } from '../../../src/broker/broker.ts'
import type { Broker } from '../../../src/broker/types.ts'
import { loadConfig } from '../../../src/config/load.ts'
import { JitError } from '../../../src/core/errors.ts'
import type { JsonObject } from '../../../src/core/json.ts'
import { createGateway, type Gateway } from '../../../src/gateway/gateway.ts'
import type { GatewayDeps, LaunchSpec } from '../../../src/gateway/types.ts'
import { compilePolicy } from '../../../src/policy/compile.ts'
import type { ProviderFacts } from '../../../src/policy/types.ts'
import type { Provider } from '../../../src/provider/contract.ts'
import { createSandbox } from '../../../src/sandbox/sandbox.ts'
import { FakeClock } from '../../support/fake-clock.ts'
import type { MemoryAudit } from '../../support/memory-audit.ts'
import { MemoryStore } from '../../support/memory-store.ts'
import { FakeSealer, FakeUpstream, MemoryLog, mintTimeout } from '../../unit/broker/support.ts'
import { openBench as openEgress, origin, placeholder, type Upstream } from '../../unit/egress/support.ts'

/** What the hostile server is told at its start. */
export interface Behaviour {
  /** What it says that it can; tools alone when absent. */
  readonly capabilities?: object
  /** Written before anything is read; empty: it ends with code 4. */
  readonly atStart?: string
  readonly onInitialize?: 'die' | 'refuse' | 'silent'
  /** Written when `initialize` arrives, before its answer. */
  readonly atInitialize?: string
  /** `subscriptions/listen` is not answered. */
  readonly holdListens?: boolean
  readonly ignoreTerm?: boolean
  readonly ignoreEnd?: boolean
  /** Path that is asked for before anything is read. */
  readonly fetch?: string
}

export interface Bench {
  readonly clock: FakeClock
  readonly audit: MemoryAudit
  readonly log: MemoryLog
  readonly store: MemoryStore
  readonly broker: Broker
  readonly approvals: Approvals
  readonly gateway: Gateway
  readonly deps: GatewayDeps
  /** Mints and revokes; what it minted. */
  readonly provider: FakeUpstream
  /** What the broker knows of it; a test may assign more to it. */
  readonly instance: Provider
  /** Where the server's own requests arrive. */
  readonly upstream: Upstream
  /** Each child that is started next behaves like this. */
  behaviour: Behaviour
  /** Awaited before each start. */
  launching: () => Promise<void>
  /** Compiles the `servers:` part anew, as `jit config apply` does. */
  configure(servers: string): void
  client(server?: string): Promise<Client>
  /** A client after its handshake. */
  connect(server?: string): Promise<Client>
}

const fixture = join(import.meta.dirname, 'hostile-server.ts')

/** One server, no provider: every tool is allowed. */
export const plain = `  hostile:
    run: [x]
    allow: [say, raw, journal, self, describe]
`

/** Each tool in the partition of its argument `repo`; only `fetch` may ask the upstream, for one item. */
export function guarded(options: { inject?: string; more?: string; lifetime?: string } = {}): string {
  const scope = '{ repository: "${args.repo}" }'
  const rows = ['say', 'raw', 'journal', 'self', 'describe'].map((tool) => `      ${tool}: { scope: ${scope}, requests: [] }\n`).join('')
  return `  hostile:
    run: [x]
    provider: acme
    inject: ${options.inject ?? '{ mode: endpoint, env: API_TOKEN, url: { API_URL: "${endpoint}" } }'}
    lifetime: ${options.lifetime ?? 'ttl'}
    allow: [fetch, say, raw, journal, self, describe]
${options.more ?? ''}    tools:
      fetch: { scope: ${scope}, requests: ["GET /repos/\${args.repo}/\${args.item}"] }
${rows}`
}

const facts: ProviderFacts = { kind: 'plain', origin, authentication: 'token', parseScope: (scope) => scope, checkField: () => undefined }

/** The real gateway with the real policy, broker and egress, before children that misbehave; closed with the test. */
export async function openBench(servers = plain, resultBytes = 100_000): Promise<Bench> {
  const folder = mkdtempSync(join(tmpdir(), 'jit-gateway-'))
  const clock = new FakeClock()
  const [store, sealer, log, provider] = [new MemoryStore(), new FakeSealer(), new MemoryLog(), new FakeUpstream(clock)]
  const egress = await openEgress(clock)
  const { audit, upstream } = egress
  const instance = provider.provider({ origin })
  const broker = createBroker({ store, audit, sealer, clock, log, mintTimeout, provider: () => instance })
  const approvals = createApprovals({ timeout: () => 60_000, clock, audit })
  let loaded = load(servers, resultBytes)
  const sandbox = createSandbox({
    folder: join(folder, 'box'),
    places: { home: folder, hidden: [], fixed: [] },
    baseFolder: folder,
    clock,
    config: () => loaded.config,
    machine: () => Promise.resolve({ kind: 'none', reason: 'this is a test', advice: '' }),
  })
  const deps: GatewayDeps = {
    config: () => loaded.config,
    policy: () => loaded.policy,
    broker,
    egress: egress.egress,
    network: egress.network,
    audit,
    approvals,
    children: store.children,
    clock,
    log,
    async launch(): Promise<LaunchSpec> {
      await bench.launching()
      return {
        command: process.execPath,
        args: [fixture, JSON.stringify(bench.behaviour)],
        cwd: folder,
        environment: { PATH: process.env['PATH'] ?? '', API_HOME: 'set by the config' },
        pin: 'npm:hostile@1.0.0',
      }
    },
    standIn: () => ({
      placeholder,
      origin,
      authentication: 'token',
      environment: (held) => ({ API_REGION: 'north', API_HOME: 'none', ...(held ? { API_OTHER_HALF: 'held' } : {}) }),
    }),
    sandbox,
    handover: folder,
    identify: () => ({
      principal: { human: 'ada(1000)', agent: { name: 'agent', pid: 7, startTime: 1, evidence: 'peer' }, session: 'session_1' },
      leave: () => undefined,
    }),
  }
  const gateway = createGateway(deps)
  const listener = createServer((socket) => gateway.accept(socket))
  const path = join(folder, 'connect.sock')
  await new Promise<void>((resolve) => listener.listen(path, resolve))
  const clients: Client[] = []
  const bench: Bench = {
    clock,
    audit,
    log,
    store,
    broker,
    approvals,
    gateway,
    deps,
    provider,
    instance,
    upstream,
    behaviour: {},
    launching: async () => undefined,
    configure: (text) => void (loaded = load(text, resultBytes)),
    async client(server = 'hostile') {
      const client = await Client.open(path, server)
      clients.push(client)
      return client
    },
    connect: async (server) => (await bench.client(server)).initialize(),
  }
  onTestFinished(async () => {
    for (const client of clients) client.leave()
    const stopped = gateway.stop(undefined, new JitError('daemon.restarted', 'the test is over'))
    // Children that do not mind the end of their input are ended by the clock.
    for (let step = 0; step < 5; step += 1) await clock.advance(1000)
    await stopped
    await new Promise((resolve) => listener.close(resolve))
    await egress.close()
    rmSync(folder, { recursive: true, force: true })
  })
  return bench
}

export async function openConnected(servers?: string): Promise<{ bench: Bench; client: Client }> {
  const bench = await openBench(servers)
  return { bench, client: await bench.connect() }
}

function load(servers: string, resultBytes: number) {
  const text = `version: 1\nlimits: { resultBytes: ${resultBytes} }\nproviders:\n  acme: { kind: plain }\nservers:\n${servers}`
  const loaded = loadConfig('jit.yaml', text, { kinds: new Map([['plain', z.strictObject({})]]), presets: () => undefined })
  return { config: loaded.config, policy: compilePolicy(loaded, new Map([['acme', facts]]), () => undefined) }
}

const answerShape = z.looseObject({
  id: z.union([z.string(), z.number(), z.null()]),
  result: z.looseObject({ content: z.array(z.looseObject({ text: z.string() })).optional() }).optional(),
  error: z.looseObject({ code: z.number(), message: z.string() }).optional(),
})
export type Answer = z.infer<typeof answerShape>

const messageShape = z.looseObject({
  id: z.union([z.string(), z.number()]).optional(),
  method: z.string().optional(),
  params: z.record(z.string(), z.json()).optional(),
})
export type ServerMessage = z.infer<typeof messageShape>

/** What the shim is to the daemon, without a shim. */
export class Client {
  /** What the server said unasked. */
  readonly messages: ServerMessage[] = []
  /** Answers under ids that nobody waits for. */
  readonly strays: Answer[] = []
  readonly control: unknown[] = []
  /** The bytes of the last of `messages`. */
  lastLine = ''
  readonly socket: Socket
  readonly #waiting = new Map<string, (answer: Answer | undefined) => void>()
  #changed: (() => void)[] = []
  #next = 1

  private constructor(socket: Socket) {
    this.socket = socket
    const read = frameReader((kind, payload) => {
      if (kind === CONTROL) this.control.push(JSON.parse(payload.toString()))
      else if (kind === MESSAGE) {
        this.lastLine = payload.toString()
        this.messages.push(messageShape.parse(JSON.parse(this.lastLine)))
      }
      if (kind === RESPONSE) this.#answered(payload)
      this.#change()
    })
    socket.on('data', read)
    socket.on('error', () => undefined)
    socket.on('close', () => this.#change())
  }

  static async open(path: string, server: string): Promise<Client> {
    const socket = connect(path)
    const client = new Client(socket)
    const parent = { pid: 1, name: 'test', startTime: 0 }
    socket.write(frame(CONTROL, JSON.stringify({ hello: 1, server, pid: process.pid, parent, cwd: '/', resume: false })))
    await client.until(() => client.control.length > 0)
    return client
  }

  /** Makes the handshake as an MCP client does. */
  async initialize(protocolVersion = '2025-06-18'): Promise<this> {
    const { answer } = this.request('initialize', {
      protocolVersion,
      capabilities: {},
      clientInfo: { name: 'test', version: '1' },
    })
    const { error } = await answer
    if (error !== undefined) throw new Error(error.message)
    this.notify('notifications/initialized')
    return this
  }

  request(method: string, params: JsonObject = {}, id: string | number = this.#next++): { id: string | number; answer: Promise<Answer> } {
    const answer = new Promise<Answer>((resolve, reject) => {
      this.#waiting.set(JSON.stringify(id), (given) => (given === undefined ? reject(new Error('forgotten')) : resolve(given)))
    })
    answer.catch(() => undefined)
    this.send(JSON.stringify({ jsonrpc: '2.0', id, method, params }))
    return { id, answer }
  }

  /** Calls a tool; answers its text, or the error's message. */
  async call(name: string, args: JsonObject = {}): Promise<string> {
    const { result, error } = await this.request('tools/call', { name, arguments: args }).answer
    return error === undefined ? (result?.content?.[0]?.text ?? '') : `error: ${error.message}`
  }

  async tools(cursor?: string): Promise<string[]> {
    const { result } = await this.request('tools/list', cursor === undefined ? {} : { cursor }).answer
    return z
      .array(z.looseObject({ name: z.string() }))
      .parse(result?.['tools'])
      .map(({ name }) => name)
  }

  notify(method: string, params: JsonObject = {}): void {
    this.send(JSON.stringify({ jsonrpc: '2.0', method, params }))
  }

  send(line: string): void {
    this.socket.write(frame(MESSAGE, line))
  }

  /** Resolves when `holds`, which is looked at whenever something arrives. */
  async until(holds: () => boolean): Promise<void> {
    while (!holds()) await new Promise<void>((resolve) => this.#changed.push(resolve))
  }

  leave(): void {
    this.socket.destroy()
  }

  #answered(payload: Buffer): void {
    const { id, message } = readResponse(payload)
    const waiting = this.#waiting.get(id)
    this.#waiting.delete(id)
    const answer = message.length === 0 ? undefined : answerShape.parse(JSON.parse(message.toString()))
    if (waiting !== undefined) waiting(answer)
    else if (answer !== undefined) this.strays.push(answer)
  }

  #change(): void {
    const changed = this.#changed
    this.#changed = []
    for (const go of changed) go()
  }
}

/** Resolves when `holds`; for what only the machine can tell (a process that ends), looked at again and again. */
export async function eventually(holds: () => boolean): Promise<void> {
  for (let turn = 0; turn < 2000; turn += 1) {
    if (holds()) return
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
  throw new Error('it never happened')
}

/** Moves the clock in small steps until the work is done: for what is waited for between answers of the network. */
export async function patiently<T>(clock: FakeClock, work: Promise<T>): Promise<T> {
  const over = new AbortController()
  const end = (): void => over.abort()
  work.then(end, end)
  for (let turn = 0; turn < 2000 && !over.signal.aborted; turn += 1) {
    await clock.advance(50)
    await new Promise((resolve) => setTimeout(resolve, 2))
  }
  return work
}

/** Waits until a number stays as it is: what is under way fills the buffers between. */
export async function standstill(count: () => number): Promise<void> {
  for (let last = -1; last !== count();) {
    last = count()
    await new Promise((resolve) => setTimeout(resolve, 200))
  }
}

export function alive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch {
    return false
  }
}

const selfShape = z.object({
  pid: z.number(),
  early: z.object({ status: z.number(), body: z.string() }).optional(),
  env: z.record(z.string(), z.string()),
  argv: z.array(z.string()),
})

/** What the tool `self` told. */
export function readSelf(text: string): z.infer<typeof selfShape> {
  return selfShape.parse(JSON.parse(text))
}
