import { createNetwork } from '../../src/network/network.ts'
import type { Provider, ProviderHost } from '../../src/provider/index.ts'
import { describeProviderContract } from '../../test/conformance/provider-contract.ts'
import { createTestAuthority } from '../../test/support/certificates.ts'
import { FakeClock } from '../../test/support/fake-clock.ts'
import { acmeFixture } from './fake/fixture.ts'
import { startGithub } from './fake/github.ts'
import { hostAt, pem, publicKeyPem, scope } from './fake/registration.ts'
import { githubApp } from './index.ts'

const clock = new FakeClock()

for (const tokenFormat of ['classic', 'stateless'] as const) {
  describeProviderContract(`github-app, ${tokenFormat} tokens`, async () => {
    const host = hostAt(clock)
    const github = await startGithub({ ...acmeFixture({ publicKeyPem }), tokenFormat, now: () => clock.now() })
    const authority = await createTestAuthority(['api.github.test'])
    const secure = await startGithub({ ...acmeFixture({ publicKeyPem }), tls: authority })
    const network = createNetwork({ hosts: { 'api.github.test': `127.0.0.1:${secure.port}` }, ca: [], timeout: 5000 }, '/')
    const away =
      (apiUrl: string, fetch: ProviderHost['fetch'] = network.fetch) =>
      (): Provider =>
        githubApp.open({ appId: 4242, installation: 9001, apiUrl }, { ...host, fetch })
    return {
      plugin: githubApp,
      clock,
      provider: githubApp.open({ appId: 4242, installation: 'acme', apiUrl: github.url }, host),
      scope,
      tooMuch: { repositories: ['acme/web'], permissions: { administration: 'write' } },
      malformed: [
        {},
        { repositories: [], permissions: { issues: 'read' } },
        { repositories: ['acme/web'], permissions: {} },
        { repositories: ['acme/*'], permissions: { issues: 'read' } },
        { repositories: ['web'], permissions: { issues: 'read' } },
        { repositories: ['acme/..'], permissions: { issues: 'read' } },
        { repositories: ['acme/web/x'], permissions: { issues: 'read' } },
        { repositories: ['acme/web'], permissions: { issues: 'all' } },
        { repositories: ['acme/web'], permissions: { issues: 'read' }, more: true },
      ],
      unreachable: {
        refused: away(`http://127.0.0.1:${await closedPort()}`, fetch),
        'no such name': away('https://nothing.invalid'),
        'untrusted certificate': away('https://api.github.test'),
      },
      isAlive: (secret) => github.isAlive(secret),
      alive: () => github.tokens().filter((token) => token.alive).length,
      mints: () => github.journal.filter((entry) => entry.path.endsWith('/access_tokens')).length,
      requests: () => github.journal.length,
      fail(way, what = 'mint') {
        const match = what === 'mint' ? { path: /access_tokens$/ } : { method: 'DELETE', path: '/installation/token' }
        const fault = github.fault({ match, ...way })
        return () => fault.remove()
      },
      unknown: { status: 401, body: { message: 'Bad credentials' } },
      logged: () => host.logged(),
      secrets: [pem.split('\n')[5] ?? ''],
      async close() {
        await network.close()
        await secure.close()
        await github.close()
      },
    }
  })
}

/** A port that nobody listens on. */
async function closedPort(): Promise<number> {
  const gone = await startGithub({ apps: [], installations: [] })
  await gone.close()
  return gone.port
}
