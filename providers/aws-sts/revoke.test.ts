import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { createNetwork } from '../../src/network/network.ts'
import type { Credential, Provider } from '../../src/provider/index.ts'
import { testHost } from '../../test/support/provider-host.ts'
import { FakeClock } from '../../test/support/fake-clock.ts'
import { awsConfig } from './config.ts'
import { type AwsStandIn, startAws } from './fake/aws.ts'
import { getObject } from './fake/client.ts'
import { acmeAws, acmeRole, baseKeys, brokerArn, roleArn } from './fake/fixture.ts'
import type { FakeRole } from './fake/state.ts'
import { awsSts } from './index.ts'

const scope = { actions: ['s3:GetObject'], resources: ['arn:aws:s3:::acme-reports/2026/q1.csv'] }
const path = '/acme-reports/2026/q1.csv'

describe('the end of a session', () => {
  let clock: FakeClock
  let role: FakeRole
  let aws: AwsStandIn
  let leases = 0
  beforeEach(async () => {
    clock = new FakeClock()
    role = acmeRole()
    aws = await startAws(acmeAws({ role, now: () => clock.now() }))
  })
  afterEach(async () => {
    await aws.close()
  })
  const open = (config: object = {}, fetch = globalThis.fetch): Provider =>
    awsSts.open(
      awsConfig.parse({ region: 'eu-west-1', roleArn, stsEndpoint: aws.url, iamEndpoint: aws.url, ...config }),
      testHost(baseKeys, { clock, fetch }),
    )
  const denying = (): Provider => open({ revocation: 'deny-policy' })
  const mint = (provider: Provider, ttl = 900_000): Promise<Credential> => {
    leases += 1
    const principal = { human: 'ada', agent: 'a', session: 's', server: 's', tool: 't' }
    return provider.mint({ lease: `lease_${leases}`, scope, ttl, principal }, AbortSignal.timeout(5000))
  }
  const revoke = (provider: Provider, credential: Credential): ReturnType<NonNullable<Provider['revoke']>> =>
    provider.revoke?.(credential, AbortSignal.timeout(5000)) ?? Promise.reject(new Error('no revoke'))
  const denied = (): string[] => {
    const text = role.policies.get('jit-revoked')
    const { Statement }: { Statement: { Condition: { StringEquals: { 'aws:userid': string[] } } }[] } =
      text === undefined ? { Statement: [] } : JSON.parse(text)
    return Statement.flatMap(({ Condition }) => Condition.StringEquals['aws:userid']).sort()
  }
  const sessionOf = ({ granted }: Credential): unknown => granted['session']

  it('cannot be brought about: the receipt says until when AWS accepts it', async () => {
    const credential = await mint(open())
    const before = aws.journal.length
    const outcome = await revoke(open(), credential)
    expect(outcome).toMatchObject({ outcome: 'expires', validUntil: credential.expiresAt, detail: expect.stringContaining('no API') })
    expect(aws.journal.length).toBe(before)
    expect(await getObject(aws, credential, path, clock.now())).toBe(200)
  })

  it('is a policy that denies this session and no other, and the receipt speaks of minutes', async () => {
    const provider = denying()
    const [revoked, other] = [await mint(provider), await mint(provider)]
    expect(await revoke(provider, revoked)).toMatchObject({ outcome: 'accepted', detail: expect.stringContaining('minutes') })
    expect(await getObject(aws, revoked, path, clock.now())).toBe(403)
    expect(await getObject(aws, other, path, clock.now())).toBe(200)
  })

  it('loses nobody when many are revoked at once, by as few writes as there are turns', async () => {
    const provider = denying()
    const all = await Promise.all(Array.from({ length: 8 }, () => mint(provider)))
    await Promise.all(all.map((credential) => revoke(provider, credential)))
    expect(denied()).toEqual(all.map(sessionOf).sort())
    expect(aws.journal.filter(({ action }) => action === 'PutRolePolicy').length).toBeLessThan(8)
  })

  it('is told to each of those who asked for it: one that fails leaves the others to be written', async () => {
    const provider = denying()
    const [first, second] = [await mint(provider), await mint(provider)]
    const gone = new AbortController()
    gone.abort(new Error('gone'))
    const results = await Promise.allSettled([provider.revoke?.(first, gone.signal), revoke(provider, second)])
    expect(results.map(({ status }) => status)).toEqual(['rejected', 'fulfilled'])
    expect(denied()).toEqual([sessionOf(first), sessionOf(second)].sort())
  })

  it('keeps what stood there before a restart, and what IAM does not yet answer', async () => {
    const first = await mint(denying())
    await revoke(denying(), first)
    const provider = denying()
    const second = await mint(provider)
    await revoke(provider, second)
    expect(denied()).toEqual([sessionOf(first), sessionOf(second)].sort())
    // An older state, as another of IAM's replicas may give.
    role.policies.delete('jit-revoked')
    const third = await mint(provider)
    await revoke(provider, third)
    expect(denied()).toEqual([sessionOf(first), sessionOf(second), sessionOf(third)].sort())
  })

  it('is forgotten an hour or so after the session has ended by itself', async () => {
    const provider = denying()
    const first = await mint(provider)
    await revoke(provider, first)
    clock.jumpWall(3 * 3_600_000)
    const second = await mint(provider)
    await revoke(provider, second)
    expect(denied()).toEqual([sessionOf(second)])
    const before = aws.journal.length
    expect(await revoke(provider, first)).toMatchObject({ outcome: 'expires' })
    expect(aws.journal.length).toBe(before)
  })

  it('leaves statements of others in the policy', async () => {
    const foreign = { Sid: 'Mine', Effect: 'Deny', Action: 's3:DeleteObject', Resource: '*' }
    role.policies.set('jit-revoked', JSON.stringify({ Version: '2012-10-17', Statement: [foreign] }))
    const provider = denying()
    await revoke(provider, await mint(provider))
    expect(JSON.parse(role.policies.get('jit-revoked') ?? '')).toMatchObject({ Statement: [foreign, { Effect: 'Deny' }] })
  })

  it('is refused where the policy has no room, and what it denied stays denied', async () => {
    const provider = denying()
    const first = await mint(provider)
    await revoke(provider, first)
    const full = Array.from({ length: 300 }, (_, index) => `AROAFAKEFAKEFAKEFAKE2:lease_old_${index}`)
    const until = Math.ceil(clock.now() / 3_600_000) * 3600 + 3600
    const statement = {
      Sid: `Until${until}`,
      Effect: 'Deny',
      Action: '*',
      Resource: '*',
      Condition: { StringEquals: { 'aws:userid': full } },
    }
    role.policies.set('jit-revoked', JSON.stringify({ Version: '2012-10-17', Statement: [statement] }))
    await expect(revoke(provider, await mint(provider))).rejects.toMatchObject({
      code: 'provider.refused',
      message: expect.stringContaining('10240'),
    })
    expect(denied()).toEqual(full.sort())
  })

  it('is refused where other policies of the role leave no room', async () => {
    role.policies.set('other', JSON.stringify({ Version: '2012-10-17', Statement: [], Id: 'x'.repeat(10_000) }))
    const provider = denying()
    await expect(revoke(provider, await mint(provider))).rejects.toMatchObject({
      code: 'provider.refused',
      hint: expect.stringContaining('inline policies of role agents are full'),
    })
    expect(denied()).toEqual([])
  })

  it.each([
    ['may not read the policy', ['iam:PutRolePolicy'], 'iam:GetRolePolicy'],
    ['may not write it', ['iam:GetRolePolicy'], 'iam:PutRolePolicy'],
  ])('is refused where jit’s own identity %s', async (_, allowed, action) => {
    await aws.close()
    aws = await startAws(acmeAws({ identities: [{ ...baseKeys, arn: brokerArn, allowed }], now: () => clock.now() }))
    const provider = denying()
    await expect(revoke(provider, await mint(provider))).rejects.toMatchObject({
      code: 'provider.refused',
      hint: expect.stringContaining(action),
    })
  })

  it.each([
    ['500', { status: 500 }, 'provider.unavailable'],
    ['a limit', { status: 400, code: 'Throttling' }, 'provider.unavailable'],
    ['a cut connection', { cut: true }, 'provider.unavailable'],
    ['an expired token', { status: 403, code: 'ExpiredToken' }, 'provider.login'],
  ])('is no receipt when IAM answers %s; asking again brings it about', async (_, way, code) => {
    const provider = denying()
    const credential = await mint(provider)
    const end = aws.fault({ action: 'PutRolePolicy', ...way })
    await expect(revoke(provider, credential)).rejects.toMatchObject({ code })
    end()
    await revoke(provider, credential)
    expect(denied()).toEqual([sessionOf(credential)])
  })

  it.each([undefined, '*', 'AROAFAKEFAKEFAKEFAKE2:*', 'AIDAFAKEFAKEFAKEFAKE0', 5])(
    'denies nobody when a credential’s session is %j',
    async (session) => {
      const provider = denying()
      const credential = await mint(provider)
      const { session: _session, ...rest } = credential.granted
      const changed = { ...credential, granted: session === undefined ? rest : { ...rest, session } }
      expect(await revoke(provider, changed)).toMatchObject({ outcome: 'expires' })
      expect(denied()).toEqual([])
    },
  )

  it('goes through the config’s network rules', async () => {
    const network = createNetwork(
      { hosts: { 'iam.aws.test': `127.0.0.1:${aws.port}`, 'sts.aws.test': `127.0.0.1:${aws.port}` }, ca: [], timeout: 5000 },
      '/',
    )
    const port = String(aws.port)
    const provider = open(
      { revocation: 'deny-policy', iamEndpoint: `http://iam.aws.test:${port}`, stsEndpoint: `http://sts.aws.test:${port}` },
      network.fetch,
    )
    await revoke(provider, await mint(provider))
    expect(new Set(aws.journal.map(({ host }) => host))).toEqual(new Set([`sts.aws.test:${port}`, `iam.aws.test:${port}`]))
    await network.close()
  })
})
