import { startDaemon } from '../daemon.ts'
import { type Door, type Login, remoteServer, server } from './door.ts'
import { openLegacy, openModern } from './open.ts'
import { perform } from './perform.ts'

/**
 * What the suites start as the client under test: `node main.ts [--jit] URL`. With `--jit` the client speaks stdio to `jit connect`,
 * and jit is the client that the suite sees. The suite names the scenario and the revision in the environment.
 */
const through = process.argv.includes('--jit')
const url = process.argv.at(-1) ?? ''
const scenario = process.env['MCP_CONFORMANCE_SCENARIO'] ?? ''
const modern = process.env['MCP_CONFORMANCE_PROTOCOL_VERSION'] === '2026-07-28'
const context: unknown = JSON.parse(process.env['MCP_CONFORMANCE_CONTEXT'] ?? '{}')

/** How a scenario of `auth/*` gets its login before the client comes; whoever adds one puts it here, by the scenario's name. */
const logins = new Map<string, Login>()

const door: Door = through ? await throughJit() : { url, close: async () => undefined }
try {
  const client = modern ? await openModern(door) : await openLegacy(door)
  try {
    await perform(client, context)
  } finally {
    await client.close()
  }
} finally {
  await door.close()
}

async function throughJit(): Promise<Door> {
  const daemon = await startDaemon(...remoteServer(url))
  await logins.get(scenario)?.({ home: daemon.home, server, url, context })
  return { program: daemon.connect(server), close: daemon.close }
}
