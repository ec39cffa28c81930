import { describe, expect, it } from 'vitest'
import type { Credential, Provider } from '../../src/provider/index.ts'
import { mint, open, readIssues, shareBench, start, tokenOf } from './fake/registration.ts'

const bench = shareBench()

describe('the end of a token', () => {
  const revoke = (using: Provider, credential: Credential): ReturnType<NonNullable<Provider['revoke']>> =>
    using.revoke?.(credential, AbortSignal.timeout(5000)) ?? Promise.reject(new Error('no revoke'))

  it('without an endpoint for it, it is only the end of its life, and the listing says so', async () => {
    const plain = await start({ without: ['revocation', 'introspection'] })
    const using = open({ issuer: plain.issuer })
    const credential = await mint(using, readIssues)
    expect(await revoke(using, credential)).toEqual({
      outcome: 'expires',
      validUntil: credential.expiresAt,
      detail: 'the server has no revocation endpoint',
    })
    expect(using.revocation).toBe('expiry')
    await expect(using.prove(AbortSignal.timeout(5000))).resolves.toMatchObject({
      proof: expect.stringContaining('lives until it expires'),
    })
    await plain.close()
  })

  it('without introspection it is revoked, and not verified', async () => {
    const plain = await start({ without: ['introspection'] })
    const using = open({ issuer: plain.issuer })
    const credential = await mint(using, readIssues)
    expect(await revoke(using, credential)).toEqual({ outcome: 'revoked', verified: false })
    expect(using.revocation).toBe('immediate')
    await plain.close()
  })

  it('a JWT that the server cannot revoke lives until it expires', async () => {
    const using = bench.fresh()
    const credential = await mint(using, { scopes: ['issues:read'], resource: ['https://jwt.example.com'] })
    expect(await revoke(using, credential)).toMatchObject({ outcome: 'expires', validUntil: credential.expiresAt })
  })

  it('a JWT that the server says it revoked is not called dead', async () => {
    const using = bench.fresh()
    const credential = await mint(using, { scopes: ['issues:read'], resource: ['https://jwt.example.com'] })
    bench.ends.push(bench.front.twist({ path: '/token/revocation', text: '' }))
    expect(await revoke(using, credential)).toMatchObject({ outcome: 'accepted', detail: expect.stringContaining('JWT') })
  })

  it('a token that the server still calls active is not called dead', async () => {
    const using = bench.fresh()
    const credential = await mint(using, readIssues)
    bench.ends.push(bench.front.twist({ path: '/token/revocation', text: '' }))
    expect(await revoke(using, credential)).toMatchObject({ outcome: 'accepted' })
  })

  it('a refresh token that came along is kept with the credential, so that it ends with it after a restart too', async () => {
    bench.lie((body) => ({ ...body, refresh_token: 'refresh-token-nobody-asked-for' }))
    const credential = await mint(bench.fresh(), readIssues)
    const before = bench.front.journal.length
    // As a restart finds it: another provider, another object.
    await revoke(bench.fresh(), { ...credential, secrets: { ...credential.secrets } })
    const bodies = bench.front.journal.slice(before).filter(({ path }) => path === '/token/revocation')
    expect(bodies.map(({ body }) => new URLSearchParams(body).get('token'))).toEqual([
      'refresh-token-nobody-asked-for',
      tokenOf(credential),
    ])
  })

  it('a server that fails is asked again by the broker', async () => {
    const using = bench.fresh()
    const credential = await mint(using, readIssues)
    bench.ends.push(bench.front.twist({ path: '/token/revocation', status: 503 }))
    await expect(revoke(using, credential)).rejects.toMatchObject({ code: 'provider.unavailable' })
  })
})
