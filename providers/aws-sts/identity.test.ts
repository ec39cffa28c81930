import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { inspect } from 'node:util'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { FakeClock } from '../../test/support/fake-clock.ts'
import { testHost } from '../../test/support/provider-host.ts'
import { type AwsStandIn, startAws } from './fake/aws.ts'
import { acmeAws, acmeRole, baseKeys } from './fake/fixture.ts'
import { mint, open, scope } from './fake/registration.ts'

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
