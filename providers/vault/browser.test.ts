import { createServer } from 'node:net'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { listenForLogin } from '../../src/daemon/login-callback.ts'
import type { LoginHost } from '../../src/provider/index.ts'
import { FakeClock } from '../../test/support/fake-clock.ts'
import { type TestHost, testHost } from '../../test/support/provider-host.ts'
import { vaultConfig } from './config.ts'
import { acmeVault } from './fake/fixture.ts'
import { type IdentityProvider, startIdentityProvider } from './fake/oidc.ts'
import { startVault, type VaultStandIn } from './fake/vault.ts'
import { vault } from './index.ts'

let identity: IdentityProvider
let upstream: VaultStandIn
let clock: FakeClock

beforeEach(async () => {
  clock = new FakeClock()
  identity = await startIdentityProvider()
  upstream = await startVault(acmeVault({ now: () => clock.now(), oidc: { issuer: identity.issuer, policies: ['broker'], maxTtl: 7200 } }))
})
afterEach(async () => {
  await upstream.close()
  await identity.close()
})

const patience = (): AbortSignal => AbortSignal.timeout(5000)
const request = {
  lease: 'lease_test',
  scope: { policies: ['mcp-mounts'] },
  ttl: 60_000,
  principal: { human: 'ada', agent: 'a', session: 's', server: 'v', tool: 't' },
}

async function freePort(): Promise<number> {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  await new Promise((resolve) => server.close(resolve))
  return typeof address === 'object' && address !== null ? address.port : 0
}

async function logIn(
  browser: (address: string) => Promise<void>,
): Promise<{ host: TestHost; config: ReturnType<typeof vaultConfig.parse> }> {
  const config = vaultConfig.parse({
    address: upstream.url,
    method: 'oidc',
    role: 'people',
    tokenRole: 'jit',
    redirectPort: await freePort(),
  })
  const host = testHost({}, { clock })
  const stuck = new AbortController()
  const loginHost: LoginHost = {
    ...host,
    previous: () => undefined,
    listen: (place) => listenForLogin(place, clock),
    show: (url) => void browser(url).catch((error: unknown) => stuck.abort(error)),
  }
  const got = await vault.browser?.logIn(config, loginHost, AbortSignal.any([stuck.signal, patience()]))
  for (const [name, secret] of Object.entries(got ?? {})) await host.keep(name, secret)
  return { host, config }
}

describe('a login at Vault by OpenID Connect', () => {
  it('gives a token that mints, is renewed while Vault lets it, and then says how to log in again', async () => {
    const { host, config } = await logIn(identity.visit)
    const provider = vault.open(config, host)
    await expect(provider.prove(patience())).resolves.toMatchObject({ account: 'oidc-ada' })
    const credential = await provider.mint(request, patience())
    expect(upstream.isAlive(credential.secrets['token']?.reveal() ?? '')).toBe(true)
    await provider.revoke?.(credential, patience())
    await clock.advance(3_000_000)
    await provider.mint(request, patience()).then((one) => provider.revoke?.(one, patience()))
    expect(upstream.journal.filter(({ path }) => path === 'auth/token/renew-self').length).toBeGreaterThan(0)
    await clock.advance(7_200_000)
    await expect(provider.mint(request, patience())).rejects.toMatchObject({
      code: 'provider.login',
      hint: expect.stringContaining('jit login vault test'),
    })
  })

  it('ends with `jit logout`', async () => {
    const { host, config } = await logIn(identity.visit)
    expect(upstream.own().filter(({ displayName }) => displayName === 'oidc-ada')).toHaveLength(1)
    await expect(vault.open(config, host).logOut?.(patience())).resolves.toMatchObject({ outcome: 'revoked' })
    expect(upstream.own().filter(({ displayName }) => displayName === 'oidc-ada')).toHaveLength(0)
  })

  it.each<[string, (back: URL) => void, string]>([
    ['a refusal', (back: URL): void => back.searchParams.set('error', 'access_denied'), 'provider.refused'],
    ['no code', () => undefined, 'provider.refused'],
    ['a code of nobody', (back: URL): void => back.searchParams.set('code', 'stolen'), 'provider.login'],
  ])('with %s registers nothing', async (_, change, code) => {
    const login = logIn(async (address) => {
      const { searchParams } = new URL(address)
      const back = new URL(searchParams.get('redirect_uri') ?? '')
      back.searchParams.set('state', searchParams.get('state') ?? '')
      change(back)
      await fetch(back)
    })
    await expect(login).rejects.toMatchObject({ code })
    expect(upstream.own().filter(({ displayName }) => displayName === 'oidc-ada')).toHaveLength(0)
  })
})
