import { describe, expect, it } from 'vitest'
import type { Credential, JsonObject } from '../../src/provider/index.ts'
import { ask, failureOf, patience, shareBench } from './fake/bench.ts'

const bench = shareBench()

describe('a dynamic secret', () => {
  it('comes in parts, and ends at once', async () => {
    const provider = bench.open()
    const credential = await provider.mint(ask({ dynamic: 'database/creds/readonly' }), patience())
    expect(Object.keys(credential.secrets)).toEqual(['username', 'password', 'leaseId'])
    expect(credential.granted).toEqual({ dynamic: 'database/creds/readonly' })
    await expect(provider.revoke?.(credential, patience())).resolves.toEqual({ outcome: 'revoked', verified: true })
    expect(bench.asked('sys/leases/revoke')).toMatchObject({ sync: true })
    expect(bench.standIn.leases()).toBe(0)
  })

  it('is asked for with parameters where its engine takes them', async () => {
    const provider = bench.open()
    const scope = { dynamic: 'kubernetes/creds/reader', parameters: { kubernetes_namespace: 'web', ttl: '10m' } }
    const credential = await provider.mint(ask(scope), patience())
    expect(bench.asked('kubernetes/creds/reader')).toEqual(scope.parameters)
    expect(provider.covers(credential.granted, scope)).toBe(true)
    expect(provider.covers(credential.granted, { dynamic: scope.dynamic })).toBe(false)
    await expect(provider.revoke?.(credential, patience())).resolves.toMatchObject({ outcome: 'accepted' })
  })

  it('says which of its parts are names, so that they stay in what servers answer', async () => {
    const mint = (dynamic: string, parameters?: JsonObject): Promise<Credential> =>
      bench.open().mint(ask(parameters === undefined ? { dynamic } : { dynamic, parameters }), patience())
    const named = async (work: Promise<Credential>): Promise<unknown> => (await work).notSecret
    expect(await named(mint('database/creds/readonly'))).toEqual(['username'])
    expect(await named(mint('aws/sts/reader'))).toEqual([])
    expect(await named(mint('kubernetes/creds/reader', { kubernetes_namespace: 'web' }))).toEqual([
      'service_account_name',
      'service_account_namespace',
    ])
  })

  it('of AWS STS is not called revoked', async () => {
    const provider = bench.open()
    const credential = await provider.mint(ask({ dynamic: 'aws/sts/reader' }), patience())
    expect(Object.keys(credential.secrets)).toEqual(['access_key', 'secret_key', 'security_token', 'leaseId'])
    await expect(provider.revoke?.(credential, patience())).resolves.toMatchObject({ outcome: 'expires', validUntil: credential.expiresAt })
  })

  it('that is none has no lease, and is not handed out', async () => {
    const error = await failureOf(bench.open().mint(ask({ dynamic: 'secret/data/plain' }), patience()))
    expect(error).toMatchObject({ code: 'provider.scope', hint: expect.stringContaining('database/creds/readonly') })
  })

  it('of another role than asked is not covered', () => {
    const provider = bench.open()
    expect(provider.covers({ dynamic: 'database/creds/admin' }, { dynamic: 'database/creds/readonly' })).toBe(false)
    expect(provider.covers({ dynamic: 'database/creds' }, { dynamic: 'database/creds/readonly' })).toBe(false)
    expect(provider.covers({ policies: ['x'] }, { dynamic: 'database/creds/readonly' })).toBe(false)
  })

  it('that Vault leased for another role is shown as that', async () => {
    const provider = bench.open()
    const body = { lease_id: 'database/creds/admin/x', lease_duration: 60, data: { password: 'pw-4242' } }
    const end = bench.standIn.fault({ path: /creds\/readonly/, status: 200, body })
    const credential = await provider.mint(ask({ dynamic: 'database/creds/readonly' }), patience())
    end()
    expect(provider.covers(credential.granted, { dynamic: 'database/creds/readonly' })).toBe(false)
  })

  it('that its engine cannot remove is no success, and the hint says who is to look', async () => {
    const provider = bench.open()
    const credential = await provider.mint(ask({ dynamic: 'database/creds/readonly' }), patience())
    const body = { errors: ['failed to revoke entry: ERROR: role "v-token" cannot be dropped because some objects depend on it'] }
    const end = bench.standIn.fault({ path: /leases\/revoke/, status: 400, body })
    await expect(provider.revoke?.(credential, patience())).rejects.toMatchObject({ hint: expect.stringContaining('owns something') })
    end()
  })

  it('whose revocation is only queued is not over', async () => {
    const provider = bench.open()
    const credential = await provider.mint(ask({ dynamic: 'database/creds/readonly' }), patience())
    const end = bench.standIn.fault({ path: /leases\/revoke/, status: 202 })
    await expect(provider.revoke?.(credential, patience())).rejects.toMatchObject({ code: 'provider.unavailable' })
    end()
  })
})
