import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { JitError, type Credential, type JsonObject, type Provider, Secret } from '../../src/provider/index.ts'
import { type LoggedIn, logInAt, type LoginOptions } from './fake/login.ts'
import { clientSecret, startWorld, type Twist, type World, type WorldOptions } from './fake/world.ts'
import { openSession, sealSession, type Session } from './session.ts'

const principal = { human: 'ada(1000)', agent: 'claude', session: 'ses_1', server: 'tracker', tool: 'get_issue' }
const worlds: World[] = []
let world: World

async function start(options: WorldOptions = {}): Promise<World> {
  const made = await startWorld(options)
  worlds.push(made)
  return made
}

beforeEach(async () => {
  world = await start()
})
afterEach(async () => {
  for (const one of worlds.splice(0)) await one.close()
})

const mint = (provider: Provider, scope: JsonObject = {}, ttl = 60_000): Promise<Credential> =>
  provider.mint({ lease: 'lease_test', scope: { resource: world.url, ...scope }, ttl, principal }, AbortSignal.timeout(5000))
const tokenOf = (credential: Credential): string => credential.secrets['token']?.seal((value) => value) ?? ''
const sessionOf = (login: LoggedIn): Session => {
  const session = openSession(login.host.secret('session'))
  if (session === undefined) throw new Error('no session')
  return session
}
const aged = async (login: LoggedIn): Promise<void> =>
  login.host.keep('session', sealSession({ ...sessionOf(login), expiresAt: Date.now() - 1 }))
const tokenRequests = (): URLSearchParams[] =>
  world.journal.filter(({ path }) => path === '/token').map(({ body }) => new URLSearchParams(body))
const logIn = (config: JsonObject = {}, secrets: Record<string, string> = {}, options: LoginOptions = {}): Promise<LoggedIn> =>
  logInAt(world, config, secrets, options)

/** Goes to the authorization page, and comes back with an answer that `change` has been at. */
const tampering =
  (change: (back: URL) => void): NonNullable<LoginOptions['browser']> =>
  async (address) => {
    const back = new URL(new URL(address).searchParams.get('redirect_uri') ?? '')
    back.searchParams.set('state', new URL(address).searchParams.get('state') ?? '')
    back.searchParams.set('code', 'a-code')
    back.searchParams.set('iss', world.issuer)
    change(back)
    await fetch(back)
  }

describe('a login through the browser', () => {
  it('asks for what the server wants, by PKCE, for the server alone, and says so', async () => {
    const { shown } = await logIn()
    const page = new URL(shown[0]?.url ?? '')
    expect(page.origin).toBe(world.issuer)
    expect(Object.fromEntries(page.searchParams)).toMatchObject({
      response_type: 'code',
      code_challenge_method: 'S256',
      resource: world.url,
      scope: 'issues:read issues:write offline_access',
      state: expect.stringMatching(/^[\w-]{43}$/),
    })
    expect(page.searchParams.get('redirect_uri')).toMatch(/^http:\/\/127\.0\.0\.1:\d+\/callback$/)
    expect(shown[0]?.notes.join(' ')).toContain('registered itself')
    expect(tokenRequests()[0]?.get('resource')).toBe(world.url)
  })

  it('registers as a native program only where no client was given', async () => {
    await logIn()
    const registered = JSON.parse(world.journal.find(({ path }) => path === '/reg')?.body ?? '{}')
    expect(registered).toMatchObject({ application_type: 'native', token_endpoint_auth_method: 'none', client_name: 'jit' })
    const before = world.journal.length
    const { shown } = await logIn({ clientId: 'by-hand' }, { clientSecret: `${clientSecret}\n` })
    expect(world.journal.slice(before).filter(({ path }) => path === '/reg')).toEqual([])
    expect(shown[0]?.notes.join(' ')).not.toContain('registered itself')
    const basic = world.journal.findLast(({ path }) => path === '/token')?.headers.authorization ?? ''
    expect(Buffer.from(basic.replace('Basic ', ''), 'base64').toString()).toBe(
      `by-hand:${new URLSearchParams([['', clientSecret]]).toString().slice(1)}`,
    )
  })

  it('goes on with a client metadata document where the server takes those', async () => {
    const document = 'https://jit.example.com/client.json'
    world.twist({
      path: '/.well-known/oauth-authorization-server',
      answer: (body) => ({ ...body, client_id_metadata_document_supported: true }),
    })
    let asked = ''
    const browser = tampering((back) => back.searchParams.set('error', 'access_denied'))
    const login = logIn({ clientMetadataUrl: document }, {}, { browser: async (address) => ((asked = address), browser(address)) })
    await expect(login).rejects.toMatchObject({ code: 'provider.refused' })
    expect(new URL(asked).searchParams.get('client_id')).toBe(document)
    expect(world.journal.some(({ path }) => path === '/reg')).toBe(false)
  })

  it('asks for more when the server does, ends what it got before, and stops when that leads nowhere', async () => {
    world.require(['admin'])
    const { shown, provider } = await logIn({ scopes: 'issues:read' })
    expect(shown.map(({ url }) => new URL(url).searchParams.get('scope'))).toEqual([
      'issues:read offline_access',
      'issues:read admin offline_access',
    ])
    expect(world.store.alive('RefreshToken')).toBe(1)
    await expect(provider.prove(AbortSignal.timeout(5000))).resolves.toMatchObject({ issuer: world.issuer })
    world.require(['nobody:has'])
    await expect(logIn()).rejects.toThrow()
    expect(world.store.alive('RefreshToken')).toBe(1)
  })

  it('keeps what was agreed to before, and what the server asked for since', async () => {
    const first = await logIn({ scopes: 'issues:read' })
    const had = await mint(first.provider)
    // What the login has was kept from this lease by its scope.
    expect(await first.provider.challenged?.(403, 'Bearer error="insufficient_scope", scope="issues:read"', had)).toBeUndefined()
    const said = await first.provider.challenged?.(403, 'Bearer error="insufficient_scope", scope="issues:write"', had)
    expect(said).toMatchObject({ code: 'provider.refused', hint: expect.stringContaining(`jit login mcp ${world.url} test --replace`) })
    const { shown } = await logIn({ scopes: 'issues:read' }, {}, { previous: first.host.secret('session') })
    expect(new URL(shown[0]?.url ?? '').searchParams.get('scope')?.split(' ').toSorted()).toEqual([
      'issues:read',
      'issues:write',
      'offline_access',
    ])
  })

  it.each<[string, (back: URL) => void, string]>([
    ['another issuer', (back) => back.searchParams.set('iss', 'https://evil.example.com'), 'came back from'],
    ['the issuer with a slash more', (back) => back.searchParams.set('iss', `${world.issuer}/`), 'came back from'],
    ['no issuer, where one was promised', (back) => back.searchParams.delete('iss'), 'came back from'],
    ['two issuers', (back) => back.searchParams.append('iss', world.issuer), 'came back from'],
    ['a refusal', (back) => back.searchParams.set('error', 'access_denied'), 'refused the login'],
    [
      'a refusal of another issuer',
      (back) => (back.searchParams.set('error', 'x'), back.searchParams.set('iss', 'https://evil.example')),
      'came back from',
    ],
    ['no code', (back) => back.searchParams.delete('code'), 'without a code'],
    ['two codes', (back) => back.searchParams.append('code', 'b'), 'without a code'],
  ])('sends nothing to anybody after an answer with %s', async (_, change, words) => {
    const login = logIn({}, {}, { browser: tampering(change) })
    await expect(login).rejects.toMatchObject({ code: 'provider.refused', message: expect.stringContaining(words) })
    expect(tokenRequests()).toEqual([])
  })

  const metadata = '/.well-known/oauth-authorization-server'
  const resource = '/.well-known/oauth-protected-resource/mcp'
  const lying = (path: string, more: object): Twist => ({ path, answer: (body) => ({ ...body, ...more }) })
  it.each<[string, Twist, string]>([
    ['the metadata of another issuer', lying(metadata, { issuer: 'https://evil.example.com' }), 'are those of'],
    ['no PKCE', lying(metadata, { code_challenge_methods_supported: undefined }), 'PKCE'],
    ['plain PKCE only', lying(metadata, { code_challenge_methods_supported: ['plain'] }), 'PKCE'],
    ['a token endpoint in clear text', lying(metadata, { token_endpoint: 'http://example.com/token' }), 'nothing is sent to'],
    ['a revocation endpoint with a password', lying(metadata, { revocation_endpoint: 'https://a:b@example.com/' }), 'nothing is sent to'],
    ['a registration endpoint that is a file', lying(metadata, { registration_endpoint: 'file:///etc/passwd' }), 'nothing is sent to'],
    ['javascript as the page', lying(metadata, { authorization_endpoint: 'javascript:alert(1)' }), 'another form'],
    ['a page in a private network', lying(metadata, { authorization_endpoint: 'https://192.168.1.1/reboot' }), 'no public address'],
    ['a page at a metadata service', lying(metadata, { authorization_endpoint: 'https://169.254.169.254/x' }), 'no public address'],
    [
      'a page in an address in IPv6 clothes',
      lying(metadata, { authorization_endpoint: 'https://[::ffff:10.0.0.1]/x' }),
      'no public address',
    ],
    ['a resource elsewhere', lying(resource, { resource: 'https://evil.example.com/mcp' }), 'are those of'],
    ['a resource beside it', lying(resource, { resource: 'http://127.0.0.1:1/mcp' }), 'are those of'],
    ['an authorization server in clear text', lying(resource, { authorization_servers: ['http://10.0.0.1/'] }), 'nothing is sent to'],
    ['metadata without end', { path: metadata, text: `{"issuer":"${'x'.repeat(400_000)}"}` }, 'bytes'],
    ['metadata without bottom', { path: metadata, text: '['.repeat(100_000) }, 'no proper JSON'],
    ['metadata that are no JSON', { path: metadata, text: '<html>' }, 'another form'],
    ['metadata elsewhere', { path: metadata, status: 302, headers: { location: 'http://169.254.169.254/' } }, ''],
    ['a server elsewhere', { path: '/mcp', status: 307, headers: { location: 'https://evil.example.com/mcp' } }, 'is elsewhere'],
    [
      'metadata where its challenge says none are',
      { path: '/mcp', status: 401, headers: { 'www-authenticate': 'Bearer resource_metadata="http://169.254.169.254/latest"' } },
      'nothing is sent to',
    ],
  ])('does not show a page of a server with %s', async (what, twist, words) => {
    world.twist(twist)
    // The other well-known place of the same metadata lies too.
    if (twist.path === metadata) world.twist({ ...twist, path: '/.well-known/openid-configuration' })
    let shown = 0
    const login = logIn({}, {}, { browser: async () => void (shown += 1) })
    await expect(login).rejects.toMatchObject({ message: expect.stringContaining(words) })
    await login.catch((error: unknown) => expect(error, what).toBeInstanceOf(JitError))
    expect(shown).toBe(0)
    expect(world.journal.every(({ path }) => !path.startsWith('/latest'))).toBe(true)
  })

  it('posts a code to no other place that the token endpoint sends it to', async () => {
    world.twist({ path: '/token', status: 307, headers: { location: `${world.url}` } })
    await expect(logIn()).rejects.toMatchObject({ code: 'provider.refused', message: expect.stringContaining('secrets follow nowhere') })
  })
})

describe('the tokens of a login', () => {
  it('are handed out as they are while they live long enough, to all who ask', async () => {
    const { provider } = await logIn()
    const before = tokenRequests().length
    expect(tokenOf(await mint(provider))).toBe(tokenOf(await mint(provider)))
    expect(tokenRequests()).toHaveLength(before)
  })

  it('are renewed once for all who ask at once, and the new refresh token is sealed before anybody gets a token', async () => {
    const login = await logIn()
    await aged(login)
    const before = sessionOf(login)
    const [one, two] = await Promise.all([mint(login.provider), mint(login.provider)])
    expect(tokenOf(one)).toBe(tokenOf(two))
    expect(tokenRequests().filter((form) => form.get('grant_type') === 'refresh_token')).toHaveLength(1)
    const after = sessionOf(login)
    expect(after.refreshToken?.reveal()).not.toBe(before.refreshToken?.reveal())
    expect(after.accessToken?.reveal()).toBe(tokenOf(one))
    // The server takes a used one for stolen, and would end the login.
    await aged(login)
    await expect(mint(login.provider)).resolves.toBeDefined()
  })

  it('are not lost with a disk that took no seal: the same renewal is sealed with the next call', async () => {
    let broken = false
    const kept = new Map<string, Secret>()
    const login = await logIn(
      {},
      {},
      {
        host: {
          hasSecret: (name) => kept.has(name),
          secret: (name) => kept.get(name) ?? new Secret(''),
          async keep(name, secret) {
            if (broken) throw new JitError('store.unavailable', 'the disk is full')
            kept.set(name, secret)
          },
        },
      },
    )
    const session = openSession(kept.get('session') ?? new Secret(''))
    if (session === undefined) throw new Error('no session')
    kept.set('session', sealSession({ ...session, expiresAt: Date.now() - 1 }))
    broken = true
    await expect(mint(login.provider)).rejects.toMatchObject({ code: 'store.unavailable' })
    broken = false
    await expect(mint(login.provider)).resolves.toBeDefined()
    expect(openSession(kept.get('session') ?? new Secret(''))?.refreshToken?.reveal()).not.toBe(session.refreshToken?.reveal())
  })

  it('narrow to the scopes of a call', async () => {
    const { provider } = await logIn()
    const credential = await mint(provider, { scopes: ['issues:read'] })
    expect(world.store.find('AccessToken', tokenOf(credential))).toMatchObject({ scope: 'issues:read', aud: world.url })
    await expect(mint(provider, { scopes: ['admin'] })).rejects.toMatchObject({ code: 'provider.refused' })
    world.twist({ path: '/token', answer: (body) => ({ ...body, scope: 'issues:read issues:write' }) })
    await expect(mint(provider, { scopes: ['issues:read'] })).rejects.toMatchObject({ code: 'provider.scope' })
  })

  it('are never for another server than that of the login', async () => {
    const login = await logIn()
    await expect(mint(login.provider, { resource: 'https://other.example.com/mcp' })).rejects.toMatchObject({ code: 'provider.scope' })
  })

  it('go to no other issuer: where the server names another one, a person logs in again', async () => {
    const login = await logIn()
    const other = await start()
    await login.host.keep('session', sealSession({ ...sessionOf(login), accessToken: undefined, issuer: other.issuer }))
    const before = tokenRequests().length
    await expect(mint(login.provider)).rejects.toMatchObject({
      code: 'provider.login',
      hint: expect.stringContaining(`jit login mcp ${world.url} test --replace`),
    })
    expect(tokenRequests()).toHaveLength(before)
    expect(other.journal).toEqual([])
  })

  it('that the server has ended ask for another login, by name', async () => {
    const login = await logIn()
    await aged(login)
    world.twist({ path: '/token', status: 400, text: '{"error":"invalid_grant"}' })
    await expect(mint(login.provider)).rejects.toMatchObject({ code: 'provider.login', hint: expect.stringContaining('--replace') })
  })

  it('end with the login, upstream too, and a receipt says what a lease’s end was', async () => {
    const login = await logIn()
    const credential = await mint(login.provider)
    const ended = await login.provider.revoke?.(credential, AbortSignal.timeout(5000))
    expect(ended).toMatchObject({ outcome: 'expires', validUntil: credential.expiresAt })
    expect(world.store.find('AccessToken', tokenOf(credential))).toBeDefined()
    await expect(login.provider.logOut?.(AbortSignal.timeout(5000))).resolves.toEqual({ outcome: 'revoked', verified: true })
    expect([world.store.alive('AccessToken'), world.store.alive('RefreshToken')]).toEqual([0, 0])
  })

  it('end with the last lease that has them, where the config says that the server ends one alone', async () => {
    world = await start({ endsAlone: true })
    const { provider } = await logIn({ revoke: 'lease' })
    const [one, two] = [await mint(provider), await mint(provider)]
    expect(await provider.revoke?.(one, AbortSignal.timeout(5000))).toMatchObject({ outcome: 'accepted' })
    expect(world.store.find('AccessToken', tokenOf(two))).toBeDefined()
    expect(await provider.revoke?.(two, AbortSignal.timeout(5000))).toEqual({ outcome: 'revoked', verified: true })
    expect(world.store.find('AccessToken', tokenOf(two))).toBeUndefined()
    expect(tokenOf(await mint(provider))).not.toBe(tokenOf(two))
  })

  it('that the server turns away are renewed with the next mint', async () => {
    const login = await logIn()
    const first = await mint(login.provider)
    const challenge = 'Bearer error="invalid_token"'
    await expect(login.provider.challenged?.(401, challenge, first)).resolves.toBeUndefined()
    const second = await mint(login.provider)
    expect(tokenOf(second)).not.toBe(tokenOf(first))
    // The same news from another lease, a little late.
    await expect(login.provider.challenged?.(401, challenge, first)).resolves.toBeUndefined()
    expect(tokenOf(await mint(login.provider))).toBe(tokenOf(second))
  })
})
