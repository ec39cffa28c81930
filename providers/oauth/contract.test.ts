import { systemClock } from '../../src/core/clock.ts'
import { createNetwork } from '../../src/network/network.ts'
import type { Provider, ProviderHost } from '../../src/provider/index.ts'
import { describeProviderContract } from '../../test/conformance/provider-contract.ts'
import { createTestAuthority } from '../../test/support/certificates.ts'
import { clientSecret } from './fake/server.ts'
import { oauth } from './index.ts'
import { ecPem, exchange, host, oneIssue, open, readIssues, start, subjectToken } from './fake/registration.ts'

for (const { name, config, scope, tooMuch, byEndpoint } of [
  { name: 'client credentials', config: {}, scope: readIssues, tooMuch: { scopes: ['admin'] }, byEndpoint: false },
  {
    name: 'token exchange with a signed actor, for one authorization detail',
    config: exchange,
    scope: oneIssue,
    tooMuch: { authorization_details: [{ type: 'repository', identifier: 'acme/secret', actions: ['read'] }] },
    byEndpoint: true,
  },
]) {
  describeProviderContract(`oauth, ${name}`, async () => {
    const front = await start()
    const authority = await createTestAuthority(['login.example.test'])
    const secure = await start({ tls: authority })
    const network = createNetwork(
      { hosts: { 'login.example.test': `127.0.0.1:${new URL(secure.issuer).port}` }, ca: [], timeout: 5000 },
      '/',
    )
    const gone = await start()
    await gone.close()
    const away =
      (issuer: string, fetch: ProviderHost['fetch'] = network.fetch) =>
      (): Provider =>
        open({ ...config, ...(byEndpoint ? { tokenEndpoint: `${issuer}/token` } : { issuer }) }, { ...host, fetch })
    const wildcard = { type: 'repository', identifier: 'facebook/*' }
    return {
      plugin: oauth,
      clock: systemClock,
      provider: open({ ...config, issuer: front.issuer, proof: scope }),
      scope,
      tooMuch,
      malformed: [
        {},
        { scopes: [] },
        { scopes: ['*'] },
        { scopes: ['issues:*'] },
        { scopes: ['a b'] },
        { scopes: [''] },
        { resource: [] },
        { resource: ['api'] },
        { resource: ['https://api.example.com/#x'] },
        { audience: ['*'] },
        { audience: [''] },
        { audience: ['api\u200b'] },
        { resource: ['https://api.example.com/\u2060x'] },
        { authorization_details: [{ type: 'repository', identifier: 'acme/web\u200d' }] },
        { authorization_details: [{ type: 'repository', 'identifier\u200b': 'acme/web' }] },
        { authorization_details: [] },
        { authorization_details: [{}] },
        { authorization_details: [{ type: '' }] },
        { authorization_details: [wildcard] },
        { authorization_details: [{ type: 'repository', actions: [] }] },
        { authorization_details: [{ type: 'repository', more: { deep: { a: { b: { c: { d: { e: 1 } } } } } } }] },
        { scopes: ['issues:read'], more: true },
      ],
      unreachable: {
        refused: away(gone.issuer, fetch),
        'no such name': away('https://nothing.invalid'),
        'untrusted certificate': away('https://login.example.test'),
      },
      isAlive: (secret) => front.server.tokens.find(secret) !== undefined,
      alive: () => front.server.tokens.alive(),
      mints: () => front.journal.filter(({ path }) => path === '/token').length,
      requests: () => front.journal.length,
      fail: ({ body, ...way }, what = 'mint') =>
        front.twist({
          path: what === 'mint' ? '/token' : '/token/revocation',
          ...way,
          ...(body === undefined ? {} : { text: JSON.stringify(body) }),
        }),
      logged: () => host.logged(),
      secrets: [clientSecret, subjectToken, ecPem.split('\n')[1] ?? '', Buffer.from(`jit:${clientSecret}`).toString('base64')],
      shaped: false,
      async close() {
        await network.close()
        await secure.close()
        await front.close()
      },
    }
  })
}
