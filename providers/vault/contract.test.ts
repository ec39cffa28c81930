import { createNetwork } from '../../src/network/network.ts'
import type { JsonObject, Provider, ProviderHost } from '../../src/provider/index.ts'
import { systemClock } from '../../src/core/clock.ts'
import { describeProviderContract } from '../../test/conformance/provider-contract.ts'
import { createTestAuthority } from '../../test/support/certificates.ts'
import { testHost } from '../../test/support/provider-host.ts'
import { acmeVault, ownToken, roleId, secretId } from './fake/fixture.ts'
import { startVault } from './fake/vault.ts'
import { vault } from './index.ts'

const malformed: JsonObject[] = [
  {},
  { policies: [] },
  { policies: [''] },
  { policies: ['root'] },
  { policies: ['mcp-*'] },
  { policies: ['Mcp-Read-Web'] },
  { policies: ['mcp-read-web'], uses: 0 },
  { policies: ['mcp-read-web'], more: true },
  { dynamic: '' },
  { dynamic: 'database' },
  { dynamic: 'database/creds/*' },
  { dynamic: 'database/creds/../admin' },
  { dynamic: 'auth/token/create' },
  { dynamic: 'SYS/mounts' },
  { dynamic: 'database/creds/readonly', parameters: {} },
  { paths: [] },
  { paths: [{ path: 'web/data/app', capabilities: [] }] },
  { paths: [{ path: 'web/data/app', capabilities: ['sudo'] }] },
  { paths: [{ path: 'web/data/*', capabilities: ['read'] }] },
  { paths: [{ path: 'web/+/app', capabilities: ['read'] }] },
  { paths: [{ path: ['web', '..', 'sys'], capabilities: ['read'] }] },
  { paths: [{ path: [], capabilities: ['read'] }] },
]

const kinds: {
  name: string
  product: 'vault' | 'openbao'
  config: object
  scope: JsonObject
  tooMuch: JsonObject
  mint: RegExp
  revoke: RegExp
  unknown: string
}[] = [
  {
    name: 'child tokens, AppRole',
    product: 'vault',
    config: { method: 'approle', role: roleId, tokenRole: 'jit' },
    scope: { policies: ['mcp-read-web'] },
    tooMuch: { policies: ['admin'] },
    mint: /^auth\/token\/create/,
    revoke: /revoke-accessor$/,
    unknown: '1 error occurred:\n\t* invalid accessor\n\n',
  },
  {
    name: 'policies of one lease, OpenBao, sealed token',
    product: 'openbao',
    config: { method: 'token', tokenRole: 'jit', ephemeralPolicies: true },
    scope: { paths: [{ path: ['web', 'data', 'app/db'], capabilities: ['read'] }] },
    tooMuch: { policies: ['admin'] },
    mint: /^auth\/token\/create/,
    revoke: /revoke-accessor$/,
    unknown: '1 error occurred:\n\t* invalid accessor\n\n',
  },
  {
    name: 'dynamic secrets',
    product: 'vault',
    config: { method: 'approle', role: roleId },
    scope: { dynamic: 'database/creds/readonly' },
    tooMuch: { dynamic: 'database/creds/admin' },
    mint: /^database\/creds/,
    revoke: /^sys\/leases\/revoke$/,
    unknown: 'invalid lease',
  },
]

for (const { name, product, config, scope, tooMuch, mint, revoke, unknown } of kinds) {
  describeProviderContract(`vault: ${name}`, async () => {
    const host = testHost({ token: ownToken, secretId })
    const standIn = await startVault(acmeVault({ product }))
    const authority = await createTestAuthority(['vault.test'])
    const secure = await startVault(acmeVault({ tls: authority }))
    const network = createNetwork({ hosts: { 'vault.test': `127.0.0.1:${secure.port}` }, ca: [], timeout: 5000 }, '/')
    const open = (address: string, fetch: ProviderHost['fetch']): Provider =>
      vault.open(vault.config.parse({ address, ...config }), { ...host, fetch })
    const gone = await startVault(acmeVault())
    await gone.close()
    return {
      plugin: vault,
      clock: systemClock,
      provider: open(standIn.url, host.fetch),
      scope,
      tooMuch,
      malformed,
      shaped: product === 'vault' && !('dynamic' in scope),
      unreachable: {
        refused: () => open(gone.url, host.fetch),
        'no such name': () => open('https://nothing.invalid', network.fetch),
        'untrusted certificate': () => open('https://vault.test', network.fetch),
      },
      isAlive: (secret) => standIn.isAlive(secret),
      alive: () => standIn.children().length + standIn.leases(),
      mints: () => standIn.journal.filter((entry) => mint.test(entry.path)).length,
      requests: () => standIn.journal.length,
      fail: (way, what = 'mint') => standIn.fault({ path: what === 'mint' ? mint : revoke, ...way }),
      unknown: { status: 400, body: { errors: [unknown] } },
      logged: () => host.logged(),
      secrets: [ownToken, secretId],
      async close() {
        await network.close()
        await secure.close()
        await standIn.close()
      },
    }
  })
}
