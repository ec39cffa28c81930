import { generateKeyPair } from 'jose'
import { describe, expect, it } from 'vitest'
import { compileScope } from '../../src/policy/scope.ts'
import { signPrincipal } from '../../src/identity/principal-token.ts'
import type { JsonObject, Provider, ProviderHost } from '../../src/provider/index.ts'
import { testHost } from '../../test/support/provider-host.ts'
import { clientSecret } from './fake/server.ts'
import { oauth } from './index.ts'
import {
  ecPem,
  exchange,
  failureOf,
  host,
  keys,
  mint,
  oneIssue,
  pem,
  readIssues,
  signer,
  shareBench,
  subjectToken,
  tokenOf,
} from './fake/registration.ts'

const bench = shareBench()
let provider: Provider

describe('the request', () => {
  it.each([
    ['client_secret_basic', {}],
    ['client_secret_post', { clientId: 'jit-post' }],
    ['private_key_jwt with P-256', { clientId: 'jit-ec', privateKey: ecPem }],
    ['private_key_jwt with RSA', { clientId: 'jit-rsa', privateKey: pem(keys['jit-rsa'].privateKey) }],
    ['private_key_jwt with Ed25519', { clientId: 'jit-ed', privateKey: pem(keys['jit-ed'].privateKey) }],
  ] as const)(
    'the client proves itself by %s',
    async (way, { clientId = 'jit', privateKey = '' }: { clientId?: string; privateKey?: string }) => {
      const using = testHost({ clientSecret, privateKey })
      const [authentication = ''] = way.split(' ')
      const credential = await mint(bench.fresh({ clientId, authentication }, using), readIssues)
      expect(bench.front.server.tokens.find(tokenOf(credential))).toMatchObject({
        clientId,
        scope: 'issues:read',
        aud: 'https://api.example.com',
      })
    },
  )

  it('asks for nothing but what the scope says', async () => {
    await mint(bench.fresh(), readIssues)
    expect([...bench.parameters()]).toEqual([
      ['grant_type', 'client_credentials'],
      ['scope', 'issues:read'],
      ['resource', 'https://api.example.com'],
    ])
  })

  it('an exchange asks the server for "read issue 42 of facebook/react", and says who acts', async () => {
    const acting = bench.fresh(exchange)
    const credential = await mint(acting, oneIssue)
    expect(bench.front.server.tokens.find(tokenOf(credential))).toMatchObject({ rar: oneIssue.authorization_details })
    expect(bench.front.server.actors.at(-1)).toMatchObject({
      sub: 'human:ada(1000)',
      aud: bench.front.issuer,
      act: { sub: 'server:tracker', tool: 'get_issue', act: { sub: 'agent:claude', session: 'ses_1' } },
    })
    expect(acting.asks?.(oneIssue)).toMatchObject({
      subject_token_type: 'urn:ietf:params:oauth:token-type:access_token',
      ...oneIssue,
    })
  })

  it('its details are filled from the call, and a call cannot change what they are', async () => {
    const parse = (scope: JsonObject): JsonObject => oauth.scope.parse(scope)
    const detail = { type: 'repository', identifier: '${args.owner}/${args.repo}', actions: ['read'], issue: '${args.number}' }
    const facts = { kind: 'oauth', origin: 'https://api.example.com', parseScope: parse, checkField: oauth.checkField }
    const template = compileScope({ authorization_details: [detail] }, facts)
    const scope = template.bind({ owner: 'facebook', repo: 'react', number: 42 }, {})
    const credential = await mint(bench.fresh(), scope)
    expect(bench.front.server.tokens.find(tokenOf(credential))).toMatchObject({
      rar: [{ type: 'repository', identifier: 'facebook/react', actions: ['read'], issue: '42' }],
    })
    for (const args of [
      { owner: 'facebook/x', repo: 'react', number: 42 },
      { owner: '*', repo: 'react', number: 42 },
      { owner: 'facebook', repo: '', number: 42 },
    ])
      expect(() => template.bind(args, {})).toThrow()
    const open = compileScope({ authorization_details: [{ ...detail, type: '${args.type}' }] }, facts)
    expect(() => open.bind({ owner: 'a', repo: 'b', number: 1, type: 'account' }, {})).toThrow(/does not come from a call/)
  })

  it('an actor token of another jit is refused by the server', async () => {
    const other = await generateKeyPair('EdDSA')
    const forged: ProviderHost['principalToken'] = (who, audience) =>
      signPrincipal({ key: other.privateKey, kid: signer.kid }, who, audience, Date.now())
    const failure = await failureOf(mint(bench.fresh(exchange, { ...host, principalToken: forged }), oneIssue))
    expect(failure).toMatchObject({ code: 'provider.refused', hint: expect.stringContaining('actor token') })
  })

  it('what explains a scope carries no secret and needs no network', async () => {
    const before = bench.front.journal.length
    const asked = JSON.stringify(bench.fresh(exchange).asks?.(oneIssue))
    expect(bench.front.journal.length).toBe(before)
    expect(asked).not.toContain(subjectToken)
  })
})

describe('where it asks', () => {
  it('finds the endpoints by OpenID Connect where there are no metadata of RFC 8414, and only once', async () => {
    provider = bench.fresh()
    bench.ends.push(bench.front.twist({ path: '/.well-known/oauth-authorization-server', status: 404 }))
    const before = bench.front.journal.length
    await mint(provider, readIssues)
    await mint(provider, readIssues)
    expect(bench.front.journal.slice(before).map(({ path }) => path)).toEqual([
      '/.well-known/oauth-authorization-server',
      '/.well-known/openid-configuration',
      '/token',
      '/token',
    ])
  })

  it.each([
    ['of another issuer', (body: object) => ({ ...body, issuer: 'https://evil.example.com' }), 'provider.refused'],
    ['of this issuer with a slash more', (body: object) => ({ ...body, issuer: `${bench.front.issuer}/` }), 'provider.refused'],
    ['with a plain HTTP endpoint', (body: object) => ({ ...body, token_endpoint: 'http://evil.example.com/token' }), 'provider.refused'],
    [
      'with an endpoint that has a password',
      (body: object) => ({ ...body, token_endpoint: 'https://a:b@example.com/token' }),
      'provider.refused',
    ],
    ['without a token endpoint', (body: object) => ({ ...body, token_endpoint: undefined }), 'provider.unavailable'],
    [
      'without this way of authentication',
      (body: object) => ({ ...body, token_endpoint_auth_methods_supported: ['none'] }),
      'provider.login',
    ],
  ])('metadata %s are not used, and nothing was minted', async (_, answer, code) => {
    bench.ends.push(bench.front.twist({ path: /well-known/, answer }))
    const before = bench.front.journal.filter(({ path }) => path === '/token').length
    const failure = await failureOf(mint(bench.fresh(), readIssues))
    expect(failure).toMatchObject({ code, details: { sent: false } })
    expect(bench.front.journal.filter(({ path }) => path === '/token').length).toBe(before)
  })

  it('follows no redirect', async () => {
    bench.ends.push(bench.front.twist({ path: '/token', status: 307, headers: { location: `${bench.front.issuer}/elsewhere` } }))
    await expect(mint(bench.fresh(), readIssues)).rejects.toMatchObject({
      code: 'provider.refused',
      hint: expect.stringContaining('address'),
    })
    expect(bench.front.journal.some(({ path }) => path === '/elsewhere')).toBe(false)
  })
})
