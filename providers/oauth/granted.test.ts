import { describe, expect, it } from 'vitest'
import { mayHaveMinted } from '../../src/broker/lost.ts'
import { systemClock } from '../../src/core/clock.ts'
import { JitError } from '../../src/provider/index.ts'
import { exchange, failureOf, host, mint, oneIssue, readIssues, shareBench, tokenOf } from './fake/registration.ts'

const bench = shareBench()

describe('what it was given', () => {
  it.each([
    ['a scope more', readIssues, (body: object) => ({ ...body, scope: 'issues:read admin' })],
    ['no scope at all', readIssues, (body: object) => ({ ...body, scope: '' })],
    ['scopes where only a resource was asked', { resource: ['https://api.example.com'] }, (body: object) => ({ ...body, scope: 'admin' })],
    ['a DPoP token', readIssues, (body: object) => ({ ...body, token_type: 'DPoP' })],
    ['a token of no known type', readIssues, (body: object) => ({ ...body, token_type: 'mac' })],
    ['a token that lives too long', readIssues, (body: object) => ({ ...body, expires_in: 86_400 })],
    [
      'an ID token for an access token',
      readIssues,
      (body: object) => ({ ...body, issued_token_type: 'urn:ietf:params:oauth:token-type:id_token' }),
    ],
    ['no word on the details', oneIssue, (body: object) => ({ ...body, authorization_details: undefined })],
    ['no details', oneIssue, (body: object) => ({ ...body, authorization_details: [] })],
    ['details nobody asked for', readIssues, (body: object) => ({ ...body, authorization_details: oneIssue.authorization_details })],
  ])('%s: the token is revoked, and nothing is handed out', async (_, scope, answer) => {
    let token = ''
    bench.lie((body) => {
      token = String(body['access_token'])
      return answer(body)
    })
    await expect(mint(bench.fresh(exchange), scope)).rejects.toMatchObject({ code: 'provider.scope' })
    expect(token).not.toBe('')
    expect(bench.front.server.tokens.find(token)).toBeUndefined()
  })

  it('a token that may not be used and could not be revoked is left to the broker, which sees that', async () => {
    bench.lie((body) => ({ ...body, scope: 'issues:read admin' }))
    bench.ends.push(bench.front.twist({ path: '/token/revocation', status: 500 }))
    const credential = await mint(bench.fresh(), readIssues)
    expect(bench.fresh().covers(credential.granted, readIssues)).toBe(false)
    expect(bench.front.server.tokens.find(tokenOf(credential))).toBeDefined()
  })

  it('an answer without a scope grants what was asked, and fewer scopes are fewer', async () => {
    const both = { scopes: ['issues:read', 'issues:write'] }
    bench.lie((body) => ({ ...body, scope: undefined }))
    expect((await mint(bench.fresh(), both)).granted).toMatchObject(both)
    bench.lie((body) => ({ ...body, scope: 'issues:read' }))
    const less = await mint(bench.fresh(), both)
    expect(less.granted['scopes']).toEqual(['issues:read'])
    expect(bench.fresh().covers(less.granted, both)).toBe(true)
  })

  it.each([
    ['the life that the server says', { expires_in: 77 }, 77_000],
    ['also as text', { expires_in: '77' }, 77_000],
    ['the configured one when it says none', { expires_in: undefined }, 120_000],
  ])('believes %s', async (_, said, life) => {
    const now = Date.now()
    bench.lie((body) => ({ ...body, ...said }))
    const clock = { ...systemClock, now: () => now }
    expect((await mint(bench.fresh({ defaultTtl: '2m' }, { ...host, clock }), readIssues)).expiresAt).toBe(now + life)
  })

  it.each([
    ['text', 'hello'],
    ['a list', '[]'],
    ['no token', '{"token_type":"Bearer"}'],
    [
      'nested without end',
      `{"access_token":"x","token_type":"Bearer","authorization_details":[{"type":"x","a":${'['.repeat(9000)}${']'.repeat(9000)}}]}`,
    ],
    ['too large', `{"access_token":"${'x'.repeat(300_000)}","token_type":"Bearer"}`],
  ])('an answer that is %s counts as a lost mint', async (_, text) => {
    bench.ends.push(bench.front.twist({ path: '/token', text }))
    const failure = await failureOf(mint(bench.fresh(), readIssues))
    expect(failure).toMatchObject({ code: 'provider.unavailable' })
    expect(failure instanceof JitError && mayHaveMinted(failure)).toBe(true)
  })
})
