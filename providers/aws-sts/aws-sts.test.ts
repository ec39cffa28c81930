import { execFile } from 'node:child_process'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { inspect, promisify } from 'node:util'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { systemClock } from '../../src/core/clock.ts'
import { describeProviderContract } from '../../test/conformance/provider-contract.ts'
import { createNetwork } from '../../src/network/network.ts'
import { createTestAuthority } from '../../test/support/certificates.ts'
import { FakeClock } from '../../test/support/fake-clock.ts'
import { expectNoTrace, inAllSpellings } from '../../test/support/echo.ts'
import { testHost } from '../../test/support/provider-host.ts'
import { type Credential, JitError, type JsonObject, type MintRequest, type Provider, type ProviderHost } from '../../src/provider/index.ts'
import { type AwsStandIn, startAws } from './fake/aws.ts'
import { getObject } from './fake/client.ts'
import { acmeAws, acmeRole, baseKeys, brokerArn, roleArn } from './fake/fixture.ts'
import { awsConfig } from './config.ts'
import { awsSts } from './index.ts'

const scope = { actions: ['s3:GetObject'], resources: ['arn:aws:s3:::acme-reports/2026/q1.csv'] }
const shared = testHost(baseKeys)

function open(stsEndpoint: string, more: object = {}, host: ProviderHost = shared): Provider {
  return awsSts.open(awsConfig.parse({ region: 'eu-west-1', roleArn, stsEndpoint, iamEndpoint: stsEndpoint, ...more }), host)
}

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
    fail: (way, what = 'mint') => aws.fault({ action: what === 'mint' ? 'AssumeRole' : 'PutRolePolicy', ...way }),
    logged: () => shared.logged(),
    secrets: Object.values(baseKeys),
    async close() {
      await network.close()
      await secure.close()
      await aws.close()
    },
  }
})

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

describe('aws-sts says what to change', () => {
  let aws: AwsStandIn
  afterEach(async () => {
    await aws.close()
  })
  const failing = async (provider: Provider, request: Partial<MintRequest> = {}): Promise<JitError> => {
    const error = await mint(provider, { request }).catch((thrown: unknown) => thrown)
    if (!(error instanceof JitError)) throw new Error(`expected a JitError, got ${String(error)}`)
    return error
  }

  it.each([
    ['sts:AssumeRole', [], /trust policy of role agents/],
    ['sts:SetSourceIdentity', ['sts:AssumeRole'], /sourceIdentity: false/],
    ['sts:TagSession', ['sts:AssumeRole', 'sts:SetSourceIdentity'], /tags: false/],
  ])('when the trust policy lacks %s', async (action, actions, hint) => {
    aws = await startAws(acmeAws({ role: acmeRole({ trust: [{ principal: brokerArn, actions }] }) }))
    const error = await failing(open(aws.url))
    expect(error).toMatchObject({ code: 'provider.refused', details: { status: 403, missing: action } })
    expect(error.message).toContain(action)
    expect(error.hint).toMatch(hint)
    expect(aws.sessions).toEqual([])
  })

  it('when the role asks for an external id', async () => {
    aws = await startAws(
      acmeAws({
        role: acmeRole({
          trust: [{ principal: brokerArn, actions: ['sts:AssumeRole', 'sts:SetSourceIdentity', 'sts:TagSession'], externalId: 'acme-7' }],
        }),
      }),
    )
    expect((await failing(open(aws.url))).hint).toContain('`externalId`')
    expect((await failing(open(aws.url, { externalId: 'acme-8' }))).hint).toContain('`externalId`')
    await expect(mint(open(aws.url, { externalId: 'acme-7' }))).resolves.toMatchObject({ granted: scope })
  })

  it.each([
    ['an unknown key', [{ ...baseKeys, accessKeyId: 'AKIASOMEBODYELSE0000', arn: brokerArn }]],
    ['another secret', [{ ...baseKeys, secretAccessKey: 'another', arn: brokerArn }]],
    ['a key that needs a session token', [{ ...baseKeys, sessionToken: 'token', arn: brokerArn }]],
    ['a key that ended', [{ ...baseKeys, arn: brokerArn, expiresAt: 1 }]],
  ])('when its own identity is %s', async (_, identities) => {
    aws = await startAws(acmeAws({ identities }))
    expect(await failing(open(aws.url))).toMatchObject({ code: 'provider.login', hint: expect.stringContaining('jit login aws-sts test') })
  })

  it.each([-3_600_000, 3_600_000])('when a clock is off by %i ms', async (skew) => {
    aws = await startAws(acmeAws())
    const clock = { ...systemClock, now: () => Date.now() + skew }
    const provider = open(aws.url, {}, { ...shared, clock })
    for (const _again of [1, 2]) {
      expect(await failing(provider)).toMatchObject({ code: 'provider.login', hint: expect.stringContaining('clock is off: here it is') })
    }
  })

  it('when the session would be longer than the role allows', async () => {
    aws = await startAws(acmeAws())
    expect(await failing(open(aws.url, { maximumDuration: 7200 }), { ttl: 7_200_000 })).toMatchObject({
      code: 'provider.refused',
      hint: expect.stringContaining('`maximumDuration` (now 7200 s)'),
    })
  })

  it('when policy and tags are too much for AWS’s own form', async () => {
    aws = await startAws(acmeAws({ packedRoom: 100 }))
    const error = await failing(open(aws.url))
    expect(error).toMatchObject({ code: 'provider.scope', details: { percent: expect.any(Number) } })
    expect(error.message).toContain(`${String(error.details['percent'])} %`)
  })

  it('when a policy is too long, without asking AWS', async () => {
    aws = await startAws(acmeAws())
    const resources = Array.from({ length: 50 }, (_, index) => `arn:aws:s3:::acme-reports/${index}/${'x'.repeat(40)}`)
    expect(await failing(open(aws.url), { scope: { actions: ['s3:GetObject'], resources } })).toMatchObject({ code: 'provider.scope' })
    expect(aws.journal).toEqual([])
  })

  it.each([
    ['Throttling', 400, {}, 1000],
    ['RequestLimitExceeded', 503, {}, 1000],
    ['ThrottlingException', 400, { 'retry-after': '7' }, 7000],
  ])('when AWS says %s: wait, nothing was made', async (code, status, headers, retryAfter) => {
    aws = await startAws(acmeAws())
    aws.fault({ action: 'AssumeRole', status, code, message: 'Rate exceeded', headers })
    const error = await failing(open(aws.url))
    expect(error).toMatchObject({ code: 'provider.unavailable', details: { sent: false, retryAfter } })
    expect(aws.journal.length).toBe(1)
  })

  it.each([
    ['no XML', 200, 'surprise', undefined],
    ['no XML, as a gateway’s failure', 502, '<html>bad gateway', 502],
    ['a session without keys', 200, '<AssumeRoleResponse><AssumeRoleResult></AssumeRoleResult></AssumeRoleResponse>', undefined],
    ['a redirect', 307, '', 307],
  ])('when the answer is %s', async (_, status, body, told) => {
    aws = await startAws(acmeAws())
    aws.fault({ action: 'AssumeRole', status, body, headers: { location: 'http://127.0.0.1:1/' } })
    const error = await failing(open(aws.url))
    expect(error.code).toBe('provider.unavailable')
    expect(error.details['sent']).toBeUndefined()
    if (told !== undefined) expect(error.details['status']).toBe(told)
  })

  it('when there is no identity at all, or a profile that does not exist', async () => {
    aws = await startAws(acmeAws())
    const none = { AWS_CONFIG_FILE: '/dev/null', AWS_SHARED_CREDENTIALS_FILE: '/dev/null', AWS_EC2_METADATA_DISABLED: 'true' }
    for (const [name, value] of Object.entries(none)) vi.stubEnv(name, value)
    const host = testHost({})
    expect(await failing(open(aws.url, {}, host))).toMatchObject({
      code: 'provider.login',
      details: { sent: false },
      hint: expect.stringContaining('`profile`'),
    })
    expect(await failing(open(aws.url, { profile: 'acme' }, host))).toMatchObject({
      code: 'provider.login',
      hint: expect.stringContaining('aws sso login --profile acme'),
    })
    expect(
      await failing(
        open(aws.url, { webIdentityTokenFile: '/nowhere/token', webIdentityRoleArn: 'arn:aws:iam::123456789012:role/jit' }, host),
      ),
    ).toMatchObject({ code: 'provider.login', hint: expect.stringContaining('webIdentityTokenFile') })
    vi.unstubAllEnvs()
  })

  it('takes the ordinary chain where nothing else is set', async () => {
    aws = await startAws(acmeAws())
    vi.stubEnv('AWS_ACCESS_KEY_ID', baseKeys.accessKeyId)
    vi.stubEnv('AWS_SECRET_ACCESS_KEY', baseKeys.secretAccessKey)
    await expect(mint(open(aws.url, {}, testHost({})))).resolves.toMatchObject({ granted: scope })
    vi.unstubAllEnvs()
  })

  it.each([
    [
      'in its answer',
      (said: string) =>
        new Response(`<ErrorResponse><Error><Code>ValidationError</Code><Message>${said}</Message></Error></ErrorResponse>`, {
          status: 400,
        }),
    ],
    ['in its failure', (said: string) => Promise.reject(new TypeError(`${said} is no header`))],
  ])('and nothing of a credential that comes back %s', async (_, answer) => {
    aws = await startAws(acmeAws())
    const keys = { ...baseKeys, sessionToken: 'FwoGZXIvYXdzEXAMPLETOKEN' }
    const echo: ProviderHost['fetch'] = async (_url, init) => {
      const headers = new Headers(init?.headers)
      return answer(inAllSpellings(`${headers.get('authorization')} ${headers.get('x-amz-security-token')} ${keys.secretAccessKey}`))
    }
    const error = await failing(open(aws.url, {}, testHost(keys, { fetch: echo })))
    const told = inspect(error, { depth: 9, showHidden: true }) + JSON.stringify(error.toBody())
    for (const secret of Object.values(keys)) expectNoTrace(told, secret)
    expect(told).toContain('[redacted by jit]')
  })
})

describe('jit’s own identity at AWS', () => {
  let aws: AwsStandIn
  let folder: string
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'jit-aws-'))
  })
  afterEach(async () => {
    vi.unstubAllEnvs()
    await aws.close()
    await rm(folder, { recursive: true })
  })
  const writeProfile = async (text: string): Promise<void> => {
    const file = join(folder, `config-${text.length}`)
    await writeFile(file, text)
    vi.stubEnv('AWS_CONFIG_FILE', file)
    vi.stubEnv('AWS_SHARED_CREDENTIALS_FILE', '/dev/null')
  }

  it('comes from a profile, past what stands in the environment and the store', async () => {
    aws = await startAws(acmeAws())
    await writeProfile(`[profile acme]\naws_access_key_id = ${baseKeys.accessKeyId}\naws_secret_access_key = ${baseKeys.secretAccessKey}\n`)
    vi.stubEnv('AWS_ACCESS_KEY_ID', 'AKIASOMEBODYELSE0000')
    vi.stubEnv('AWS_SECRET_ACCESS_KEY', 'another')
    const host = testHost({ accessKeyId: 'AKIASOMEBODYELSE0000', secretAccessKey: 'another' })
    await expect(mint(open(aws.url, { profile: 'acme' }, host))).resolves.toMatchObject({ granted: scope })
  })

  it('comes from a program that the profile names, and what that says is told to nobody', async () => {
    aws = await startAws(acmeAws())
    const provider = open(aws.url, { profile: 'acme' }, testHost({}))
    await writeProfile(`[profile acme]\ncredential_process = echo not-json-but-secret-words\n`)
    const error = await mint(provider).catch((thrown: unknown) => thrown)
    expect(error).toMatchObject({ code: 'provider.login', details: { sent: false } })
    expect(inspect(error, { depth: 9, showHidden: true })).not.toContain('secret-words')
  })

  it('comes from a web identity, which is asked for again only when it ends', async () => {
    const own = acmeRole({ arn: 'arn:aws:iam::123456789012:role/jit', roleId: 'AROAFAKEFAKEFAKEFAKE3' })
    const trust = [{ principal: own.arn, actions: ['sts:AssumeRole', 'sts:SetSourceIdentity', 'sts:TagSession'] }]
    const clock = new FakeClock(Date.now())
    aws = await startAws({
      ...acmeAws({ role: acmeRole({ trust }) }),
      webIdentities: [{ token: 'a.jwt', role: own }],
      now: () => clock.now(),
    })
    const token = join(folder, 'token')
    await writeFile(token, 'a.jwt')
    const host = testHost({}, { clock })
    const provider = open(aws.url, { webIdentityTokenFile: token, webIdentityRoleArn: own.arn }, host)
    const asked = (): string[] => aws.journal.map(({ action }) => action)
    await mint(provider)
    await mint(provider)
    expect(asked()).toEqual(['AssumeRoleWithWebIdentity', 'AssumeRole', 'AssumeRole'])
    clock.jumpWall(3_400_000)
    await mint(provider)
    expect(asked().slice(3)).toEqual(['AssumeRoleWithWebIdentity', 'AssumeRole'])
    await writeFile(token, 'another.jwt')
    clock.jumpWall(3_400_000)
    await expect(mint(provider)).rejects.toMatchObject({ code: 'provider.login', hint: expect.stringContaining('somebody must renew it') })
  })

  it('is looked up again when AWS no longer takes what was kept', async () => {
    const own = acmeRole({ arn: 'arn:aws:iam::123456789012:role/jit', roleId: 'AROAFAKEFAKEFAKEFAKE3' })
    const trust = [{ principal: own.arn, actions: ['sts:AssumeRole', 'sts:SetSourceIdentity', 'sts:TagSession'] }]
    aws = await startAws({ ...acmeAws({ role: acmeRole({ trust }) }), webIdentities: [{ token: 'a.jwt', role: own }] })
    const token = join(folder, 'token')
    await writeFile(token, 'a.jwt')
    const provider = open(aws.url, { webIdentityTokenFile: token, webIdentityRoleArn: own.arn }, testHost({}))
    const end = aws.fault({ action: 'AssumeRole', status: 403, code: 'ExpiredToken' })
    await expect(mint(provider)).rejects.toMatchObject({ code: 'provider.login' })
    end()
    await mint(provider)
    expect(aws.journal.filter(({ action }) => action === 'AssumeRoleWithWebIdentity').length).toBe(2)
  })

  it('that does not come is not waited for past the call’s time', async () => {
    aws = await startAws(acmeAws())
    await writeProfile(`[profile acme]\ncredential_process = sleep 5\n`)
    const provider = open(aws.url, { profile: 'acme' }, testHost({}))
    const request = { lease: 'lease_test', scope, ttl: 1, principal: { human: 'a', agent: 'a', session: 's', server: 's', tool: 't' } }
    await expect(provider.mint(request, AbortSignal.timeout(200))).rejects.toMatchObject({
      code: 'provider.unavailable',
      details: { sent: false },
    })
  })
})

describe('the config of aws-sts', () => {
  it.each([
    ['no role', { region: 'eu-west-1' }],
    ['a wildcard for a role', { region: 'eu-west-1', roleArn: 'arn:aws:iam::123456789012:role/*' }],
    ['a user for a role', { region: 'eu-west-1', roleArn: 'arn:aws:iam::123456789012:user/x' }],
    ['a host for a region', { region: 'evil.example', roleArn }],
    ['two identities', { region: 'eu-west-1', roleArn, profile: 'x', webIdentityTokenFile: 'f', webIdentityRoleArn: roleArn }],
    ['a web identity without its role', { region: 'eu-west-1', roleArn, webIdentityTokenFile: 'f' }],
    ['a session shorter than AWS makes', { region: 'eu-west-1', roleArn, maximumDuration: 60 }],
    ['a field that nobody knows', { region: 'eu-west-1', roleArn, policy: '*' }],
  ])('refuses %s', (_, config) => {
    expect(awsConfig.safeParse(config).success).toBe(false)
  })

  it.each([
    ['eu-west-1', 'https://sts.eu-west-1.amazonaws.com'],
    ['us-gov-west-1', 'https://sts.us-gov-west-1.amazonaws.com'],
    ['cn-north-1', 'https://sts.cn-north-1.amazonaws.com.cn'],
  ])('asks the endpoint of %s', (region, origin) => {
    expect(awsSts.open(awsConfig.parse({ region, roleArn }), shared).origin).toBe(origin)
  })
})

it('a daemon that never mints at AWS loads nothing of AWS', async () => {
  const program = `
    const { providers } = await import('./providers/index.ts')
    const plugin = providers.find(({ kind }) => kind === 'aws-sts')
    plugin.open(plugin.config.parse({ region: 'eu-west-1', roleArn: '${roleArn}' }), { hasSecret: () => false })
    const { createRequire } = await import('node:module')
    const loaded = Object.keys(createRequire(process.cwd() + '/x.js').cache)
    console.log(JSON.stringify(loaded.filter((file) => /@aws-sdk|@smithy|iam-data/.test(file))))`
  const { stdout } = await promisify(execFile)(process.execPath, ['--input-type=module', '-e', program], {
    cwd: resolve(import.meta.dirname, '../..'),
  })
  expect(JSON.parse(stdout)).toEqual([])
})

function mint(provider: Provider, { request = {} }: { request?: Partial<MintRequest> } = {}): Promise<Credential> {
  return provider.mint(
    { lease: 'lease_test', scope, ttl: 300_000, principal: { human: 'ada', agent: 'a', session: 's', server: 's', tool: 't' }, ...request },
    AbortSignal.timeout(5000),
  )
}

/** A port that nobody listens on. */
async function closedPort(): Promise<number> {
  const gone: AwsStandIn = await startAws({ identities: [], roles: [] })
  await gone.close()
  return gone.port
}
