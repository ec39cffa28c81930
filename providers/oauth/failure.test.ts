import { describe, expect, it } from 'vitest'
import type { ProviderHost } from '../../src/provider/index.ts'
import { expectNoTrace, inAllSpellings } from '../../test/support/echo.ts'
import { testHost } from '../../test/support/provider-host.ts'
import { clientSecret } from './fake/server.ts'
import { ecPem, exchange, failureOf, host, mint, oneIssue, open, readIssues, shareBench, start, subjectToken } from './fake/registration.ts'

const bench = shareBench()

describe('failures', () => {
  it.each([
    [400, 'invalid_client', 'provider.login'],
    [401, 'invalid_client', 'provider.login'],
    [400, 'invalid_grant', 'provider.login'],
    [400, 'invalid_scope', 'provider.refused'],
    [400, 'invalid_target', 'provider.refused'],
    [400, 'unauthorized_client', 'provider.refused'],
    [401, 'unauthorized_client', 'provider.refused'],
    [403, 'access_denied', 'provider.refused'],
    [400, 'invalid_authorization_details', 'provider.refused'],
    [400, 'temporarily_unavailable', 'provider.unavailable'],
  ])('%d %s is %s', async (status, error, code) => {
    bench.ends.push(bench.front.twist({ path: '/token', status, text: JSON.stringify({ error, error_description: 'why' }) }))
    await expect(mint(bench.fresh(), readIssues)).rejects.toMatchObject({ code, details: { status } })
  })

  it('a server without rich authorization requests gives no token that ignores them', async () => {
    const plain = await start({ without: ['richAuthorizationRequests'] })
    const failure = await failureOf(mint(open({ issuer: plain.issuer }), { ...readIssues, ...oneIssue }))
    expect(failure).toMatchObject({ code: 'provider.scope', message: expect.stringContaining('did not apply') })
    expect(plain.server.tokens.alive()).toBe(0)
    await plain.close()
  })

  it('a token that reads like ordinary text is nobody’s secret, and refused', async () => {
    const answer = (token: string): string =>
      JSON.stringify({ access_token: token, token_type: 'bearer', expires_in: 60, scope: 'issues:read' })
    bench.ends.push(bench.front.twist({ path: '/token', status: 200, text: answer('typetext') }))
    const failure = await failureOf(mint(bench.fresh(), readIssues))
    expect(failure).toMatchObject({ code: 'provider.refused', message: expect.stringContaining('ordinary text') })
  })

  it('brackets in a text are no nesting', async () => {
    const text = JSON.stringify({ error: 'access_denied', error_description: `\\"${'['.repeat(100)}` })
    bench.ends.push(bench.front.twist({ path: '/token', status: 400, text }))
    await expect(mint(bench.fresh(), readIssues)).rejects.toMatchObject({
      code: 'provider.refused',
      message: expect.stringContaining('access_denied'),
    })
  })

  it('waits as long as the server says', async () => {
    bench.ends.push(bench.front.twist({ path: '/token', status: 429, headers: { 'retry-after': '7' } }))
    await expect(mint(bench.fresh(), readIssues)).rejects.toMatchObject({ details: { status: 429, retryAfter: 7000, sent: false } })
  })

  it('a secret that a server echoes is not repeated', async () => {
    for (const [echo, using] of [
      [clientSecret, bench.fresh()],
      [subjectToken, bench.fresh(exchange)],
    ] as const) {
      bench.ends.push(
        bench.front.twist({
          path: '/token',
          status: 400,
          text: JSON.stringify({ error: 'invalid_request', error_description: inAllSpellings(`you said ${echo}`) }),
        }),
      )
      const failure = await failureOf(mint(using, readIssues))
      expect(failure).toMatchObject({ message: expect.stringContaining('[redacted by jit]') })
      expectNoTrace(JSON.stringify([failure, String(failure)]), echo)
    }
  })

  it('nor one that stands in a failure of the way there', async () => {
    const fetch: ProviderHost['fetch'] = async (_url, init) => {
      throw new TypeError(`${new Headers(init?.headers).get('authorization')} is no header`)
    }
    const failure = await failureOf(mint(open({ tokenEndpoint: `${bench.front.issuer}/token` }, { ...host, fetch }), readIssues))
    expect(failure).toMatchObject({ code: 'provider.unavailable', message: expect.stringContaining('[redacted by jit]') })
    expectNoTrace(JSON.stringify([failure, String(failure)]), clientSecret)
  })

  it.each([
    ['clientSecret', {}],
    ['privateKey', { authentication: 'private_key_jwt' }],
    ['subjectToken', exchange],
  ])('without its %s it asks for a login, and nothing was sent', async (missing, config) => {
    const secrets = Object.fromEntries(
      Object.entries({ clientSecret, privateKey: ecPem, subjectToken }).filter(([name]) => name !== missing),
    )
    await expect(mint(bench.fresh(config, testHost(secrets)), readIssues)).rejects.toMatchObject({
      code: 'provider.login',
      details: { sent: false },
    })
  })

  it('a key that is none is not shown', async () => {
    const failure = await failureOf(
      mint(bench.fresh({ clientId: 'jit-ec', authentication: 'private_key_jwt' }, testHost({ privateKey: 'hunter2' })), readIssues),
    )
    expect(failure).toMatchObject({ code: 'provider.login' })
    expect(JSON.stringify(failure)).not.toContain('hunter2')
  })
})
