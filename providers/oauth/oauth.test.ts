import { generateKeyPairSync, type KeyObject } from 'node:crypto'
import { exportJWK, generateKeyPair } from 'jose'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { mayHaveMinted } from '../../src/broker/lost.ts'
import { systemClock } from '../../src/core/clock.ts'
import { compileScope } from '../../src/policy/scope.ts'
import { signPrincipal } from '../../src/identity/principal-token.ts'
import { createNetwork } from '../../src/network/network.ts'
import { type Credential, JitError, type JsonObject, type Provider, type ProviderHost } from '../../src/provider/index.ts'
import { describeProviderContract } from '../../test/conformance/provider-contract.ts'
import { createTestAuthority } from '../../test/support/certificates.ts'
import { expectNoTrace, inAllSpellings } from '../../test/support/echo.ts'
import { testHost } from '../../test/support/provider-host.ts'
import { oauthConfig } from './config.ts'
import { type Front, startFront } from './fake/front.ts'
import { clientSecret } from './fake/server.ts'
import { oauth } from './index.ts'

const subjectToken = 'subject-token-of-the-broker-0123456789'
const keys = {
  'jit-ec': generateKeyPairSync('ec', { namedCurve: 'P-256' }),
  'jit-rsa': generateKeyPairSync('rsa', { modulusLength: 2048 }),
  'jit-ed': generateKeyPairSync('ed25519'),
} as const
const pem = (key: KeyObject): string => key.export({ type: 'pkcs8', format: 'pem' }).toString()
const ecPem = pem(keys['jit-ec'].privateKey)

const signer = { key: await generateKeyPair('EdDSA', { extractable: true }), kid: 'kid-of-this-jit' }
const principalToken: ProviderHost['principalToken'] = (principal, audience) =>
  signPrincipal({ key: signer.key.privateKey, kid: signer.kid }, principal, audience, Date.now())

const readIssues = { scopes: ['issues:read'], resource: ['https://api.example.com'] }
const oneIssue = {
  authorization_details: [
    { type: 'repository', identifier: 'facebook/react', actions: ['read'], issue: 42, locations: ['https://api.example.com'] },
  ],
}
const principal = { human: 'ada(1000)', agent: 'claude', session: 'ses_1', server: 'tracker', tool: 'get_issue' }
const host = testHost({ clientSecret: `${clientSecret}\n`, subjectToken, privateKey: ecPem }, { principalToken })

async function start(more: Parameters<typeof startFront>[0] = {}): Promise<Front> {
  const jwks = Object.fromEntries(
    await Promise.all(Object.entries(keys).map(async ([id, { publicKey }]) => [id, await exportJWK(publicKey)] as const)),
  )
  const actor = { ...(await exportJWK(signer.key.publicKey)), kid: signer.kid, alg: 'EdDSA' }
  return startFront({ keys: jwks, actors: [actor], subjectToken, ...more })
}

function open(config: JsonObject, using: ProviderHost = host): Provider {
  return oauth.open(oauthConfig.parse({ clientId: 'jit', origin: 'https://api.example.com', proof: 'issues:read', ...config }), using)
}

const exchange = { clientId: 'jit-ec', authentication: 'private_key_jwt', grant: 'token-exchange', actor: true }

function mint(provider: Provider, scope: JsonObject): Promise<Credential> {
  return provider.mint({ lease: 'lease_test', scope, ttl: 300_000, principal }, AbortSignal.timeout(5000))
}

function failureOf(promise: Promise<unknown>): Promise<unknown> {
  return promise.then(
    () => undefined,
    (error: unknown) => error,
  )
}

const tokenOf = (credential: Credential): string => credential.secrets['token']?.seal((value) => value) ?? ''

for (const { name, config, scope, tooMuch, byEndpoint } of [
  { name: 'client credentials', config: {}, scope: readIssues, tooMuch: { scopes: ['admin'] }, byEndpoint: false },
  {
    name: 'token exchange with a signed actor, for one authorization detail',
    config: exchange,
    scope: oneIssue,
    tooMuch: { authorization_details: [{ type: 'repository', identifier: 'acme/secret', actions: ['read'] }] },
    byEndpoint: true,
  },
]) {
  describeProviderContract(`oauth, ${name}`, async () => {
    const front = await start()
    const authority = await createTestAuthority(['login.example.test'])
    const secure = await start({ tls: authority })
    const network = createNetwork(
      { hosts: { 'login.example.test': `127.0.0.1:${new URL(secure.issuer).port}` }, ca: [], timeout: 5000 },
      '/',
    )
    const gone = await start()
    await gone.close()
    const away =
      (issuer: string, fetch: ProviderHost['fetch'] = network.fetch) =>
      (): Provider =>
        open({ ...config, ...(byEndpoint ? { tokenEndpoint: `${issuer}/token` } : { issuer }) }, { ...host, fetch })
    const wildcard = { type: 'repository', identifier: 'facebook/*' }
    return {
      plugin: oauth,
      clock: systemClock,
      provider: open({ ...config, issuer: front.issuer, proof: scope }),
      scope,
      tooMuch,
      malformed: [
        {},
        { scopes: [] },
        { scopes: ['*'] },
        { scopes: ['issues:*'] },
        { scopes: ['a b'] },
        { scopes: [''] },
        { resource: [] },
        { resource: ['api'] },
        { resource: ['https://api.example.com/#x'] },
        { audience: ['*'] },
        { audience: [''] },
        { audience: ['api\u200b'] },
        { resource: ['https://api.example.com/\u2060x'] },
        { authorization_details: [{ type: 'repository', identifier: 'acme/web\u200d' }] },
        { authorization_details: [{ type: 'repository', 'identifier\u200b': 'acme/web' }] },
        { authorization_details: [] },
        { authorization_details: [{}] },
        { authorization_details: [{ type: '' }] },
        { authorization_details: [wildcard] },
        { authorization_details: [{ type: 'repository', actions: [] }] },
        { authorization_details: [{ type: 'repository', more: { deep: { a: { b: { c: { d: { e: 1 } } } } } } }] },
        { scopes: ['issues:read'], more: true },
      ],
      unreachable: {
        refused: away(gone.issuer, fetch),
        'no such name': away('https://nothing.invalid'),
        'untrusted certificate': away('https://login.example.test'),
      },
      isAlive: (secret) => front.server.tokens.find(secret) !== undefined,
      alive: () => front.server.tokens.alive(),
      mints: () => front.journal.filter(({ path }) => path === '/token').length,
      requests: () => front.journal.length,
      fail: (way, what = 'mint') => front.twist({ path: what === 'mint' ? '/token' : '/token/revocation', ...way }),
      logged: () => host.logged(),
      secrets: [clientSecret, subjectToken, ecPem.split('\n')[1] ?? '', Buffer.from(`jit:${clientSecret}`).toString('base64')],
      shaped: false,
      async close() {
        await network.close()
        await secure.close()
        await front.close()
      },
    }
  })
}

describe('oauth', () => {
  let front: Front
  let provider: Provider
  const ends: (() => void)[] = []
  beforeAll(async () => {
    front = await start()
  })
  afterEach(() => {
    for (const end of ends.splice(0)) end()
  })
  afterAll(() => front.close())
  const lie = (answer: (body: Record<string, unknown>) => unknown): void => void ends.push(front.twist({ path: '/token', answer }))
  const fresh = (config: JsonObject = {}, using?: ProviderHost): Provider => open({ issuer: front.issuer, ...config }, using)
  const parametersOf = (): URLSearchParams => new URLSearchParams(front.journal.findLast(({ path }) => path === '/token')?.body)

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
        const credential = await mint(fresh({ clientId, authentication }, using), readIssues)
        expect(front.server.tokens.find(tokenOf(credential))).toMatchObject({
          clientId,
          scope: 'issues:read',
          aud: 'https://api.example.com',
        })
      },
    )

    it('asks for nothing but what the scope says', async () => {
      await mint(fresh(), readIssues)
      expect([...parametersOf()]).toEqual([
        ['grant_type', 'client_credentials'],
        ['scope', 'issues:read'],
        ['resource', 'https://api.example.com'],
      ])
    })

    it('an exchange asks the server for "read issue 42 of facebook/react", and says who acts', async () => {
      const acting = fresh(exchange)
      const credential = await mint(acting, oneIssue)
      expect(front.server.tokens.find(tokenOf(credential))).toMatchObject({ rar: oneIssue.authorization_details })
      expect(front.server.actors.at(-1)).toMatchObject({
        sub: 'human:ada(1000)',
        aud: front.issuer,
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
      const credential = await mint(fresh(), scope)
      expect(front.server.tokens.find(tokenOf(credential))).toMatchObject({
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
      const failure = await failureOf(mint(fresh(exchange, { ...host, principalToken: forged }), oneIssue))
      expect(failure).toMatchObject({ code: 'provider.refused', hint: expect.stringContaining('actor token') })
    })

    it('what explains a scope carries no secret and needs no network', async () => {
      const before = front.journal.length
      const asked = JSON.stringify(fresh(exchange).asks?.(oneIssue))
      expect(front.journal.length).toBe(before)
      expect(asked).not.toContain(subjectToken)
    })
  })

  describe('where it asks', () => {
    it('finds the endpoints by OpenID Connect where there are no metadata of RFC 8414, and only once', async () => {
      provider = fresh()
      ends.push(front.twist({ path: '/.well-known/oauth-authorization-server', status: 404 }))
      const before = front.journal.length
      await mint(provider, readIssues)
      await mint(provider, readIssues)
      expect(front.journal.slice(before).map(({ path }) => path)).toEqual([
        '/.well-known/oauth-authorization-server',
        '/.well-known/openid-configuration',
        '/token',
        '/token',
      ])
    })

    it.each([
      ['of another issuer', (body: object) => ({ ...body, issuer: 'https://evil.example.com' }), 'provider.refused'],
      ['of this issuer with a slash more', (body: object) => ({ ...body, issuer: `${front.issuer}/` }), 'provider.refused'],
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
      ends.push(front.twist({ path: /well-known/, answer }))
      const before = front.journal.filter(({ path }) => path === '/token').length
      const failure = await failureOf(mint(fresh(), readIssues))
      expect(failure).toMatchObject({ code, details: { sent: false } })
      expect(front.journal.filter(({ path }) => path === '/token').length).toBe(before)
    })

    it('follows no redirect', async () => {
      ends.push(front.twist({ path: '/token', status: 307, headers: { location: `${front.issuer}/elsewhere` } }))
      await expect(mint(fresh(), readIssues)).rejects.toMatchObject({ code: 'provider.refused', hint: expect.stringContaining('address') })
      expect(front.journal.some(({ path }) => path === '/elsewhere')).toBe(false)
    })
  })

  describe('what it was given', () => {
    it.each([
      ['a scope more', readIssues, (body: object) => ({ ...body, scope: 'issues:read admin' })],
      ['no scope at all', readIssues, (body: object) => ({ ...body, scope: '' })],
      [
        'scopes where only a resource was asked',
        { resource: ['https://api.example.com'] },
        (body: object) => ({ ...body, scope: 'admin' }),
      ],
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
      lie((body) => {
        token = String(body['access_token'])
        return answer(body)
      })
      await expect(mint(fresh(exchange), scope)).rejects.toMatchObject({ code: 'provider.scope' })
      expect(token).not.toBe('')
      expect(front.server.tokens.find(token)).toBeUndefined()
    })

    it('a token that may not be used and could not be revoked is left to the broker, which sees that', async () => {
      lie((body) => ({ ...body, scope: 'issues:read admin' }))
      ends.push(front.twist({ path: '/token/revocation', status: 500 }))
      const credential = await mint(fresh(), readIssues)
      expect(fresh().covers(credential.granted, readIssues)).toBe(false)
      expect(front.server.tokens.find(tokenOf(credential))).toBeDefined()
    })

    it('an answer without a scope grants what was asked, and fewer scopes are fewer', async () => {
      const both = { scopes: ['issues:read', 'issues:write'] }
      lie((body) => ({ ...body, scope: undefined }))
      expect((await mint(fresh(), both)).granted).toMatchObject(both)
      lie((body) => ({ ...body, scope: 'issues:read' }))
      const less = await mint(fresh(), both)
      expect(less.granted['scopes']).toEqual(['issues:read'])
      expect(fresh().covers(less.granted, both)).toBe(true)
    })

    it.each([
      ['the life that the server says', { expires_in: 77 }, 77_000],
      ['also as text', { expires_in: '77' }, 77_000],
      ['the configured one when it says none', { expires_in: undefined }, 120_000],
    ])('believes %s', async (_, said, life) => {
      const now = Date.now()
      lie((body) => ({ ...body, ...said }))
      const clock = { ...systemClock, now: () => now }
      expect((await mint(fresh({ defaultTtl: '2m' }, { ...host, clock }), readIssues)).expiresAt).toBe(now + life)
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
      ends.push(front.twist({ path: '/token', text }))
      const failure = await failureOf(mint(fresh(), readIssues))
      expect(failure).toMatchObject({ code: 'provider.unavailable' })
      expect(failure instanceof JitError && mayHaveMinted(failure)).toBe(true)
    })
  })

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
      ends.push(front.twist({ path: '/token', status, text: JSON.stringify({ error, error_description: 'why' }) }))
      await expect(mint(fresh(), readIssues)).rejects.toMatchObject({ code, details: { status } })
    })

    it('a server without rich authorization requests gives no token that ignores them', async () => {
      const plain = await start({ without: ['richAuthorizationRequests'] })
      const failure = await failureOf(mint(open({ issuer: plain.issuer }), { ...readIssues, ...oneIssue }))
      expect(failure).toMatchObject({ code: 'provider.scope', message: expect.stringContaining('did not apply') })
      expect(plain.server.tokens.alive()).toBe(0)
      await plain.close()
    })

    it('brackets in a text are no nesting', async () => {
      const text = JSON.stringify({ error: 'access_denied', error_description: `\\"${'['.repeat(100)}` })
      ends.push(front.twist({ path: '/token', status: 400, text }))
      await expect(mint(fresh(), readIssues)).rejects.toMatchObject({
        code: 'provider.refused',
        message: expect.stringContaining('access_denied'),
      })
    })

    it('waits as long as the server says', async () => {
      ends.push(front.twist({ path: '/token', status: 429, headers: { 'retry-after': '7' } }))
      await expect(mint(fresh(), readIssues)).rejects.toMatchObject({ details: { status: 429, retryAfter: 7000, sent: false } })
    })

    it('a secret that a server echoes is not repeated', async () => {
      for (const [echo, using] of [
        [clientSecret, fresh()],
        [subjectToken, fresh(exchange)],
      ] as const) {
        ends.push(
          front.twist({
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
      const failure = await failureOf(mint(open({ tokenEndpoint: `${front.issuer}/token` }, { ...host, fetch }), readIssues))
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
      await expect(mint(fresh(config, testHost(secrets)), readIssues)).rejects.toMatchObject({
        code: 'provider.login',
        details: { sent: false },
      })
    })

    it('a key that is none is not shown', async () => {
      const failure = await failureOf(
        mint(fresh({ clientId: 'jit-ec', authentication: 'private_key_jwt' }, testHost({ privateKey: 'hunter2' })), readIssues),
      )
      expect(failure).toMatchObject({ code: 'provider.login' })
      expect(JSON.stringify(failure)).not.toContain('hunter2')
    })
  })

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
      const using = fresh()
      const credential = await mint(using, { scopes: ['issues:read'], resource: ['https://jwt.example.com'] })
      expect(await revoke(using, credential)).toMatchObject({ outcome: 'expires', validUntil: credential.expiresAt })
    })

    it('a JWT that the server says it revoked is not called dead', async () => {
      const using = fresh()
      const credential = await mint(using, { scopes: ['issues:read'], resource: ['https://jwt.example.com'] })
      ends.push(front.twist({ path: '/token/revocation', text: '' }))
      expect(await revoke(using, credential)).toMatchObject({ outcome: 'accepted', detail: expect.stringContaining('JWT') })
    })

    it('a token that the server still calls active is not called dead', async () => {
      const using = fresh()
      const credential = await mint(using, readIssues)
      ends.push(front.twist({ path: '/token/revocation', text: '' }))
      expect(await revoke(using, credential)).toMatchObject({ outcome: 'accepted' })
    })

    it('a refresh token that came along is kept with the credential, so that it ends with it after a restart too', async () => {
      lie((body) => ({ ...body, refresh_token: 'refresh-token-nobody-asked-for' }))
      const credential = await mint(fresh(), readIssues)
      const before = front.journal.length
      // As a restart finds it: another provider, another object.
      await revoke(fresh(), { ...credential, secrets: { ...credential.secrets } })
      const bodies = front.journal.slice(before).filter(({ path }) => path === '/token/revocation')
      expect(bodies.map(({ body }) => new URLSearchParams(body).get('token'))).toEqual([
        'refresh-token-nobody-asked-for',
        tokenOf(credential),
      ])
    })

    it('a server that fails is asked again by the broker', async () => {
      const using = fresh()
      const credential = await mint(using, readIssues)
      ends.push(front.twist({ path: '/token/revocation', status: 503 }))
      await expect(revoke(using, credential)).rejects.toMatchObject({ code: 'provider.unavailable' })
    })
  })

  describe('scopes', () => {
    const detail = { type: 'repository', identifier: 'facebook/react', actions: ['read', 'list'], issue: 42, only: ['a', 'b'] }
    const granted = (one: JsonObject): JsonObject => ({ scopes: [], resource: [], audience: [], authorization_details: [one] })
    it.each<[string, JsonObject, boolean]>([
      ['the same', { ...detail }, true],
      ['fewer actions', { ...detail, actions: ['read'] }, true],
      ['no action', { ...detail, actions: [] }, false],
      ['an action more', { ...detail, actions: ['read', 'list', 'write'] }, false],
      ['another identifier', { ...detail, identifier: 'facebook/secret' }, false],
      ['another number', { ...detail, issue: 43 }, false],
      ['a number as text', { ...detail, issue: '42' }, false],
      ['a limit less', { type: 'repository', identifier: 'facebook/react', actions: ['read', 'list'], issue: 42 }, false],
      ['a field more', { ...detail, privileges: ['admin'] }, false],
      ['fewer of what may be a limit', { ...detail, only: ['a'] }, false],
    ])('a granted detail with %s: covered %s', (_, one, covered) => {
      expect(fresh().covers(granted(one), { authorization_details: [detail] })).toBe(covered)
    })

    it.each([
      ['scopes.0', 'react', true],
      ['scopes.0', 'a:admin', false],
      ['scopes.0', 'a b', false],
      ['resource.0', 'evil.com:443', false],
      ['resource.0', 'x@evil.com', false],
      ['resource.0', 'a#b', false],
      ['audience.0', 'a/b', false],
      ['authorization_details.0.identifier', 'facebook/react', true],
      ['authorization_details.0.type', 'repository', false],
      ['authorization_details.0.title', 'x'.repeat(513), false],
      ['authorization_details.0.title', 'größe 日本', true],
      ['authorization_details.0.title', 'find\u200bme', false],
      ['authorization_details.0.title', '\u{e0041}', false],
    ])('a call may give %s the value %j: %s', (path, value, good) => {
      expect(oauth.checkField(path, value) === undefined).toBe(good)
    })

    it('two things may not share a child process, two actions on one may', () => {
      const scope = (identifier: string, action: string): JsonObject => ({
        authorization_details: [{ type: 'repository', identifier, actions: [action] }],
      })
      const { partition } = fresh()
      expect(partition(scope('facebook/react', 'read'))).toBe(partition(scope('facebook/react', 'write')))
      expect(partition(scope('facebook/react', 'read'))).not.toBe(partition(scope('facebook/jest', 'read')))
      expect(partition({ scopes: ['a'] })).not.toBe(partition({ scopes: ['b'] }))
      expect(partition(scope('facebook/react', 'read'))).toBe('repository(identifier=facebook/react)')
      expect(partition({ resource: ['https://api.example.com/'], audience: ['api'] })).toBe(
        'resource=https://api.example.com/ audience=api',
      )
    })

    it('no two things look alike to a lane, however they are spelt', () => {
      const { partition } = fresh()
      const detail = (more: JsonObject): JsonObject => ({ authorization_details: [{ type: 'issue', ...more }] })
      const all = [
        detail({ number: 42 }),
        detail({ number: '42' }),
        detail({ open: true }),
        detail({ open: 'true' }),
        detail({ a: 'b, c=d' }),
        detail({ a: 'b', c: 'd' }),
        detail({ a: '"b"' }),
        detail({ a: ['b'] }),
        detail({ a: '["b"]' }),
        detail({ a: 'b) audience=x' }),
        { ...detail({ a: 'b' }), audience: ['x'] },
        { authorization_details: [{ type: 'issue(a=b)' }] },
        detail({ a: 'b' }),
        { authorization_details: [{ type: 'issue', a: 'b' }, { type: 'issue' }] },
        { scopes: ['audience=x'] },
        { audience: ['x'] },
        { resource: ['https://x'] },
        { audience: ['https://x'] },
        { scopes: ['a', 'b'] },
        { scopes: ['a'] },
      ]
      expect(new Set(all.map(partition)).size).toBe(all.length)
    })
  })

  describe('config', () => {
    const base = { clientId: 'jit', origin: 'https://api.example.com', proof: 'issues:read', issuer: 'https://login.example.com' }
    it.each([
      ['the least', {}, true],
      ['a client id that looks like a number', { clientId: 4242 }, true],
      ['a proof as JSON', { proof: '{"audience":["https://api.example.com"]}' }, true],
      ['a proof that is none', { proof: '{"audience":[]}' }, false],
      ['what a command line says of actor', { grant: 'token-exchange', actor: 'true' }, true],
      ['HTTP to this machine', { issuer: 'http://127.0.0.1:4000' }, true],
      ['HTTP to elsewhere', { issuer: 'http://login.example.com' }, false],
      ['HTTP to a name that looks like this machine', { issuer: 'http://127.0.0.1.example.com' }, false],
      ['an issuer with a query', { issuer: 'https://login.example.com?x' }, false],
      ['an issuer with a password', { issuer: 'https://a:b@login.example.com' }, false],
      ['both an issuer and an endpoint', { tokenEndpoint: 'https://login.example.com/token' }, false],
      ['neither', { issuer: undefined }, false],
      ['an issuer and a revocation endpoint', { revocationEndpoint: 'https://login.example.com/revoke' }, false],
      ['an actor without an exchange', { actor: true }, false],
      ['a key id without a key', { keyId: 'a' }, false],
      ['an unknown field', { secret: 'x' }, false],
    ])('%s: valid %s', (_, more, good) => {
      expect(oauthConfig.safeParse({ ...base, ...more }).success).toBe(good)
    })
  })
})
