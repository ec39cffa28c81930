import { afterEach, describe, expect, it } from 'vitest'
import type { JsonObject } from '../../src/provider/index.ts'
import { type AwsStandIn, startAws } from './fake/aws.ts'
import { getObject } from './fake/client.ts'
import { acmeAws, acmeRole, brokerArn } from './fake/fixture.ts'
import { awsSts } from './index.ts'
import { mint, open, scope, shared } from './fake/registration.ts'

describe('a session of aws-sts', () => {
  let aws: AwsStandIn
  afterEach(async () => {
    await aws.close()
  })

  it('may do what its policy says and nothing beside it, though the role may', async () => {
    aws = await startAws(acmeAws())
    const credential = await mint(open(aws.url))
    expect(await getObject(aws, credential, '/acme-reports/2026/q1.csv')).toBe(200)
    expect(await getObject(aws, credential, '/acme-reports/2026/q2.csv')).toBe(403)
  })

  it('may not do what the role may not, whatever its policy says', async () => {
    aws = await startAws(acmeAws())
    const credential = await mint(open(aws.url), {
      request: { scope: { actions: ['s3:GetObject'], resources: ['arn:aws:s3:::acme-secret/x'] } },
    })
    expect(await getObject(aws, credential, '/acme-secret/x')).toBe(403)
  })

  it('carries the lease, the human, the server and the tool, in letters that STS takes', async () => {
    aws = await startAws(acmeAws())
    await mint(open(aws.url), {
      request: {
        lease: 'lease_7Kq2',
        principal: { human: 'Ada Lovelace', agent: 'a', session: 's', server: 'reports', tool: 'read{file}' },
      },
    })
    const [session] = aws.sessions
    expect(session).toMatchObject({ name: 'lease_7Kq2', tags: { 'jit-server': 'reports', 'jit-tool': 'read-file-' } })
    expect(session?.sourceIdentity).toMatch(/^Ada-Lovelace-[0-9a-f]{12}$/)
  })

  it('is the policy that `jit explain` shows', async () => {
    aws = await startAws(acmeAws())
    const provider = open(aws.url)
    await mint(provider)
    expect(JSON.parse(aws.sessions[0]?.policy ?? '')).toEqual(provider.asks?.(scope)['sessionPolicy'])
  })

  it('carries no identity and no tags where the config says so', async () => {
    aws = await startAws(acmeAws({ role: acmeRole({ trust: [{ principal: brokerArn, actions: ['sts:AssumeRole'] }] }) }))
    await mint(open(aws.url, { sourceIdentity: false, tags: false }))
    expect(aws.sessions[0]).toMatchObject({ sourceIdentity: undefined, tags: {} })
  })

  it.each([
    ['short of 900 s', 60_000, {}, 900],
    ['between', 1_800_500, {}, 1801],
    ['beyond the maximum', 7_200_000, {}, 3600],
    ['shorter than AWS makes by `maxTtl`', 60_000, { maxTtl: '1m' }, 900],
    ['beyond a maximum of one’s own', 7_200_000, { maximumDuration: 1200 }, 1200],
  ])('asked for a time %s', async (_, ttl, config, seconds) => {
    aws = await startAws(acmeAws())
    const credential = await mint(open(aws.url, config), { request: { ttl } })
    expect(aws.journal[0]?.form.get('DurationSeconds')).toBe(String(seconds))
    expect(credential.expiresAt).toBe(aws.sessions[0]?.expiresAt)
  })

  it('is used for no longer than `maxTtl`, or the longest session', () => {
    const longest = (config: object): number | undefined => open('https://sts.test', config).maxTtl
    expect([longest({}), longest({ maximumDuration: 7200 }), longest({ maxTtl: '5m' })]).toEqual([3_600_000, 7_200_000, 300_000])
  })

  it('goes by way of the host’s fetch, and asks nobody else', async () => {
    aws = await startAws(acmeAws())
    const asked: string[] = []
    const host = { ...shared, fetch: (...args: Parameters<typeof fetch>) => (asked.push(String(args[0])), fetch(...args)) }
    await mint(open(aws.url, {}, host))
    expect(asked).toEqual([`${aws.url}/`])
  })

  it('is not made wider by what the scope carries from a grant', async () => {
    aws = await startAws(acmeAws())
    const provider = open(aws.url)
    const { granted } = await mint(provider)
    for (const wider of [
      { ...granted, actions: ['s3:GetObject', 's3:PutObject'] },
      { ...granted, resources: ['arn:aws:s3:::acme-reports/2026/q1.csv', 'arn:aws:s3:::acme-reports/x'] },
      { ...granted, more: true },
      { actions: ['*'], resources: ['*'] },
    ]) {
      expect(provider.covers(wider, scope)).toBe(false)
    }
    expect(provider.covers(granted, { ...scope, conditions: { Bool: { 'aws:SecureTransport': 'true' } } })).toBe(false)
    expect(
      provider.covers(granted, {
        statements: [{ actions: ['sqs:SendMessage'], resources: ['arn:aws:sqs:eu-west-1:123456789012:jobs'] }, scope],
      }),
    ).toBe(true)
  })

  it('shares a process with its own bucket only', () => {
    const provider = open('http://127.0.0.1:1')
    const of = (bucket: string): JsonObject => ({ actions: ['s3:GetObject'], resources: [`arn:aws:s3:::${bucket}/a`] })
    expect(provider.partition(of('acme-reports'))).toBe('123456789012/agents acme-reports')
    expect(provider.partition(of('acme-reports'))).not.toBe(provider.partition(of('acme-secret')))
    expect(provider.describe(scope)).toBe('acme-reports/2026/q1.csv')
    expect(provider.describe({ actions: ['s3:ListAllMyBuckets'], resources: ['*'] })).toBe('s3:ListAllMyBuckets')
  })

  it('leaves a client no other credentials to find', () => {
    const placeholder = awsSts.placeholder('abcdefghijklmnopqrstuvwxyz')
    expect(placeholder).toMatch(/^ASIA[A-Z0-9]{15}8$/)
    expect(open('http://127.0.0.1:1').environment?.(placeholder)).toEqual({
      AWS_ACCESS_KEY_ID: placeholder,
      AWS_SECRET_ACCESS_KEY: expect.stringMatching(/^[A-Za-z0-9+/]{40}$/),
      AWS_REGION: 'eu-west-1',
      AWS_DEFAULT_REGION: 'eu-west-1',
      AWS_EC2_METADATA_DISABLED: 'true',
      AWS_CONFIG_FILE: process.platform === 'win32' ? 'NUL' : '/dev/null',
      AWS_SHARED_CREDENTIALS_FILE: process.platform === 'win32' ? 'NUL' : '/dev/null',
    })
  })

  it('is proved by one that can do nothing, which says until when it lives', async () => {
    aws = await startAws(acmeAws())
    const facts = await open(aws.url).prove(AbortSignal.timeout(5000))
    expect(facts).toMatchObject({
      account: '123456789012',
      identity: brokerArn,
      proof: expect.stringContaining(new Date(aws.sessions[0]?.expiresAt ?? 0).toISOString()),
    })
    expect(JSON.parse(aws.sessions[0]?.policy ?? '')).toMatchObject({ Statement: [{ Action: ['sts:GetCallerIdentity'] }] })
    expect(aws.journal[1]?.form.get('DurationSeconds')).toBe('900')
  })
})
