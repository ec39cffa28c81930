import { describe, expect, it } from 'vitest'
import { mayHaveMinted } from '../../src/broker/lost.ts'
import { acmeVault, brokerPolicy, roleId, secretId } from './fake/fixture.ts'
import { ask, failureOf, patience, shareBench, webPath, webRead } from './fake/bench.ts'

const bench = shareBench()

describe('a child token', () => {
  it('has the policies asked for, a short life, and names who acts', async () => {
    const credential = await bench.open().mint(ask(webRead), patience())
    expect(bench.asked('auth/token/create/jit')).toEqual({
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
    expect([await bench.get(credential, 'web/data/app/db'), await bench.get(credential, 'web/data/app/db', 'DELETE')]).toEqual([200, 403])
    expect(await bench.get(credential, 'auth/token/lookup-self')).toBe(403)
  })

  it('ends after its uses', async () => {
    const provider = bench.open()
    const scope = { ...webRead, uses: 2 }
    const credential = await provider.mint(ask(scope), patience())
    expect(provider.covers(credential.granted, scope)).toBe(true)
    for (const uses of [0, 3]) expect(provider.covers({ ...webRead, uses }, scope)).toBe(false)
    expect(provider.covers(webRead, scope)).toBe(false)
    expect([
      await bench.get(credential, 'web/data/app/db'),
      await bench.get(credential, 'web/data/app/db'),
      await bench.get(credential, 'web/data/app/db'),
    ]).toEqual([200, 200, 403])
    await expect(provider.revoke?.(credential, patience())).resolves.toEqual({ outcome: 'revoked', verified: true })
  })

  it('lives no longer than maxTtl, and no longer than the token it hangs on', async () => {
    await bench.start({
      logins: { approle: { type: 'approle', name: roleId, secret: secretId, policies: ['broker'], ttl: 120, maxTtl: 120 } },
    })
    expect([bench.open().maxTtl, bench.open({ maxTtl: '60s' }).maxTtl]).toEqual([3_600_000, 60_000])
    const short = await bench.open({ maxTtl: '60s' }).mint(ask(webRead), patience())
    expect(short.expiresAt - Date.now()).toBeLessThanOrEqual(60_000)
    const long = await bench.open({ maxTtl: '1h' }).mint(ask(webRead, { ttl: 3_600_000 }), patience())
    expect(long.expiresAt - Date.now()).toBeLessThanOrEqual(120_000)
  })

  it('of an orphan role lives on its own', async () => {
    await bench.start({
      tokenRoles: { jit: { allowedGlob: ['mcp-*'], orphan: true } },
      logins: { approle: { type: 'approle', name: roleId, secret: secretId, policies: ['broker'], ttl: 120, maxTtl: 120 } },
    })
    const credential = await bench.open().mint(ask(webRead, { ttl: 3_600_000 }), patience())
    expect(credential.expiresAt - Date.now()).toBeGreaterThan(3_000_000)
    bench.standIn.revokeOwn()
    expect(await bench.get(credential, 'web/data/app/db')).toBe(200)
  })

  it.each([
    ['a policy outside the token role', { policies: ['admin'] }, {}, 'provider.refused', 'allowed_policies_glob'],
    ['one of two policies outside it', { policies: ['mcp-read-web', 'admin'] }, {}, 'provider.refused', 'allowed_policies_glob'],
    ['a token role that the broker may not use', webRead, { tokenRole: 'generous' }, 'provider.refused', 'auth/token/create/generous'],
    ['no token role', webRead, { tokenRole: undefined }, 'provider.refused', 'tokenRole'],
    ['a policy of its own where that is off', webPath, {}, 'provider.refused', 'providers/vault/README.md'],
  ])('%s is refused, with the setting to change', async (_, scope, config, code, setting) => {
    const error = await failureOf(bench.open(config).mint(ask(scope), patience()))
    expect(error).toMatchObject({ code, hint: expect.stringContaining(setting) })
    expect(mayHaveMinted(error)).toBe(false)
    expect(bench.standIn.children()).toEqual([])
  })

  it('of more policies than asked is shown as what it is, so that the broker refuses it', async () => {
    await bench.start({ policies: { ...acmeVault().policies, broker: brokerPolicy.replaceAll('create/jit', 'create/generous') } })
    const provider = bench.open({ tokenRole: 'generous' })
    const credential = await provider.mint(ask(webRead), patience())
    expect(credential.granted).toEqual({ policies: ['admin', 'mcp-read-web'] })
    expect(provider.covers(credential.granted, webRead)).toBe(false)
    await provider.revoke?.(credential, patience())
    expect(bench.standIn.children()).toEqual([])
  })

  it('is no batch token: a role of such is refused, and one that came all the same is said to live to its end', async () => {
    const provider = bench.open()
    await bench.start({ tokenRoles: { jit: { allowedGlob: ['mcp-*'], type: 'batch' } } })
    await expect(bench.open().mint(ask(webRead), patience())).rejects.toMatchObject({
      code: 'provider.refused',
      hint: expect.stringContaining('token_type=service'),
    })
    const auth = { client_token: 'hvb.batch-4242', accessor: '', policies: ['mcp-read-web'], lease_duration: 300, token_type: 'batch' }
    bench.first.fault({ path: /token\/create/, status: 200, body: { auth } })
    const credential = await provider.mint(ask(webRead), patience())
    expect(provider.covers(credential.granted, webRead)).toBe(false)
    await expect(provider.revoke?.(credential, patience())).resolves.toMatchObject({ outcome: 'expires', validUntil: credential.expiresAt })
    expect(bench.host.logged()).toContain('token_type=service')
  })

  it('with a policy that Vault does not have is taken back, and the policy named', async () => {
    const error = await failureOf(bench.open().mint(ask({ policies: ['mcp-read-web', 'mcp-read-nothing'] }), patience()))
    expect(error).toMatchObject({ code: 'provider.refused', message: expect.stringContaining('mcp-read-nothing') })
    expect(bench.standIn.children()).toEqual([])
  })

  it('without an end is taken back before the mint fails', async () => {
    await bench.start({ policies: { ...acmeVault().policies, broker: brokerPolicy.replaceAll('create/jit', 'create/periodic') } })
    const failing = bench.open({ tokenRole: 'periodic' })
    expect(await failureOf(failing.mint(ask(webRead), patience()))).toMatchObject({
      code: 'provider.scope',
      hint: expect.stringContaining('token_period'),
    })
    expect(bench.standIn.children()).toEqual([])
    const end = bench.standIn.fault({ path: /revoke-accessor/, status: 429 })
    const error = await failureOf(failing.mint(ask(webRead), patience()))
    end()
    expect([error.code, mayHaveMinted(error), bench.standIn.children().length]).toEqual(['provider.unavailable', true, 1])
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
    const provider = bench.open()
    const credential = await provider.mint(ask(webRead), patience())
    const end = bench.standIn.fault(fault)
    await expect(provider.revoke?.(credential, patience())).resolves.toEqual(outcome)
    end()
  })

  it.each([
    ['a token', webRead, /revoke-accessor/],
    ['a lease', { dynamic: 'database/creds/readonly' }, /leases\/revoke/],
  ])('the end of %s that fails is no success, whatever the failure is about', async (_, scope, path) => {
    const provider = bench.open()
    const credential = await provider.mint(ask(scope), patience())
    for (const [status, errors] of [
      [400, ['failed to revoke entry: role "x" not found']],
      [404, []],
      [403, ['permission denied']],
    ] as const) {
      const end = bench.standIn.fault({ path, status, body: { errors } })
      await expect(provider.revoke?.(credential, patience())).rejects.toMatchObject({ code: 'provider.refused' })
      end()
    }
    expect(bench.standIn.children().length + bench.standIn.leases()).toBe(1)
  })

  it('is revoked by a broker that was started again', async () => {
    const credential = await bench.open().mint(ask(webRead), patience())
    const { secrets, expiresAt, granted } = credential
    await expect(bench.open().revoke?.({ secrets: { ...secrets }, expiresAt, granted }, patience())).resolves.toMatchObject({
      verified: true,
    })
    expect(bench.standIn.children()).toEqual([])
  })
})
