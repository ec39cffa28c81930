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

/** The fixture of a suite behind a daemon of its own. */
export async function startThroughJit({ serverTransport, suite }: ThroughJit): Promise<Target> {
  const daemon = await startDaemon(runLines(suite, serverTransport), fixtureTools(suite), fixturePrompts(suite))
  const bridge = await bridged(daemon.connect)
  return {
    url: bridge.url,
    close: async () => {
      await bridge.close()
      await daemon.close()
    },
  }
}

/** The part of a server's config that says how it is reached. */
function runLines(suite: Suite, transport: Transport): string[] {
  const { command, args } = fixtureProgram(suite, transport)
  return [`run: ${JSON.stringify([command, ...args])}`]
}

async function bridged(program: Program): Promise<Target> {
  const { address, close } = await startBridge(program)
  return { url: address, close }
}
