import { generateKeyPairSync } from 'node:crypto'
import { createEmulator } from 'emulate'
import { SignJWT } from 'jose'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { systemClock } from '../../src/core/clock.ts'
import { testHost } from '../../test/support/provider-host.ts'
import { JitError, type JsonObject, type Provider, type ProviderHost } from '../../src/provider/index.ts'
import { describeProviderContract } from '../../test/conformance/provider-contract.ts'
import { createNetwork } from '../../src/network/network.ts'
import { createTestAuthority } from '../../test/support/certificates.ts'
import { expectRequests } from '../../test/support/http.ts'
import { acmeFixture } from './fake/fixture.ts'
import { type GithubStandIn, startGithub } from './fake/github.ts'
import { githubApp } from './index.ts'

const { privateKey, publicKey } = generateKeyPairSync('rsa', { modulusLength: 2048 })
const pem = privateKey.export({ type: 'pkcs1', format: 'pem' }).toString()
const publicKeyPem = publicKey.export({ type: 'spki', format: 'pem' }).toString()
const scope = { repositories: ['acme/web'], permissions: { issues: 'read' } }
const request = {
  lease: 'lease_test',
  scope,
  ttl: 300_000,
  principal: { human: 'ada', agent: 'test', session: 's', server: 's', tool: 't' },
}
const shared = testHost({ privateKey: pem })
const host = (): ProviderHost => shared

for (const tokenFormat of ['classic', 'stateless'] as const) {
  describeProviderContract(`github-app, ${tokenFormat} tokens`, async () => {
    const github = await startGithub({ ...acmeFixture({ publicKeyPem }), tokenFormat })
    const authority = await createTestAuthority(['api.github.test'])
    const secure = await startGithub({ ...acmeFixture({ publicKeyPem }), tls: authority })
    const network = createNetwork({ hosts: { 'api.github.test': `127.0.0.1:${secure.port}` }, ca: [], timeout: 5000 }, '/')
    const away =
      (apiUrl: string, fetch: ProviderHost['fetch'] = network.fetch) =>
      (): Provider =>
        githubApp.open({ appId: 4242, installation: 9001, apiUrl }, { ...host(), fetch })
    return {
      plugin: githubApp,
      provider: githubApp.open({ appId: 4242, installation: 'acme', apiUrl: github.url }, host()),
      scope,
      tooMuch: { repositories: ['acme/web'], permissions: { administration: 'write' } },
      malformed: [
        {},
        { repositories: [], permissions: { issues: 'read' } },
        { repositories: ['acme/web'], permissions: {} },
        { repositories: ['acme/*'], permissions: { issues: 'read' } },
        { repositories: ['web'], permissions: { issues: 'read' } },
        { repositories: ['acme/..'], permissions: { issues: 'read' } },
        { repositories: ['acme/web/x'], permissions: { issues: 'read' } },
        { repositories: ['acme/web'], permissions: { issues: 'all' } },
        { repositories: ['acme/web'], permissions: { issues: 'read' }, more: true },
      ],
      unreachable: {
        refused: away(`http://127.0.0.1:${await closedPort()}`, fetch),
        'no such name': away('https://nothing.invalid'),
        'untrusted certificate': away('https://api.github.test'),
      },
      isAlive: (secret) => github.isAlive(secret),
      alive: () => github.tokens().filter((token) => token.alive).length,
      mints: () => github.journal.filter((entry) => entry.path.endsWith('/access_tokens')).length,
      requests: () => github.journal.length,
      fail(way, what = 'mint') {
        const match = what === 'mint' ? { path: /access_tokens$/ } : { method: 'DELETE', path: '/installation/token' }
        const fault = github.fault({ match, ...way })
        return () => fault.remove()
      },
      logged: () => shared.logged(),
      secrets: [pem.split('\n')[5] ?? ''],
      async close() {
        await network.close()
        await secure.close()
        await github.close()
      },
    }
  })
}

describe('github-app', () => {
  let github: GithubStandIn
  let provider: Provider
  beforeAll(async () => {
    github = await startGithub(acmeFixture({ publicKeyPem }))
    provider = githubApp.open({ appId: 4242, installation: 'acme', apiUrl: github.url }, host())
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

  it('resolves a name once, then mints by id with one request', async () => {
    await mint(provider, scope)
    const before = github.journal.length
    await mint(provider, scope)
    expect(github.journal.length).toBe(before + 1)
  })

  it.each([
    ['the lookup of the installation', 'GET', '/users/acme/installation', 502, { sent: false, status: 502 }, 0],
    ['the mint that names the repository', 'POST', /access_tokens$/, 502, { status: 502 }, 0],
    ['the end of the token that named the repository', 'DELETE', '/installation/token', 500, {}, 1],
    ['the end of the token for a public repository', 'DELETE', '/installation/token', 500, {}, 1],
    ['the list for a public repository', 'GET', '/installation/repositories', 502, { sent: false, status: 502 }, 0],
  ] as const)('when %s fails, it says what is certain of the mint', async (step, method, path, status, details, left) => {
    const fresh = githubApp.open({ appId: 4242, installation: 'acme', apiUrl: github.url }, host())
    const alive = (): number => github.tokens().filter((token) => token.alive).length
    const before = alive()
    const fault = github.fault({ match: { method, path }, status })
    const error = await mint(fresh, step.endsWith('public repository') ? { public: true } : scope).catch((thrown: unknown) => thrown)
    fault.remove()
    expect(error).toMatchObject({ code: 'provider.unavailable' })
    expect(error instanceof JitError && error.details).toEqual(details)
    expect(alive() - before).toBe(left)
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
      return answer(said)
    }
    const away = githubApp.open({ appId: 4242, installation: 9001, apiUrl: github.url }, { ...host(), fetch: echo })
    const credential = { ...(await provider.mint(request, AbortSignal.timeout(5000))), expiresAt: Date.now() + 60_000 }
    const failures = [mint(away, scope), away.revoke?.(credential, AbortSignal.timeout(5000))].map((work) =>
      Promise.resolve(work).then(
        () => '',
        (error: unknown) => `${String(error)} ${error instanceof JitError ? JSON.stringify(error.toBody()) : ''}`,
      ),
    )
    const told = (await Promise.all(failures)).join('\n')
    expect(carried.length).toBeGreaterThanOrEqual(2)
    for (const secret of carried) expect(told).not.toContain(secret)
    expect(told).toContain('[redacted by jit]')
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
    const ahead = githubApp.open(
      { appId: 4242, installation: 'acme', apiUrl: github.url },
      { ...host(), clock: { ...systemClock, now: () => Date.now() + 3_600_000 } },
    )
    await expect(mint(ahead, scope)).rejects.toMatchObject({ code: 'provider.login', hint: expect.stringContaining('clock') })
  })

  it.each([
    ['nobody-here', 'it is not installed on the account "nobody-here"'],
    [999999, 'it has no installation 999999'],
  ])('names the account %j on which the App is not installed', async (installation, words) => {
    const elsewhere = githubApp.open({ appId: 4242, installation, apiUrl: github.url }, host())
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
    const suspended = await startGithub(fixture)
    await expect(mint(githubApp.open({ appId: 4242, installation: 9001, apiUrl: suspended.url }, host()), scope)).rejects.toThrow(
      /suspended/,
    )
    await suspended.close()
  })
})

describe('answers that GitHub should not give', () => {
  const origin = 'https://api.github.test'
  let http: ReturnType<typeof expectRequests>
  const provider = (): Provider => githubApp.open({ appId: 4242, installation: 9001, apiUrl: origin }, host())
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
    await expect(mint(provider(), scope)).rejects.toMatchObject({
      code: /^provider\.(unavailable|scope)$/.test(name) ? name : expect.stringMatching(/^provider\.(unavailable|scope)$/),
    })
  })

  it('a secondary rate limit is waited for, as long as GitHub says', async () => {
    http = expectRequests(origin)
    http.on('GET', '/app/installations/9001', 403, { message: 'You have exceeded a secondary rate limit' }, { 'retry-after': '7' })
    await expect(mint(provider(), scope)).rejects.toMatchObject({ code: 'provider.unavailable', details: { retryAfter: 7000 } })
  })
})

/** The stand-in beside a GitHub that somebody else wrote, where the two overlap. */
describe('the stand-in and npm’s emulate', () => {
  it('agree on what a mint answers and refuses', async () => {
    const fixture = acmeFixture({ publicKeyPem })
    const mine = await startGithub(fixture)
    const theirs = await createEmulator({
      service: 'github',
      port: 0,
      seed: {
        github: {
          orgs: [{ login: 'acme' }],
          users: [{ login: 'acme-owner' }],
          repos: [
            { owner: 'acme', name: 'web' },
            { owner: 'acme', name: 'secret', private: true },
          ],
          apps: [
            {
              app_id: 4242,
              slug: 'acme-agents',
              name: 'Agents',
              private_key: pem,
              permissions: { issues: 'write', metadata: 'read' },
              installations: [{ installation_id: 9001, account: 'acme', repository_selection: 'all' }],
            },
          ],
        },
      },
    })
    try {
      for (const base of [mine.url, theirs.url]) {
        const jwt = await new SignJWT()
          .setProtectedHeader({ alg: 'RS256' })
          .setIssuer('4242')
          .setIssuedAt(Math.floor(Date.now() / 1000) - 60)
          .setExpirationTime('5m')
          .sign(privateKey)
        const post = (body: object): Promise<Response> =>
          fetch(`${base}/app/installations/9001/access_tokens`, {
            method: 'POST',
            headers: { authorization: `Bearer ${jwt}`, 'content-type': 'application/json' },
            body: JSON.stringify(body),
          })
        const minted = await post({ repositories: ['web'], permissions: { issues: 'read' } })
        expect(minted.status, base).toBe(201)
        const { token, permissions } = (await minted.json()) as { token: string; permissions: Record<string, string> }
        expect(permissions['issues']).toBe('read')
        const ask = async (path: string): Promise<number> =>
          (await fetch(`${base}${path}`, { headers: { authorization: `Bearer ${token}` } })).status
        expect(await ask('/repos/acme/web/issues')).toBe(200)
        expect([403, 404]).toContain(await ask('/repos/acme/secret/issues'))
        expect((await post({ repositories: ['web'], permissions: { administration: 'write' } })).status).toBe(422)
        expect((await post({ repositories: ['nothing'], permissions: { issues: 'read' } })).status).toBe(422)
        expect((await fetch(`${base}/app`, { headers: { authorization: 'Bearer nonsense' } })).status).toBe(401)
      }
    } finally {
      await mine.close()
      await theirs.close()
    }
  })
})

function mint(provider: Provider, asked: JsonObject): ReturnType<Provider['mint']> {
  return provider.mint({ ...request, scope: asked }, AbortSignal.timeout(5000))
}

/** A port that nobody listens on. */
async function closedPort(): Promise<number> {
  const gone = await startGithub({ apps: [], installations: [] })
  await gone.close()
  return gone.port
}
