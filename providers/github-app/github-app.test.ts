import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { JitError, type Provider, type ProviderHost } from '../../src/provider/index.ts'
import { FakeClock } from '../../test/support/fake-clock.ts'
import { expectNoTrace, inAllSpellings } from '../../test/support/echo.ts'
import { expectRequests } from '../../test/support/http.ts'
import { acmeFixture } from './fake/fixture.ts'
import { type GithubStandIn, startGithub } from './fake/github.ts'
import { hostAt, mint, publicKeyPem, request, scope } from './fake/registration.ts'
import { githubApp } from './index.ts'

const clock = new FakeClock()

describe('github-app', () => {
  let github: GithubStandIn
  let provider: Provider
  beforeAll(async () => {
    github = await startGithub({ ...acmeFixture({ publicKeyPem }), now: () => clock.now() })
    provider = githubApp.open({ appId: 4242, installation: 'acme', apiUrl: github.url }, hostAt(clock))
  })
  afterAll(async () => {
    await github.close()
  })

  it('does not mint for acme/web when evil/web is asked', async () => {
    await expect(mint(provider, { ...scope, repositories: ['evil/web'] })).rejects.toMatchObject({ code: 'provider.refused' })
    expect(github.tokens().filter((token) => token.alive)).toEqual([])
  })

  it.each([
    ['is refused', { status: 500 }, 5000],
    ['takes too long', { delay: 30_000, times: 1 }, 300],
  ])('leaves no token behind when the proof %s after its mint', async (_, way, patience) => {
    const fault = github.fault({ match: { path: /^\/installation\/repositories/ }, ...way })
    await expect(provider.prove(AbortSignal.timeout(patience))).rejects.toMatchObject({ code: 'provider.unavailable' })
    fault.remove()
    expect(github.tokens().filter((token) => token.alive)).toEqual([])
  })

  it.each([0, 60_000, 299_000, 301_000, 3_600_000, -3_600_000])(
    'has a proof that GitHub accepts %d ms after the last one',
    async (jump) => {
      await mint(provider)
      clock.jumpWall(jump)
      await expect(mint(provider)).resolves.toBeDefined()
    },
  )

  it('proves nothing with what it has kept once its key is sealed', async () => {
    const host = hostAt(clock)
    let sealed = false
    const guarded: ProviderHost = {
      ...host,
      secret(name) {
        if (sealed) throw new JitError('store.sealed', 'sealed')
        return host.secret(name)
      },
    }
    const own = githubApp.open({ appId: 4242, installation: 'acme', apiUrl: github.url }, guarded)
    await mint(own)
    const before = github.journal.length
    sealed = true
    await expect(mint(own)).rejects.toMatchObject({ code: 'store.sealed' })
    expect(github.journal.length).toBe(before)
  })

  it('resolves a name once, then mints by id with one request', async () => {
    await mint(provider)
    const before = github.journal.length
    await mint(provider)
    expect(github.journal.length).toBe(before + 1)
  })

  it.each([
    ['the lookup of the installation', 'GET', '/users/acme/installation', 502, { sent: false, status: 502 }, 0],
    ['the mint that names the repository', 'POST', /access_tokens$/, 502, { status: 502 }, 0],
    ['the end of the token that named the repository', 'DELETE', '/installation/token', 500, { sent: true }, 1],
    ['the end of the token for a public repository', 'DELETE', '/installation/token', 500, { sent: true }, 1],
    ['the list for a public repository', 'GET', '/installation/repositories', 502, { sent: false, status: 502 }, 0],
  ] as const)('when %s fails, it says what is certain of the mint', async (step, method, path, status, details, left) => {
    const fresh = githubApp.open({ appId: 4242, installation: 'acme', apiUrl: github.url }, hostAt(clock))
    const alive = (): number => github.tokens().filter((token) => token.alive).length
    const before = alive()
    const fault = github.fault({ match: { method, path }, status })
    const error = await mint(fresh, step.endsWith('public repository') ? { public: true } : scope).catch((thrown: unknown) => thrown)
    fault.remove()
    expect(error).toMatchObject({ code: 'provider.unavailable' })
    expect(error instanceof JitError && error.details).toEqual(details)
    expect(alive() - before).toBe(left)
  })

  it('does not take a 401 at the end of a token for its end while GitHub takes the token still', async () => {
    const credential = await mint(provider, scope)
    const fault = github.fault({ match: { method: 'DELETE', path: '/installation/token' }, status: 401, times: 1 })
    await expect(provider.revoke?.(credential, AbortSignal.timeout(5000))).rejects.toMatchObject({ code: 'provider.unavailable' })
    fault.remove()
    expect(await provider.revoke?.(credential, AbortSignal.timeout(5000))).toEqual({ outcome: 'revoked', verified: true })
    expect(await provider.revoke?.(credential, AbortSignal.timeout(5000))).toEqual({ outcome: 'revoked', verified: true })
  })

  it.each([
    ['more permissions', { repositories: ['acme/web'], permissions: { issues: 'write' }, selection: 'selected' }],
    ['another permission', { repositories: ['acme/web'], permissions: { issues: 'read', contents: 'read' }, selection: 'selected' }],
    ['another repository', { repositories: ['acme/web', 'acme/api'], permissions: { issues: 'read' }, selection: 'selected' }],
    ['every repository', { repositories: [], permissions: { issues: 'read' }, selection: 'all' }],
    ['a level nobody knows', { repositories: ['acme/web'], permissions: { issues: 'maintain' }, selection: 'selected' }],
  ])('does not take a grant of %s for what was asked', (_, granted) => {
    expect(provider.covers(granted, scope)).toBe(false)
  })

  it('reads public repositories with a token that can do nothing but metadata of one repository', async () => {
    const publicScope = { public: true }
    const credential = await provider.mint(
      { lease: 'lease_test', scope: publicScope, ttl: 1000, principal: { human: 'a', agent: 'a', session: 's', server: 's', tool: 't' } },
      AbortSignal.timeout(5000),
    )
    expect(provider.covers(credential.granted, publicScope)).toBe(true)
    expect(credential.granted).toMatchObject({ permissions: { metadata: 'read' }, repositories: [expect.any(String)] })
    expect(
      provider.covers(
        { repositories: ['acme/web'], permissions: { metadata: 'read', contents: 'read' }, selection: 'selected' },
        publicScope,
      ),
    ).toBe(false)
    expect(
      provider.covers({ repositories: ['acme/web', 'acme/api'], permissions: { metadata: 'read' }, selection: 'all' }, publicScope),
    ).toBe(false)
  })

  it.each([
    ['in its answer', (said: string) => Response.json({ message: `not for you: ${said}` }, { status: 422 })],
    ['in its failure', (said: string) => Promise.reject(new TypeError(`${said} is an invalid header value`))],
  ])('says nothing of a credential that comes back %s', async (_, answer) => {
    const carried: string[] = []
    const echo: ProviderHost['fetch'] = async (_url, init) => {
      const said = new Headers(init?.headers).get('authorization') ?? ''
      carried.push(said.replace('Bearer ', ''))
      return answer(inAllSpellings(said))
    }
    const away = githubApp.open({ appId: 4242, installation: 9001, apiUrl: github.url }, { ...hostAt(clock), fetch: echo })
    const credential = { ...(await provider.mint(request, AbortSignal.timeout(5000))), expiresAt: clock.now() + 60_000 }
    const failures = [mint(away), away.revoke?.(credential, AbortSignal.timeout(5000))].map((work) =>
      Promise.resolve(work).then(
        () => '',
        (error: unknown) => `${String(error)} ${error instanceof JitError ? JSON.stringify(error.toBody()) : ''}`,
      ),
    )
    const told = (await Promise.all(failures)).join('\n')
    expect(carried.length).toBeGreaterThanOrEqual(2)
    for (const secret of carried) expectNoTrace(told, secret)
    expect(told).toContain('[redacted by jit]')
  })

  it.each(['constructor', 'toString'])('takes no permission for asked because every object knows its name: %s', (name) => {
    const permissions = { issues: 'read', [name]: 'read' }
    expect(provider.covers({ repositories: ['acme/web'], permissions, selection: 'selected' }, scope)).toBe(false)
  })

  it('takes metadata: read, which GitHub always adds, for granted', () => {
    expect(
      provider.covers({ repositories: ['Acme/Web'], permissions: { issues: 'read', metadata: 'read' }, selection: 'selected' }, scope),
    ).toBe(true)
  })

  it.each([
    ['repositories.0', 'web', true],
    ['repositories.0', 'acme/web', true],
    ['repositories.0', 'a/b/c', false],
    ['repositories.0', '..', false],
    ['repositories.0', '-acme/web', false],
    ['repositories.0', 'we b', false],
    ['repositories.0', 'ｗeb', false],
    ['permissions.issues', 'write', false],
  ])('a value for %s of %j: %s', (path, value, good) => {
    expect(githubApp.checkField(path, value) === undefined).toBe(good)
  })

  it('names the clock when GitHub refuses the App’s identity', async () => {
    const ahead = githubApp.open({ appId: 4242, installation: 'acme', apiUrl: github.url }, hostAt(new FakeClock(clock.now() + 3_600_000)))
    await expect(mint(ahead)).rejects.toMatchObject({ code: 'provider.login', hint: expect.stringContaining('clock') })
  })

  it.each([
    ['nobody-here', 'it is not installed on the account "nobody-here"'],
    [999999, 'it has no installation 999999'],
  ])('names the account %j on which the App is not installed', async (installation, words) => {
    const elsewhere = githubApp.open({ appId: 4242, installation, apiUrl: github.url }, hostAt(clock))
    await expect(elsewhere.prove(AbortSignal.timeout(5000))).rejects.toMatchObject({
      code: 'provider.refused',
      message: expect.stringContaining(words),
      details: { status: 404 },
    })
  })

  it('says that the installation is suspended', async () => {
    const fixture = acmeFixture({ publicKeyPem })
    const [first] = fixture.installations
    if (first !== undefined) first.suspended = true
    const suspended = await startGithub({ ...fixture, now: () => clock.now() })
    await expect(mint(githubApp.open({ appId: 4242, installation: 9001, apiUrl: suspended.url }, hostAt(clock)))).rejects.toThrow(
      /suspended/,
    )
    await suspended.close()
  })
})

describe('answers that GitHub should not give', () => {
  const origin = 'https://api.github.test'
  let http: ReturnType<typeof expectRequests>
  const provider = (): Provider => githubApp.open({ appId: 4242, installation: 9001, apiUrl: origin }, hostAt(clock))
  const found = { id: 9001, account: { login: 'acme' }, permissions: {} }
  afterEach(() => http.done())

  it.each([
    ['no JSON', 'not json'],
    ['no token', { expires_at: '2030-01-01T00:00:00Z', permissions: {}, repositories: [] }],
    [
      'another repository for the name',
      {
        token: 'ghs_'.padEnd(40, 'x'),
        expires_at: '2030-01-01T00:00:00Z',
        permissions: { metadata: 'read' },
        repositories: [{ id: 1, full_name: 'acme/other' }],
      },
    ],
  ])('%s hands nothing out', async (name, body) => {
    http = expectRequests(origin)
    http.on('GET', '/app/installations/9001', 200, found)
    http.on('POST', '/app/installations/9001/access_tokens', 201, body)
    if (name.startsWith('another')) {
      http.on('DELETE', '/installation/token', 204)
      http.on('GET', '/installation/repositories?per_page=1', 401, { message: 'Bad credentials' })
    }
    await expect(mint(provider())).rejects.toMatchObject({
      code: /^provider\.(unavailable|scope)$/.test(name) ? name : expect.stringMatching(/^provider\.(unavailable|scope)$/),
    })
  })

  it('a secondary rate limit is waited for, as long as GitHub says', async () => {
    http = expectRequests(origin)
    http.on('GET', '/app/installations/9001', 403, { message: 'You have exceeded a secondary rate limit' }, { 'retry-after': '7' })
    await expect(mint(provider())).rejects.toMatchObject({ code: 'provider.unavailable', details: { retryAfter: 7000 } })
  })
})
