import { inspect } from 'node:util'
import { afterEach, describe, expect, it, vi } from 'vitest'
import { systemClock } from '../../src/core/clock.ts'
import { expectNoTrace, inAllSpellings } from '../../test/support/echo.ts'
import { testHost } from '../../test/support/provider-host.ts'
import { JitError, type MintRequest, type Provider, type ProviderHost } from '../../src/provider/index.ts'
import { type AwsStandIn, startAws } from './fake/aws.ts'
import { acmeAws, acmeRole, baseKeys, brokerArn } from './fake/fixture.ts'
import { mint, open, scope, shared } from './fake/registration.ts'

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
