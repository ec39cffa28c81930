import { createNetwork } from '../../src/network/network.ts'
import { systemClock } from '../../src/core/clock.ts'
import type { Provider, ProviderHost } from '../../src/provider/index.ts'
import { describeProviderContract } from '../../test/conformance/provider-contract.ts'
import { createTestAuthority } from '../../test/support/certificates.ts'
import { testHost } from '../../test/support/provider-host.ts'
import { mcpConfig } from './config.ts'
import { clientSecret, startWorld } from './fake/world.ts'
import { logInAt } from './fake/login.ts'
import { mcp } from './index.ts'
import { openSession, sealSession } from './session.ts'

describeProviderContract('mcp', async () => {
  const world = await startWorld()
  const login = await logInAt(world, { clientId: 'by-hand' }, { clientSecret })
  const before = world.journal.length
  const session = openSession(login.host.secret('session'))
  if (session === undefined) throw new Error('no login')
  const authority = await createTestAuthority(['mcp.example.test'])
  const secure = await startWorld({ tls: authority })
  const network = createNetwork({ hosts: { 'mcp.example.test': `127.0.0.1:${new URL(secure.url).port}` }, ca: [], timeout: 5000 }, '/')
  const gone = await startWorld()
  await gone.close()
  const away =
    (url: string, fetch: ProviderHost['fetch'] = network.fetch) =>
    (): Provider =>
      mcp.open(
        mcpConfig.parse({ url }),
        testHost({ session: sealSession({ ...session, server: url, accessToken: undefined }).reveal() }, { fetch }),
      )
  const scope = { resource: world.url, scopes: ['issues:read'] }
  return {
    plugin: mcp,
    clock: systemClock,
    provider: login.provider,
    scope,
    tooMuch: { resource: world.url, scopes: ['admin'] },
    malformed: [
      {},
      { scopes: ['issues:read'] },
      { resource: '' },
      { resource: '*' },
      { resource: 'https://*.example.com' },
      { resource: 'http://example.com/mcp' },
      { resource: 'https://a:b@example.com' },
      { resource: world.url, scopes: [] },
      { resource: world.url, scopes: ['*'] },
      { resource: world.url, scopes: ['issues:*'] },
      { resource: world.url, scopes: ['a b'] },
      { resource: world.url, scopes: ['a', 'a'] },
      { ...scope, more: true },
    ],
    unreachable: {
      refused: away(gone.url, fetch),
      'no such name': away('https://nothing.invalid/mcp'),
      'untrusted certificate': away('https://mcp.example.test/mcp'),
    },
    isAlive: (secret) => world.store.find('AccessToken', secret) !== undefined,
    alive: () => world.store.alive('AccessToken'),
    mints: () => world.journal.filter(({ path }) => path === '/token').length,
    requests: () => world.journal.length - before,
    fail: ({ body, ...way }, what = 'mint') =>
      world.twist({
        path: what === 'mint' ? '/token' : '/token/revocation',
        ...way,
        ...(body === undefined ? {} : { text: JSON.stringify(body) }),
      }),
    logged: () => login.host.logged(),
    secrets: [clientSecret, session.refreshToken?.reveal() ?? 'none', session.accessToken?.reveal() ?? 'none'],
    shaped: false,
    async close() {
      await network.close()
      await secure.close()
      await world.close()
    },
  }
})
