import { describe, expect, it } from 'vitest'
import { mayHaveMinted } from '../../src/broker/lost.ts'
import { FakeClock } from '../../test/support/fake-clock.ts'
import { acmeVault, ephemeralPolicy } from './fake/fixture.ts'
import { ask, failureOf, patience, shareBench, webPath } from './fake/bench.ts'

const bench = shareBench()

describe('a policy of one lease', () => {
  it('allows the exact path, and is gone with the lease', async () => {
    const provider = bench.open({ ephemeralPolicies: true })
    const scope = {
      paths: [
        { path: ['web', 'data', 'app/db'], capabilities: ['read'] },
        { path: 'web/data/app/db', capabilities: ['update'] },
      ],
    }
    const credential = await provider.mint(ask(scope), patience())
    expect(bench.asked('sys/policies/acl/jit-lease_test')).toEqual({
      policy: '{"path":{"web/data/app/db":{"capabilities":["read","update"]}}}',
      ttl: '360s',
    })
    expect(provider.asks?.(scope)).toEqual({
      token: { policies: ['jit-<lease>'], renewable: false },
      policy: { path: { 'web/data/app/db': { capabilities: ['read', 'update'] } } },
    })
    expect(provider.covers(credential.granted, scope)).toBe(true)
    expect([
      await bench.get(credential, 'web/data/app/db'),
      await bench.get(credential, 'web/data/app'),
      await bench.get(credential, 'web/data/app/db/x'),
    ]).toEqual([200, 403, 403])
    await provider.revoke?.(credential, patience())
    expect(bench.standIn.policies()).not.toContain('jit-lease_test')
  })

  it.each([
    ['is refused', { status: 400 }, false],
    ['is cut off', { cut: true }, true],
    ['is cut off after it took effect', { cut: true, after: true }, true],
  ])('goes when the token that it was for %s, so that not even a lost token can use it', async (_, way, lost) => {
    const end = bench.standIn.fault({ path: /token\/create/, ...way })
    const error = await failureOf(bench.open({ ephemeralPolicies: true }).mint(ask(webPath), patience()))
    end()
    expect(mayHaveMinted(error)).toBe(lost)
    expect(bench.standIn.policies()).not.toContain('jit-lease_test')
  })

  it('that could not be written is no lost mint, and is removed in case it was', async () => {
    const end = bench.standIn.fault({ path: /policies/, method: 'POST', cut: true, after: true })
    const error = await failureOf(bench.open({ ephemeralPolicies: true }).mint(ask(webPath), patience()))
    end()
    expect([error.code, mayHaveMinted(error)]).toEqual(['provider.unavailable', false])
    expect(bench.standIn.policies()).not.toContain('jit-lease_test')
  })

  it('that the broker may not write names its permission', async () => {
    await bench.start({ policies: { ...acmeVault().policies, 'broker-ephemeral': ephemeralPolicy.replaceAll('jit-lease_', 'other-') } })
    await expect(bench.open({ ephemeralPolicies: true }).mint(ask(webPath), patience())).rejects.toMatchObject({
      code: 'provider.refused',
      hint: expect.stringContaining('sys/policies/acl/jit-lease_*'),
    })
  })

  it('whose token got other policies too is not covered, and goes with it', async () => {
    await bench.start({ tokenRoles: { jit: { allowedGlob: ['jit-lease_*'], alsoGrants: ['admin'] } } })
    const provider = bench.open({ ephemeralPolicies: true })
    const credential = await provider.mint(ask(webPath), patience())
    expect(provider.covers(credential.granted, webPath)).toBe(false)
    await provider.revoke?.(credential, patience())
    expect(bench.standIn.policies()).not.toContain('jit-lease_test')
  })

  it('ends by itself on OpenBao', async () => {
    const clock = new FakeClock()
    await bench.start({ product: 'openbao', now: () => clock.now() })
    await bench.open({ method: 'token', ephemeralPolicies: true }, { clock }).mint(ask(webPath), patience())
    expect(bench.standIn.policies()).toContain('jit-lease_test')
    await clock.advance(361_000)
    expect(bench.standIn.policies()).not.toContain('jit-lease_test')
  })
})
