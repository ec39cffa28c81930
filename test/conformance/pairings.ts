import { z } from 'zod'
import { jitJson } from '../support/command.ts'
import { startBridge } from './bridge.ts'
import { startDaemon, type TestDaemon } from './daemon.ts'
import { fixtureProgram, startFixture, type Transport } from './fixture.ts'
import { startForwarder } from './forwarder.ts'
import { fixturePrompts, fixtureTools } from './offer.ts'
import type { Program } from './pipe.ts'
import type { Suite } from './suites.ts'

export interface Target {
  /** Where the suite finds it. */
  readonly url: string
  close(): Promise<void>
}

export interface Pairing {
  readonly name: string
  /** The pairing without jit that it is held against; absent for those that are without. */
  readonly against?: string
  /** Whether a check (`id name`) may be less than the success that it is without jit. */
  excuses(check: string): boolean
  /** Which suites it can serve: only the old revisions know HTTP with SSE. */
  serves(suite: Suite): boolean
  start(suite: Suite): Promise<Target>
}

const everySuite = (): boolean => true
const nothing = (): boolean => false

/** All pairings, each after the one it is held against. `stdio` on the client's side is the bridge, since the suites speak HTTP. */
export const pairings: readonly Pairing[] = [
  {
    name: 'http',
    serves: everySuite,
    excuses: nothing,
    start: (suite) => startFixture(suite, 'http'),
  },
  {
    name: 'stdio',
    serves: everySuite,
    excuses: nothing,
    start: (suite) => bridged(fixtureProgram(suite, 'stdio')),
  },
  ...(['stdio', 'http'] as const).flatMap((clientTransport) =>
    (['stdio', 'http', 'sse'] as const).map((serverTransport) => throughJit(clientTransport, serverTransport)),
  ),
]

/**
 * Held against the client's own transport without jit. What stdio and HTTP with SSE cannot say (an answer's stream that begins at
 * once, or ends early to be asked for again), no proxy can make of them; the suite only notes that such streams are optional.
 */
function throughJit(clientTransport: 'stdio' | 'http', serverTransport: Transport): Pairing {
  return {
    name: `${clientTransport}→jit→${serverTransport}`,
    against: clientTransport,
    excuses: (check) => clientTransport === 'http' && serverTransport !== 'http' && check.startsWith('server-sse-'),
    serves: ({ fixture }) => fixture === 'v1' || serverTransport !== 'sse',
    start: (suite) => startThroughJit({ clientTransport, serverTransport, suite }),
  }
}

export interface ThroughJit {
  readonly clientTransport: 'stdio' | 'http'
  readonly serverTransport: Transport
  readonly suite: Suite
}

/** The name of the server under test in the config. */
const server = 'fixture'

/** The fixture of a suite behind a daemon of its own. */
export async function startThroughJit({ clientTransport, serverTransport, suite }: ThroughJit): Promise<Target> {
  const remote = serverTransport === 'stdio' ? undefined : await startFixture(suite, serverTransport)
  const started: { close(): Promise<void> }[] = remote === undefined ? [] : [remote]
  const close = async (): Promise<void> => {
    for (const one of started.reverse()) await one.close()
  }
  try {
    const config = remote === undefined ? localServer(suite) : remoteServer(remote.url, serverTransport)
    const door = clientTransport === 'http' ? ['http: { port: 0 }'] : []
    const daemon = await startDaemon([`${server}:`, ...config.server, ...offer(suite)], [...config.rest, ...door])
    started.push(daemon)
    const client = clientTransport === 'stdio' ? await bridged(daemon.connect(server)) : await authorized(daemon)
    started.push(client)
    return { url: client.url, close }
  } catch (error) {
    await close()
    throw error
  }
}

interface ServerConfig {
  readonly server: readonly string[]
  /** What the rest of the config must say for it. */
  readonly rest: readonly string[]
}

function localServer(suite: Suite): ServerConfig {
  const { command, args } = fixtureProgram(suite, 'stdio')
  return { server: [`  run: ${JSON.stringify([command, ...args])}`], rest: [] }
}

/** In clear text jit talks only to loopback addresses that its config names. */
function remoteServer(url: string, transport: Transport): ServerConfig {
  const { host } = new URL(url)
  return {
    server: [`  url: ${JSON.stringify(url)}`, ...(transport === 'sse' ? ['  transport: sse'] : [])],
    rest: [`network: { hosts: { ${JSON.stringify(host)}: ${JSON.stringify(host)} } }`],
  }
}

/** All that the fixture has is allowed, and sampling too, since what is tested is that nothing gets lost. */
function offer(suite: Suite): string[] {
  return [
    `  allow: ${JSON.stringify(fixtureTools(suite))}`,
    `  prompts: ${JSON.stringify(fixturePrompts(suite))}`,
    '  resources: ["test://*"]',
    '  sampling: allow',
  ]
}

const tokenAnswer = z.object({ token: z.string(), address: z.string() })

/** jit's HTTP door, with the token that it wants put in on the way: the suites can send none. */
async function authorized({ home }: TestDaemon): Promise<Target> {
  const { token, address } = tokenAnswer.parse(await jitJson(home, ['token', 'add', 'suite', '--server', server]))
  const forwarder = await startForwarder(new URL(`${address}/mcp/${server}`), { authorization: `Bearer ${token}` })
  return { url: forwarder.address, close: forwarder.close }
}

async function bridged(program: Program): Promise<Target> {
  const { address, close } = await startBridge(program)
  return { url: address, close }
}
