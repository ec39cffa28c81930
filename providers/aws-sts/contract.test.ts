import { systemClock } from '../../src/core/clock.ts'
import { describeProviderContract } from '../../test/conformance/provider-contract.ts'
import { createNetwork } from '../../src/network/network.ts'
import { createTestAuthority } from '../../test/support/certificates.ts'
import type { ProviderHost } from '../../src/provider/index.ts'
import { type AwsStandIn, startAws } from './fake/aws.ts'
import { acmeAws, baseKeys } from './fake/fixture.ts'
import { awsSts } from './index.ts'
import { open, scope, shared } from './fake/registration.ts'

describeProviderContract('aws-sts', async () => {
  const aws = await startAws(acmeAws())
  const authority = await createTestAuthority(['sts.aws.test'])
  const secure = await startAws({ ...acmeAws(), tls: authority })
  const network = createNetwork({ hosts: { 'sts.aws.test': `127.0.0.1:${secure.port}` }, ca: [], timeout: 5000 }, '/')
  const away =
    (url: string, fetch: ProviderHost['fetch'] = network.fetch) =>
    () =>
      open(url, {}, { ...shared, fetch })
  return {
    plugin: awsSts,
    clock: systemClock,
    provider: open(aws.url),
    scope,
    tooMuch: { actions: ['s3:GetObject'], resources: ['arn:aws-cn:s3:::acme-reports/2026/q1.csv'] },
    malformed: [
      {},
      { statements: [] },
      { actions: [], resources: scope.resources },
      { actions: scope.actions, resources: [] },
      { actions: ['*'], resources: scope.resources },
      { actions: ['s3:*'], resources: scope.resources },
      { actions: ['s3:Get*'], resources: scope.resources },
      { actions: scope.actions, resources: ['*'] },
      { actions: scope.actions, resources: ['arn:aws:s3:::*'] },
      { actions: scope.actions, resources: ['arn:aws:s3:::acme-*'] },
      { actions: scope.actions, resources: ['arn:*:s3:::acme-reports/x'] },
      { ...scope, more: true },
      { statements: [scope, { actions: scope.actions, resources: ['*'] }] },
    ],
    unreachable: {
      refused: away(`http://127.0.0.1:${await closedPort()}`, fetch),
      'no such name': away('https://nothing.invalid'),
      'untrusted certificate': away('https://sts.aws.test'),
    },
    isAlive: (secret) => aws.isAlive(secret),
    // A session that may only ask who it is can do nothing that its maker could not: that is what a proof leaves for 15 minutes.
    alive: () => aws.sessions.filter(({ accessKeyId, name }) => name !== 'jit-login' && aws.isAlive(accessKeyId)).length,
    mints: () => aws.journal.filter(({ action }) => action === 'AssumeRole').length,
    requests: () => aws.journal.length,
    fail: ({ status, cut, delay }, what = 'mint') =>
      aws.fault({
        action: what === 'mint' ? 'AssumeRole' : 'PutRolePolicy',
        ...(status === undefined ? {} : { status }),
        ...(cut === undefined ? {} : { cut }),
        ...(delay === undefined ? {} : { delay }),
      }),
    logged: () => shared.logged(),
    secrets: Object.values(baseKeys),
    async close() {
      await network.close()
      await secure.close()
      await aws.close()
    },
  }
})

/** A port that nobody listens on. */
async function closedPort(): Promise<number> {
  const gone: AwsStandIn = await startAws({ identities: [], roles: [] })
  await gone.close()
  return gone.port
}
