import { systemClock } from '../../../src/core/clock.ts'
import type { Secret } from '../../../src/core/secret.ts'
import { listenForLogin } from '../../../src/daemon/login-callback.ts'
import type { JsonObject, LoginHost, Provider, ProviderHost } from '../../../src/provider/index.ts'
import { type TestHost, testHost } from '../../../test/support/provider-host.ts'
import { mcpConfig } from '../config.ts'
import { mcp } from '../index.ts'
import type { World } from './world.ts'

export interface LoggedIn {
  readonly provider: Provider
  readonly host: TestHost
  /** Addresses that the person was shown, and what was said with them. */
  readonly shown: readonly { readonly url: string; readonly notes: readonly string[] }[]
}

export interface LoginOptions {
  readonly host?: Partial<ProviderHost>
  readonly previous?: Secret
  /** In place of the browser of a person who says yes. */
  readonly browser?: (address: string) => Promise<void>
}

/** A login at a world, and the provider that it leads to. */
export async function logInAt(
  world: Pick<World, 'url' | 'visit'>,
  config: JsonObject = {},
  secrets: Readonly<Record<string, string>> = {},
  { host: more = {}, previous, browser = world.visit }: LoginOptions = {},
): Promise<LoggedIn> {
  const parsed = mcpConfig.parse({ url: world.url, ...config })
  const host = testHost(secrets, more)
  const shown: { url: string; notes: readonly string[] }[] = []
  const stuck = new AbortController()
  const loginHost: LoginHost = {
    ...host,
    previous: (name) => (name === 'session' ? previous : undefined),
    listen: (place) => listenForLogin(place, systemClock),
    show(url, notes) {
      shown.push({ url, notes })
      browser(url).catch((error: unknown) => stuck.abort(error))
    },
  }
  const signal = AbortSignal.any([stuck.signal, AbortSignal.timeout(10_000)])
  const got = await mcp.browser?.logIn(parsed, loginHost, signal)
  for (const [name, secret] of Object.entries(got ?? {})) await host.keep(name, secret)
  return { provider: mcp.open(parsed, host), host, shown }
}
