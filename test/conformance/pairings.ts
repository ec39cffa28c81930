import { startBridge } from './bridge.ts'
import { startDaemon } from './daemon.ts'
import { fixtureProgram, startFixture, type Transport } from './fixture.ts'
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
  /** Which suites it can serve: only the old revisions know HTTP with SSE. */
  serves(suite: Suite): boolean
  start(suite: Suite): Promise<Target>
}

const everySuite = (): boolean => true

/** All pairings, each after the one it is held against. `stdio` on the client's side is the bridge, since the suites speak HTTP. */
export const pairings: readonly Pairing[] = [
  {
    name: 'http',
    serves: everySuite,
    start: (suite) => startFixture(suite, 'http'),
  },
  {
    name: 'stdio',
    serves: everySuite,
    start: (suite) => bridged(fixtureProgram(suite, 'stdio')),
  },
  {
    name: 'stdio→jit→stdio',
    against: 'stdio',
    serves: everySuite,
    start: (suite) => startThroughJit({ clientTransport: 'stdio', serverTransport: 'stdio', suite }),
  },
]

export interface ThroughJit {
  readonly clientTransport: 'stdio'
  readonly serverTransport: 'stdio'
  readonly suite: Suite
}

/** The name of the server under test in the config. */
const server = 'fixture'

/** The fixture of a suite behind a daemon of its own. */
export async function startThroughJit({ serverTransport, suite }: ThroughJit): Promise<Target> {
  const daemon = await startDaemon(serverConfig(suite, serverTransport))
  const bridge = await bridged(daemon.connect(server))
  return {
    url: bridge.url,
    close: async () => {
      await bridge.close()
      await daemon.close()
    },
  }
}

/**
 * A server that needs no credential, with all its tools, prompts and resources allowed, and sampling too, since what is tested is
 * that nothing gets lost.
 */
function serverConfig(suite: Suite, transport: Transport): string[] {
  const { command, args } = fixtureProgram(suite, transport)
  return [
    `${server}:`,
    `  run: ${JSON.stringify([command, ...args])}`,
    `  allow: ${JSON.stringify(fixtureTools(suite))}`,
    `  prompts: ${JSON.stringify(fixturePrompts(suite))}`,
    '  resources: ["test://*"]',
    '  sampling: allow',
  ]
}

async function bridged(program: Program): Promise<Target> {
  const { address, close } = await startBridge(program)
  return { url: address, close }
}
