import { Client, StreamableHTTPClientTransport } from '@modelcontextprotocol/client'
import { z } from 'zod'
import { mcpConfig } from '../../providers/mcp/config.ts'
import { mcp } from '../../providers/mcp/index.ts'
import { sessionSecret } from '../../providers/mcp/session.ts'
import { systemClock } from '../../src/core/clock.ts'
import { JitError } from '../../src/core/errors.ts'
import { Secret } from '../../src/core/secret.ts'
import { listenForLogin } from '../../src/daemon/login-callback.ts'
import { createNetwork } from '../../src/network/network.ts'
import type { Credential, LoginHost } from '../../src/provider/contract.ts'
import { testHost } from '../support/provider-host.ts'

/**
 * The broker as the OAuth client of the conformance suite: the provider logs in, a program in place of the person follows the
 * address that a browser would open, and the calls carry the token that the provider mints.
 *
 *     conformance client --command 'node test/conformance/auth-client.ts' --scenario auth/metadata-default
 */

const context = z
  .object({ client_id: z.string().optional(), client_secret: z.string().optional() })
  .parse(JSON.parse(process.env['MCP_CONFORMANCE_CONTEXT'] ?? '{}'))
const scenario = process.env['MCP_CONFORMANCE_SCENARIO'] ?? ''
const url = process.argv.at(-1) ?? ''
/** How often the login is gone through, whatever the server wants. */
const mostLogins = 3
const patience = 20_000

const network = createNetwork({ hosts: { localhost: '127.0.0.1', '127.0.0.1': '127.0.0.1' }, ca: [], timeout: 10_000 }, '/')
const secrets = new Map<string, Secret>()
if (context.client_secret !== undefined) secrets.set('clientSecret', new Secret(context.client_secret))

const config = mcpConfig.parse({
  url,
  ...(context.client_id === undefined ? {} : { clientId: context.client_id }),
  // The address that the suite serves no document at, and only compares.
  ...(context.client_id === undefined ? { clientMetadataUrl: 'https://conformance-test.local/client-metadata.json' } : {}),
  // What the first try's hint tells a person to give.
  legacyEndpoints: scenario.startsWith('auth/2025-03-26-'),
})

const host = testHost(
  {},
  {
    fetch: network.fetch,
    secret(name) {
      const found = secrets.get(name)
      if (found === undefined) throw new JitError('provider.login', `there is no ${name}`)
      return found
    },
    hasSecret: (name) => secrets.has(name),
    keep: async (name, secret) => void secrets.set(name, secret),
  },
)
const loginHost: LoginHost = {
  ...host,
  previous: (name) => secrets.get(name),
  listen: (place) => listenForLogin(place, systemClock),
  show: (address) => void visit(address).catch((error: unknown) => console.error('browser:', error)),
}

/** What a browser does where nobody is asked anything: it goes where it is sent. */
async function visit(address: string): Promise<void> {
  let next = address
  for (let step = 0; step < 5; step += 1) {
    const response = await fetch(next, { redirect: 'manual' })
    await response.body?.cancel()
    const location = response.headers.get('location')
    if (location === null) return
    next = new URL(location, next).href
  }
}

let logins = 0
async function logIn(): Promise<void> {
  logins += 1
  if (logins > mostLogins) throw new Error(`the server wants more than ${mostLogins} logins`)
  const got = await mcp.browser?.logIn(config, loginHost, AbortSignal.timeout(patience))
  for (const [name, secret] of Object.entries(got ?? {})) secrets.set(name, secret)
}

const provider = mcp.open(config, host)

/** Once more after another login, where the provider says that one is needed. */
async function loggedIn<T>(work: () => Promise<T>): Promise<T> {
  for (;;) {
    try {
      return await work()
    } catch (error) {
      if (!(error instanceof JitError) || error.code !== 'provider.login') throw error
      await logIn()
    }
  }
}

async function mint(): Promise<Credential> {
  const principal = { human: 'ada', agent: 'conformance', session: 'ses_1', server: 'remote', tool: 'test' }
  const granted = { lease: 'lease_conformance', scope: { resource: url }, ttl: 300_000, principal }
  return provider.mint(granted, AbortSignal.timeout(patience))
}

/** As a gateway sends it: the token of a lease with every request to the server, and what the server says back to the provider. */
const governed: typeof fetch = async (input, init) => {
  for (;;) {
    const credential = await loggedIn(mint)
    const headers = new Headers(init?.headers)
    headers.set('authorization', `Bearer ${credential.secrets['token']?.reveal() ?? ''}`)
    const response = await fetch(input, { ...init, headers, redirect: 'manual' })
    if (response.status !== 401 && response.status !== 403) return response
    const said = await provider.challenged?.(response.status, response.headers.get('www-authenticate') ?? undefined, credential)
    await response.body?.cancel()
    // Undefined after a 401: the next mint brings another token. Otherwise a person has to log in.
    if (said !== undefined || response.status === 403) await logIn()
    else if ((logins += 1) > mostLogins) throw new Error('the server takes no token')
  }
}

async function main(): Promise<void> {
  await logIn()
  const { [sessionSecret]: _, ...proof } = await loggedIn(() => provider.prove(AbortSignal.timeout(patience)))
  console.log('logged in', JSON.stringify(proof))
  const client = new Client({ name: 'jit-conformance', version: '1' }, { versionNegotiation: { mode: 'auto' } })
  await client.connect(new StreamableHTTPClientTransport(new URL(url), { fetch: governed }))
  const { tools } = await client.listTools()
  for (const { name } of tools) await client.callTool({ name, arguments: {} })
  await client.close()
}

try {
  await main()
} catch (error) {
  console.error(error instanceof JitError ? `${error.code}: ${error.message} (${error.hint})` : error)
  process.exitCode = 1
} finally {
  await network.close()
}
