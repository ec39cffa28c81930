import { execFile } from 'node:child_process'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { mayHaveMinted } from '../../src/broker/lost.ts'
import { type Credential, JitError, type JsonObject, type MintRequest, type Provider, type ProviderHost } from '../../src/provider/index.ts'
import { FakeClock } from '../../test/support/fake-clock.ts'
import { testHost, type TestHost } from '../../test/support/provider-host.ts'
import { acmeVault, brokerPolicy, ephemeralPolicy, ownToken, roleId, secretId } from './fake/fixture.ts'
import type { VaultSetup } from './fake/state.ts'
import { startVault, type VaultStandIn } from './fake/vault.ts'
import { vault } from './index.ts'

const webRead = { policies: ['mcp-read-web'] }
const webPath = { paths: [{ path: 'web/data/app/db', capabilities: ['read'] }] }
const principal = { human: 'ada', agent: 'test\u001b', session: 's', server: 'secrets', tool: 'read_secret' }
const patience = (): AbortSignal => AbortSignal.timeout(5000)
const ask = (scope: JsonObject, more: Partial<MintRequest> = {}): MintRequest => ({
  lease: 'lease_test',
  scope,
  ttl: 300_000,
  principal,
  ...more,
})

let standIn: VaultStandIn
let host: TestHost
const running: VaultStandIn[] = []

beforeEach(async () => {
  standIn = await start()
  host = testHost({ token: ownToken, secretId })
})
afterEach(async () => {
  for (const one of running.splice(0)) await one.close()
})

async function start(more: Partial<VaultSetup> = {}): Promise<VaultStandIn> {
  const one = await startVault(acmeVault(more))
  running.push(one)
  return one
}

function open(config: object = {}, with_: Partial<ProviderHost> = {}): Provider {
  const { address = standIn.url, ...rest } = config as { address?: string }
  return vault.open(vault.config.parse({ address, method: 'approle', role: roleId, tokenRole: 'jit', ...rest }), { ...host, ...with_ })
}

function failureOf(work: Promise<unknown>): Promise<JitError> {
  return work.then(
    () => {
      throw new Error('it did not fail')
    },
    (error: unknown) => {
      if (error instanceof JitError) return error
      throw error
    },
  )
}

/** One request to the stand-in with a minted token. */
async function get(credential: Credential, path: string, method = 'GET'): Promise<number> {
  const token = credential.secrets['token']?.reveal() ?? ''
  const { status } = await fetch(`${standIn.url}/v1/${path}`, { method, headers: { 'x-vault-token': token } })
  return status
}

const asked = (path: string): unknown => standIn.journal.findLast((entry) => entry.path === path)?.body

describe('a child token', () => {
  it('has the policies asked for, a short life, and names who acts', async () => {
    const credential = await open().mint(ask(webRead), patience())
    expect(asked('auth/token/create/jit')).toEqual({
      policies: ['mcp-read-web'],
      ttl: '300s',
      explicit_max_ttl: '300s',
      renewable: false,
      no_default_policy: true,
      type: 'service',
      meta: { lease: 'lease_test', human: 'ada', agent: 'test?', session: 's', server: 'secrets', tool: 'read_secret' },
      display_name: 'jit-secrets-read-secret',
    })
    expect(credential.granted).toEqual(webRead)
    expect([await get(credential, 'web/data/app/db'), await get(credential, 'web/data/app/db', 'DELETE')]).toEqual([200, 403])
    expect(await get(credential, 'auth/token/lookup-self')).toBe(403)
  })

  it('ends after its uses', async () => {
    const provider = open()
    const scope = { ...webRead, uses: 2 }
    const credential = await provider.mint(ask(scope), patience())
    expect(provider.covers(credential.granted, scope)).toBe(true)
    for (const uses of [0, 3]) expect(provider.covers({ ...webRead, uses }, scope)).toBe(false)
    expect(provider.covers(webRead, scope)).toBe(false)
    expect([
      await get(credential, 'web/data/app/db'),
      await get(credential, 'web/data/app/db'),
      await get(credential, 'web/data/app/db'),
    ]).toEqual([200, 200, 403])
    await expect(provider.revoke?.(credential, patience())).resolves.toEqual({ outcome: 'revoked', verified: true })
  })

  it('lives no longer than maxTtl, and no longer than the token it hangs on', async () => {
    standIn = await start({
      logins: { approle: { type: 'approle', name: roleId, secret: secretId, policies: ['broker'], ttl: 120, maxTtl: 120 } },
    })
    const short = await open({ maxTtl: '60s' }).mint(ask(webRead), patience())
    expect(short.expiresAt - Date.now()).toBeLessThanOrEqual(60_000)
    const long = await open({ maxTtl: '1h' }).mint(ask(webRead, { ttl: 3_600_000 }), patience())
    expect(long.expiresAt - Date.now()).toBeLessThanOrEqual(120_000)
  })

  it('of an orphan role lives on its own', async () => {
    standIn = await start({
      tokenRoles: { jit: { allowedGlob: ['mcp-*'], orphan: true } },
      logins: { approle: { type: 'approle', name: roleId, secret: secretId, policies: ['broker'], ttl: 120, maxTtl: 120 } },
    })
    const credential = await open().mint(ask(webRead, { ttl: 3_600_000 }), patience())
    expect(credential.expiresAt - Date.now()).toBeGreaterThan(3_000_000)
    standIn.revokeOwn()
    expect(await get(credential, 'web/data/app/db')).toBe(200)
  })

  it.each([
    ['a policy outside the token role', { policies: ['admin'] }, {}, 'provider.refused', 'allowed_policies_glob'],
    ['one of two policies outside it', { policies: ['mcp-read-web', 'admin'] }, {}, 'provider.refused', 'allowed_policies_glob'],
    ['a token role that the broker may not use', webRead, { tokenRole: 'generous' }, 'provider.refused', 'auth/token/create/generous'],
    ['no token role', webRead, { tokenRole: undefined }, 'provider.refused', 'tokenRole'],
    ['a policy of its own where that is off', webPath, {}, 'provider.refused', 'providers/vault/README.md'],
  ])('%s is refused, with the setting to change', async (_, scope, config, code, setting) => {
    const error = await failureOf(open(config).mint(ask(scope), patience()))
    expect(error).toMatchObject({ code, hint: expect.stringContaining(setting) })
    expect(mayHaveMinted(error)).toBe(false)
    expect(standIn.children()).toEqual([])
  })

  it('of more policies than asked is shown as what it is, so that the broker refuses it', async () => {
    standIn = await start({ policies: { ...acmeVault().policies, broker: brokerPolicy.replaceAll('create/jit', 'create/generous') } })
    const provider = open({ tokenRole: 'generous' })
    const credential = await provider.mint(ask(webRead), patience())
    expect(credential.granted).toEqual({ policies: ['admin', 'mcp-read-web'] })
    expect(provider.covers(credential.granted, webRead)).toBe(false)
    await provider.revoke?.(credential, patience())
    expect(standIn.children()).toEqual([])
  })

  it('is no batch token: a role of such is refused, and one that came all the same is said to live to its end', async () => {
    const provider = open()
    standIn = await start({ tokenRoles: { jit: { allowedGlob: ['mcp-*'], type: 'batch' } } })
    await expect(open().mint(ask(webRead), patience())).rejects.toMatchObject({
      code: 'provider.refused',
      hint: expect.stringContaining('token_type=service'),
    })
    const auth = { client_token: 'hvb.batch-4242', accessor: '', policies: ['mcp-read-web'], lease_duration: 300, token_type: 'batch' }
    running[0]?.fault({ path: /token\/create/, status: 200, body: { auth } })
    const credential = await provider.mint(ask(webRead), patience())
    expect(provider.covers(credential.granted, webRead)).toBe(false)
    await expect(provider.revoke?.(credential, patience())).resolves.toMatchObject({ outcome: 'expires', validUntil: credential.expiresAt })
    expect(host.logged()).toContain('token_type=service')
  })

  it('with a policy that Vault does not have is taken back, and the policy named', async () => {
    const error = await failureOf(open().mint(ask({ policies: ['mcp-read-web', 'mcp-read-nothing'] }), patience()))
    expect(error).toMatchObject({ code: 'provider.refused', message: expect.stringContaining('mcp-read-nothing') })
    expect(standIn.children()).toEqual([])
  })

  it('without an end is taken back before the mint fails', async () => {
    standIn = await start({ policies: { ...acmeVault().policies, broker: brokerPolicy.replaceAll('create/jit', 'create/periodic') } })
    const failing = open({ tokenRole: 'periodic' })
    expect(await failureOf(failing.mint(ask(webRead), patience()))).toMatchObject({
      code: 'provider.scope',
      hint: expect.stringContaining('token_period'),
    })
    expect(standIn.children()).toEqual([])
    const end = standIn.fault({ path: /revoke-accessor/, status: 429 })
    const error = await failureOf(failing.mint(ask(webRead), patience()))
    end()
    expect([error.code, mayHaveMinted(error), standIn.children().length]).toEqual(['provider.unavailable', true, 1])
  })

  it.each([
    [
      'may not be looked up',
      { path: /lookup-accessor/, status: 403, body: { errors: ['permission denied'] } },
      { outcome: 'revoked', verified: false },
    ],
    ['is not known to a gateway', { path: /lookup-accessor/, status: 404, body: {} }, { outcome: 'revoked', verified: false }],
    ['is still there', { path: /revoke-accessor/, status: 204 }, { outcome: 'accepted', detail: expect.stringContaining('still knows') }],
  ])('that %s is not called verified', async (_, fault, outcome) => {
    const provider = open()
    const credential = await provider.mint(ask(webRead), patience())
    const end = standIn.fault(fault)
    await expect(provider.revoke?.(credential, patience())).resolves.toEqual(outcome)
    end()
  })

  it.each([
    ['a token', webRead, /revoke-accessor/],
    ['a lease', { dynamic: 'database/creds/readonly' }, /leases\/revoke/],
  ])('the end of %s that fails is no success, whatever the failure is about', async (_, scope, path) => {
    const provider = open()
    const credential = await provider.mint(ask(scope), patience())
    for (const [status, errors] of [
      [400, ['failed to revoke entry: role "x" not found']],
      [404, []],
      [403, ['permission denied']],
    ] as const) {
      const end = standIn.fault({ path, status, body: { errors } })
      await expect(provider.revoke?.(credential, patience())).rejects.toMatchObject({ code: 'provider.refused' })
      end()
    }
    expect(standIn.children().length + standIn.leases()).toBe(1)
  })

  it('is revoked by a broker that was started again', async () => {
    const credential = await open().mint(ask(webRead), patience())
    const { secrets, expiresAt, granted } = credential
    await expect(open().revoke?.({ secrets: { ...secrets }, expiresAt, granted }, patience())).resolves.toMatchObject({ verified: true })
    expect(standIn.children()).toEqual([])
  })
})

describe('a policy of one lease', () => {
  it('allows the exact path, and is gone with the lease', async () => {
    const provider = open({ ephemeralPolicies: true })
    const scope = {
      paths: [
        { path: ['web', 'data', 'app/db'], capabilities: ['read'] },
        { path: 'web/data/app/db', capabilities: ['update'] },
      ],
    }
    const credential = await provider.mint(ask(scope), patience())
    expect(asked('sys/policies/acl/jit-lease_test')).toEqual({
      policy: '{"path":{"web/data/app/db":{"capabilities":["read","update"]}}}',
      ttl: '360s',
    })
    expect(provider.asks?.(scope)).toEqual({
      token: { policies: ['jit-<lease>'], renewable: false },
      policy: { path: { 'web/data/app/db': { capabilities: ['read', 'update'] } } },
    })
    expect(provider.covers(credential.granted, scope)).toBe(true)
    expect([
      await get(credential, 'web/data/app/db'),
      await get(credential, 'web/data/app'),
      await get(credential, 'web/data/app/db/x'),
    ]).toEqual([200, 403, 403])
    await provider.revoke?.(credential, patience())
    expect(standIn.policies()).not.toContain('jit-lease_test')
  })

  it.each([
    ['is refused', { status: 400 }, false],
    ['is cut off', { cut: true }, true],
    ['is cut off after it took effect', { cut: true, after: true }, true],
  ])('goes when the token that it was for %s, so that not even a lost token can use it', async (_, way, lost) => {
    const end = standIn.fault({ path: /token\/create/, ...way })
    const error = await failureOf(open({ ephemeralPolicies: true }).mint(ask(webPath), patience()))
    end()
    expect(mayHaveMinted(error)).toBe(lost)
    expect(standIn.policies()).not.toContain('jit-lease_test')
  })

  it('that could not be written is no lost mint, and is removed in case it was', async () => {
    const end = standIn.fault({ path: /policies/, method: 'POST', cut: true, after: true })
    const error = await failureOf(open({ ephemeralPolicies: true }).mint(ask(webPath), patience()))
    end()
    expect([error.code, mayHaveMinted(error)]).toEqual(['provider.unavailable', false])
    expect(standIn.policies()).not.toContain('jit-lease_test')
  })

  it('that the broker may not write names its permission', async () => {
    standIn = await start({ policies: { ...acmeVault().policies, 'broker-ephemeral': ephemeralPolicy.replaceAll('jit-lease_', 'other-') } })
    await expect(open({ ephemeralPolicies: true }).mint(ask(webPath), patience())).rejects.toMatchObject({
      code: 'provider.refused',
      hint: expect.stringContaining('sys/policies/acl/jit-lease_*'),
    })
  })

  it('whose token got other policies too is not covered, and goes with it', async () => {
    standIn = await start({ tokenRoles: { jit: { allowedGlob: ['jit-lease_*'], alsoGrants: ['admin'] } } })
    const provider = open({ ephemeralPolicies: true })
    const credential = await provider.mint(ask(webPath), patience())
    expect(provider.covers(credential.granted, webPath)).toBe(false)
    await provider.revoke?.(credential, patience())
    expect(standIn.policies()).not.toContain('jit-lease_test')
  })

  it('ends by itself on OpenBao', async () => {
    const clock = new FakeClock()
    standIn = await start({ product: 'openbao', now: () => clock.now() })
    await open({ method: 'token', ephemeralPolicies: true }, { clock }).mint(ask(webPath), patience())
    expect(standIn.policies()).toContain('jit-lease_test')
    await clock.advance(361_000)
    expect(standIn.policies()).not.toContain('jit-lease_test')
  })
})

describe('a dynamic secret', () => {
  it('comes in parts, and ends at once', async () => {
    const provider = open()
    const credential = await provider.mint(ask({ dynamic: 'database/creds/readonly' }), patience())
    expect(Object.keys(credential.secrets)).toEqual(['username', 'password', 'leaseId'])
    expect(credential.granted).toEqual({ dynamic: 'database/creds/readonly' })
    await expect(provider.revoke?.(credential, patience())).resolves.toEqual({ outcome: 'revoked', verified: true })
    expect(asked('sys/leases/revoke')).toMatchObject({ sync: true })
    expect(standIn.leases()).toBe(0)
  })

  it('is asked for with parameters where its engine takes them', async () => {
    const provider = open()
    const scope = { dynamic: 'kubernetes/creds/reader', parameters: { kubernetes_namespace: 'web', ttl: '10m' } }
    const credential = await provider.mint(ask(scope), patience())
    expect(asked('kubernetes/creds/reader')).toEqual(scope.parameters)
    expect(provider.covers(credential.granted, scope)).toBe(true)
    expect(provider.covers(credential.granted, { dynamic: scope.dynamic })).toBe(false)
    await expect(provider.revoke?.(credential, patience())).resolves.toMatchObject({ outcome: 'accepted' })
  })

  it('of AWS STS is not called revoked', async () => {
    const provider = open()
    const credential = await provider.mint(ask({ dynamic: 'aws/sts/reader' }), patience())
    expect(Object.keys(credential.secrets)).toEqual(['access_key', 'secret_key', 'security_token', 'leaseId'])
    await expect(provider.revoke?.(credential, patience())).resolves.toMatchObject({ outcome: 'expires', validUntil: credential.expiresAt })
  })

  it('that is none has no lease, and is not handed out', async () => {
    const error = await failureOf(open().mint(ask({ dynamic: 'secret/data/plain' }), patience()))
    expect(error).toMatchObject({ code: 'provider.scope', hint: expect.stringContaining('database/creds/readonly') })
  })

  it('of another role than asked is not covered', () => {
    const provider = open()
    expect(provider.covers({ dynamic: 'database/creds/admin' }, { dynamic: 'database/creds/readonly' })).toBe(false)
    expect(provider.covers({ dynamic: 'database/creds' }, { dynamic: 'database/creds/readonly' })).toBe(false)
    expect(provider.covers({ policies: ['x'] }, { dynamic: 'database/creds/readonly' })).toBe(false)
  })

  it('that Vault leased for another role is shown as that', async () => {
    const provider = open()
    const body = { lease_id: 'database/creds/admin/x', lease_duration: 60, data: { password: 'pw-4242' } }
    const end = standIn.fault({ path: /creds\/readonly/, status: 200, body })
    const credential = await provider.mint(ask({ dynamic: 'database/creds/readonly' }), patience())
    end()
    expect(provider.covers(credential.granted, { dynamic: 'database/creds/readonly' })).toBe(false)
  })

  it('that its engine cannot remove is no success, and the hint says who is to look', async () => {
    const provider = open()
    const credential = await provider.mint(ask({ dynamic: 'database/creds/readonly' }), patience())
    const body = { errors: ['failed to revoke entry: ERROR: role "v-token" cannot be dropped because some objects depend on it'] }
    const end = standIn.fault({ path: /leases\/revoke/, status: 400, body })
    await expect(provider.revoke?.(credential, patience())).rejects.toMatchObject({ hint: expect.stringContaining('owns something') })
    end()
  })

  it('whose revocation is only queued is not over', async () => {
    const provider = open()
    const credential = await provider.mint(ask({ dynamic: 'database/creds/readonly' }), patience())
    const end = standIn.fault({ path: /leases\/revoke/, status: 202 })
    await expect(provider.revoke?.(credential, patience())).rejects.toMatchObject({ code: 'provider.unavailable' })
    end()
  })
})

describe("the broker's own token", () => {
  const logins = {
    approle: { type: 'approle', name: roleId, secret: secretId, policies: ['broker'] },
    people: { type: 'userpass', name: 'jit', secret: 'pass-canary-4242', policies: ['broker'] },
    gitlab: { type: 'jwt', name: 'broker', secret: 'eyJ.jwt-canary.4242', policies: ['broker'] },
    k8s: { type: 'kubernetes', name: 'broker', secret: 'eyJ.pod-canary.4242', policies: ['broker'] },
  } as const
  const ways: [string, object, Record<string, string>][] = [
    ['a sealed token', { method: 'token', role: undefined }, { token: ownToken }],
    ['AppRole', { method: 'approle' }, { secretId }],
    ['userpass', { method: 'userpass', mount: 'people', username: 'jit' }, { password: logins.people.secret }],
    ['JWT', { method: 'jwt', mount: 'gitlab', role: 'broker' }, { jwt: logins.gitlab.secret }],
    ['Kubernetes', { method: 'kubernetes', mount: 'k8s', role: 'broker' }, { jwt: logins.k8s.secret }],
  ]

  it.each(ways)('is got by %s', async (_, config, secrets) => {
    standIn = await start({ logins })
    host = testHost(secrets)
    await expect(open(config).mint(ask(webRead), patience())).resolves.toMatchObject({ granted: webRead })
  })

  it.each(ways)('that %s does not give names the setting, and no secret', async (_, config, secrets) => {
    standIn = await start({ logins })
    host = testHost(Object.fromEntries(Object.keys(secrets).map((name) => [name, 'wrong-canary-4242'])))
    const error = await failureOf(open(config).mint(ask(webRead), patience()))
    expect(error).toMatchObject({ code: 'provider.login', hint: expect.stringContaining('jit login vault test') })
    expect(JSON.stringify(error.toBody())).not.toContain('wrong-canary-4242')
  })

  it('comes from a projected token that is read anew at each login', async () => {
    standIn = await start({ logins: { k8s: { ...logins.k8s } } })
    const folder = await mkdtemp(join(tmpdir(), 'jit-vault-'))
    const jwtFile = join(folder, 'token')
    const provider = open({ method: 'kubernetes', mount: 'k8s', role: 'broker', jwtFile })
    await expect(provider.mint(ask(webRead), patience())).rejects.toMatchObject({
      code: 'provider.login',
      message: expect.stringContaining('jwtFile'),
    })
    await writeFile(jwtFile, 'eyJ.old')
    await expect(provider.mint(ask(webRead), patience())).rejects.toMatchObject({
      code: 'provider.login',
      hint: expect.stringContaining('jwtFile'),
    })
    await writeFile(jwtFile, `${logins.k8s.secret}\n`)
    await expect(provider.mint(ask(webRead), patience())).resolves.toMatchObject({ granted: webRead })
    await rm(folder, { recursive: true })
  })

  it('is got once for all who wait, and anew when Vault does not know it any more', async () => {
    const provider = open()
    const count = (): number => standIn.journal.filter((entry) => entry.path === 'auth/approle/login').length
    await Promise.all([1, 2, 3].map(() => provider.mint(ask(webRead), patience())))
    expect(count()).toBe(1)
    standIn.revokeOwn()
    await provider.mint(ask(webRead), patience())
    expect(count()).toBe(2)
  })

  it('that is sealed and dead leads to one message, and to no endless logins', async () => {
    const provider = open({ method: 'token' })
    await provider.mint(ask(webRead), patience())
    standIn.revokeOwn()
    for (const _ of [1, 2]) {
      const error = await failureOf(provider.mint(ask(webRead), patience()))
      expect(error).toMatchObject({ code: 'provider.login', hint: expect.stringContaining('--token') })
    }
  })

  it('is not thrown away for a 403 that is about the path', async () => {
    const provider = open()
    for (const _ of [1, 2]) await failureOf(provider.mint(ask({ dynamic: 'database/creds/admin' }), patience()))
    expect(standIn.own().filter((entry) => entry.displayName !== 'seeded')).toHaveLength(1)
  })

  it.each([
    ['AppRole', {}, { approle: { ...logins.approle, tokenType: 'batch' as const } }],
    ['a sealed token', { method: 'token' }, {}],
  ])('may not be a batch token (%s)', async (way, config, more) => {
    standIn = await start({ logins: { ...logins, ...more } })
    const body = { data: { ttl: 60, renewable: false, type: 'batch' } }
    const end = way === 'AppRole' ? () => undefined : standIn.fault({ path: /lookup-self/, status: 200, body })
    await expect(open(config).mint(ask(webRead), patience())).rejects.toMatchObject({
      code: 'provider.login',
      message: expect.stringContaining('batch'),
    })
    end()
  })

  it('is renewed before it ends, and got anew when its longest life is over', async () => {
    const clock = new FakeClock()
    standIn = await start({
      now: () => clock.now(),
      logins: { approle: { ...logins.approle, ttl: 900, maxTtl: 1800 } },
    })
    const provider = open({}, { clock })
    const count = (path: string): number => standIn.journal.filter((entry) => entry.path.endsWith(path)).length
    await provider.mint(ask(webRead), patience())
    await clock.advance(610_000)
    await expect.poll(() => count('renew-self')).toBe(1)
    await clock.advance(1_000)
    await provider.mint(ask(webRead), patience())
    expect(count('approle/login')).toBe(1)
    await clock.advance(1_000_000)
    await provider.mint(ask(webRead), patience())
    expect(count('approle/login')).toBe(2)
  })

  it('is given back when nothing hangs on it, and left to its end when something does', async () => {
    const used = open()
    const credential = await used.mint(ask(webRead), patience())
    await used.close?.()
    expect(await get(credential, 'web/data/app/db')).toBe(200)
    const idle = open()
    await idle.prove(patience())
    const before = standIn.own().length
    await idle.close?.()
    expect(standIn.own().length).toBe(before - 1)
  })

  it('is not the one in the environment of the daemon', async () => {
    process.env['VAULT_TOKEN'] = 'hvs.somebody-else'
    process.env['VAULT_NAMESPACE'] = 'elsewhere'
    try {
      await open({ namespace: 'team-a' }).mint(ask(webRead), patience())
      await open().mint(ask(webRead), patience())
    } finally {
      delete process.env['VAULT_TOKEN']
      delete process.env['VAULT_NAMESPACE']
    }
    expect(standIn.journal.filter((entry) => entry.path.endsWith('/login')).map((entry) => entry.token)).toEqual([false, false])
    expect(new Set(standIn.journal.map((entry) => entry.namespace))).toEqual(new Set(['team-a', undefined]))
  })

  it('waits for nobody who gave up', async () => {
    const end = standIn.fault({ path: /approle\/login/, delay: 10_000 })
    const started = performance.now()
    const error = await failureOf(open().mint(ask(webRead), AbortSignal.timeout(100)))
    expect(performance.now() - started).toBeLessThan(3000)
    expect(mayHaveMinted(error)).toBe(false)
    end()
  })
})

describe('a node that does not serve', () => {
  it.each([
    ['sealed', 'sealed', 'Unseal it'],
    ['not-initialised', 'not initialised', 'Initialise it'],
    ['standby', 'standby', 'address'],
    ['standby-redirect', 'standby', 'address'],
    ['performance-standby', 'performance standby', 'address'],
  ] as const)('%s: the message says so, and nothing was minted', async (state, words, hint) => {
    const provider = open()
    await provider.prove(patience())
    standIn.become(state)
    for (const one of [provider, open()]) {
      const error = await failureOf(one.mint(ask(webRead), patience()))
      expect(error).toMatchObject({
        code: 'provider.unavailable',
        message: expect.stringContaining(words),
        hint: expect.stringContaining(hint),
      })
      expect(mayHaveMinted(error)).toBe(false)
    }
    standIn.become('active')
    await expect(provider.mint(ask(webRead), patience())).resolves.toMatchObject({ granted: webRead })
  })

  it('that limits requests says for how long', async () => {
    const end = standIn.fault({ path: /create/, status: 429, headers: { 'retry-after': '7' } })
    await expect(open().mint(ask(webRead), patience())).rejects.toMatchObject({
      code: 'provider.unavailable',
      details: { retryAfter: 7000, sent: false },
    })
    end()
  })
})

describe('what leaves the provider', () => {
  it.each([
    ['an answer', (said: string) => Response.json({ errors: [`not for you: ${said}`] }, { status: 400 })],
    ['a failure', (said: string) => Promise.reject(new TypeError(`${said} is an invalid header value`))],
  ])('holds no secret that comes back in %s', async (_, answer) => {
    const echo: ProviderHost['fetch'] = async (_url, init) =>
      answer(`${new Headers(init?.headers).get('x-vault-token')} ${String(init?.body)}`)
    for (const config of [{}, { method: 'token' }]) {
      const error = await failureOf(open(config, { fetch: echo }).mint(ask(webRead), patience()))
      const told = `${String(error)} ${JSON.stringify(error.toBody())}`
      expect(told).toContain('[redacted by jit]')
      expect(told).not.toContain(secretId)
      expect(told).not.toContain(ownToken)
    }
  })

  it('is nothing on the debug log of node-vault', async () => {
    const script = `
      const { vault } = await import(${JSON.stringify(new URL('index.ts', import.meta.url))})
      const { Secret } = await import(${JSON.stringify(new URL('../../src/core/secret.ts', import.meta.url))})
      const { systemClock: clock } = await import(${JSON.stringify(new URL('../../src/core/clock.ts', import.meta.url))})
      const host = { name: 'test', clock, log: console, fetch, secret: () => new Secret(${JSON.stringify(secretId)}), hasSecret: () => true }
      const config = vault.config.parse({ address: ${JSON.stringify(standIn.url)}, method: 'approle', role: ${JSON.stringify(roleId)}, tokenRole: 'jit' })
      const credential = await vault.open(config, host).mint(${JSON.stringify(ask(webRead))}, AbortSignal.timeout(5000))
      console.log(credential)
    `
    const env = { ...process.env, DEBUG: '*' }
    const { stdout, stderr } = await promisify(execFile)(process.execPath, ['--input-type=module', '-e', script], { env })
    expect(stdout).toContain('[redacted]')
    expect(`${stdout}${stderr}`).not.toContain(secretId)
    expect(`${stdout}${stderr}`).not.toContain('role_id')
  })

  it('names namespace and policies to the server, and tells people what is asked', () => {
    const provider = open({ namespace: 'team-a' })
    expect(provider.environment?.('x')).toEqual({ VAULT_NAMESPACE: 'team-a' })
    expect(open().environment?.('x')).toEqual({})
    expect(provider.asks?.({ ...webRead, uses: 3 })).toEqual({ token: { policies: ['mcp-read-web'], renewable: false, num_uses: 3 } })
    expect(provider.asks?.({ dynamic: 'database/creds/readonly' })).toEqual({ read: 'database/creds/readonly' })
    expect(provider.origin).toBe(standIn.url)
    expect(provider.describe(webPath)).toBe('read web/data/app/db')
    expect(provider.partition({ policies: ['b', 'a'] })).toBe(provider.partition({ policies: ['a', 'b'], uses: 2 }))
    expect(provider.partition(webPath)).not.toBe(provider.partition({ paths: [{ path: 'web/data/app/other', capabilities: ['read'] }] }))
  })
})

describe('a value of a call', () => {
  it.each([
    ['policies.0', 'web', true],
    ['policies.0', 'Web', false],
    ['policies.0', 'root', false],
    ['policies.0', 'a/b', false],
    ['dynamic', 'readonly', true],
    ['dynamic', 'creds/readonly', false],
    ['parameters.kubernetes_namespace', 'web', true],
    ['parameters.kubernetes_namespace', 'web,other', false],
    ['paths.0.path', 'app', true],
    ['paths.0.path', 'app/db', false],
    ['paths.0.path', 'sys', false],
    ['paths.0.path.0', 'Sys', false],
    ['paths.0.path.0', 'auth', false],
    ['paths.0.path.0', 'identity', false],
    ['paths.0.path.0', 'system', true],
    ['paths.0.path.2', 'sys', true],
    ['paths.0.path.0', 'web/data', false],
    ['paths.0.path.2', 'app/db', true],
    ['paths.0.path.2', 'app/../../sys', false],
    ['paths.0.path.2', 'app//db', false],
    ['paths.0.path.2', '/app', false],
    ['paths.0.path.2', 'app/', false],
    ['paths.0.path.2', 'app%2fdb', false],
    ['paths.0.path.2', '+', false],
    ['paths.0.path.2', 'app/*', false],
    ['paths.0.path.2', '{{identity.entity.id}}', false],
    ['paths.0.path.2', 'a"b', false],
    ['paths.0.path.2', 'app\ndb', false],
    ['paths.0.path.2', 'ａpp', false],
    ['paths.0.capabilities.0', 'read', false],
    ['uses', '1', false],
  ])('for %s of %j: %s', (path, value, good) => {
    expect(vault.checkField(path, value) === undefined).toBe(good)
  })

  it('that passes makes a policy for exactly one path, whatever it is', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 20 }), (value) => {
        if (vault.checkField('paths.0.path.2', value) !== undefined) return
        const path = `web/data/${value}`
        const scope = { paths: [{ path: ['web', 'data', value], capabilities: ['read'] }] }
        expect(vault.scope.safeParse(scope).success).toBe(true)
        expect(open().asks?.(scope)).toMatchObject({ policy: { path: { [path]: { capabilities: ['read'] } } } })
        expect(new URL(`http://vault.test/v1/${path}`).pathname).toBe(`/v1/${path}`)
      }),
    )
  })
})

describe('a registration', () => {
  it.each([
    [{ address: 'https://vault.test/path' }, 'address'],
    [{ address: 'ftp://vault.test' }, 'address'],
    [{ address: 'https://me:secret@vault.test' }, 'address'],
    [{ address: 'https://vault.test', method: 'approle' }, 'role'],
    [{ address: 'https://vault.test', method: 'userpass' }, 'username'],
    [{ address: 'https://vault.test', method: 'ldap' }, 'method'],
    [{ address: 'https://vault.test', mount: '../sys' }, 'mount'],
    [{ address: 'https://vault.test', tokenRole: 'a/b' }, 'tokenRole'],
    [{ address: 'https://vault.test', maxTtl: '1 hour' }, 'maxTtl'],
    [{ address: 'https://vault.test', jwtFile: 'token' }, 'jwtFile'],
    [{ address: 'https://vault.test', skipVerify: true }, ''],
  ])('of %j is refused', (config, field) => {
    const parsed = vault.config.safeParse(config)
    expect(parsed.error?.issues.map((issue) => issue.path.join('.'))).toEqual([field])
  })

  it('is proved by a token that can do nothing, and leaves none', async () => {
    await expect(open().prove(patience())).resolves.toMatchObject({
      version: '1.21.0',
      policies: expect.arrayContaining(['broker']),
      tokenRole: 'jit',
      proof: 'made a token and revoked it',
    })
    expect(asked('auth/token/create/jit')).toMatchObject({ policies: ['default'], num_uses: 1, ttl: '15s' })
  })

  it('whose token role takes no default policy says that nothing was made', async () => {
    standIn = await start({ tokenRoles: { jit: { allowedGlob: ['mcp-*'], noDefaultPolicy: true } } })
    await expect(open().prove(patience())).resolves.toMatchObject({ proof: expect.stringContaining('no token was made') })
  })

  it('with a role of batch tokens is refused', async () => {
    standIn = await start({ tokenRoles: { jit: { allowedGlob: ['mcp-*'], type: 'batch' } } })
    await expect(open().prove(patience())).rejects.toMatchObject({
      code: 'provider.refused',
      hint: expect.stringContaining('token_type=service'),
    })
  })

  it('with an unknown token role is refused', async () => {
    standIn = await start({ tokenRoles: {} })
    await expect(open().prove(patience())).rejects.toMatchObject({
      code: 'provider.refused',
      message: expect.stringContaining('unknown role'),
    })
  })
})
