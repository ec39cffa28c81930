import { describe, expect, it } from 'vitest'
import { canonicalJson } from '../../../src/core/json.ts'
import { settle } from '../../support/fake-clock.ts'
import { ask, bench, hour, minute, patient, refused, unavailable } from './support.ts'

describe('acquire', () => {
  it('writes the minting row before it asks the provider, and the sealed lease before it hands it out', async () => {
    const { broker, upstream, store, audit } = bench()
    upstream.mintScripts.push({ delay: 10 })
    const asked = broker.acquire(ask(), patient)
    const [row] = store.rows.values()
    expect(row).toMatchObject({ state: 'minting', sealed: '', validUntil: (row?.startedAt ?? 0) + hour })
    expect(audit.types()).toEqual(['lease.minting'])
    expect(upstream.mints).toHaveLength(1)
    void asked
  })

  it('hands out a lease whose row and record are there', async () => {
    const { broker, upstream, store, audit } = bench()
    const lease = await broker.acquire(ask(), patient)
    expect(lease).toMatchObject({ provider: 'acme', partition: 'acme/web', fresh: true })
    expect(lease.secrets['token']?.reveal()).toBe(upstream.tokens[0]?.value)
    expect(lease.expiresAt - lease.mintedAt).toBe(5 * minute)
    expect(store.rows.get(lease.id)).toMatchObject({
      state: 'live',
      fingerprint: lease.fingerprint,
      upstreamHash: lease.upstreamHash,
      validUntil: upstream.tokens[0]?.expiresAt,
    })
    expect(audit.types()).toEqual(['lease.minting', 'lease.issued'])
    expect(JSON.stringify([...store.rows.values(), ...audit.events, ...broker.leases()])).not.toContain(upstream.tokens[0]?.value)
  })

  it('tells the provider the lease, the scope and the chain of principals, and nothing else', async () => {
    const { broker, upstream } = bench()
    const lease = await broker.acquire(ask(), patient)
    expect(upstream.mints).toEqual([
      {
        lease: lease.id,
        scope: { repository: 'acme/web', issues: 'read' },
        ttl: 5 * minute,
        principal: { human: 'ada(1000)', agent: 'agent', session: 'session_1', server: 'github', tool: 'get_issue' },
      },
    ])
  })

  it('refuses a provider that is not registered', async () => {
    const { broker } = bench()
    await expect(broker.acquire(ask({ provider: 'nobody' }), patient)).rejects.toMatchObject({ code: 'provider.login' })
    expect(() => broker.cached(ask({ provider: 'nobody' }))).toThrow('not registered')
    expect(() => broker.partition(ask({ provider: 'nobody' }).grant)).toThrow('not registered')
  })

  it('refuses while locked, before anything is written', async () => {
    const { broker, store } = bench()
    await broker.acquire(ask(), patient)
    broker.locked = true
    await expect(broker.acquire(ask(), patient)).rejects.toMatchObject({ code: 'locked' })
    expect(() => broker.cached(ask())).toThrow('locked')
    expect(store.rows.size).toBe(1)
    broker.locked = false
    expect(broker.cached(ask())).toBeDefined()
  })

  it('does nothing for an asker who is gone already', async () => {
    const { broker, store } = bench()
    await broker.acquire(ask(), patient)
    await expect(broker.acquire(ask(), AbortSignal.abort())).rejects.toBeDefined()
    expect(store.rows.size).toBe(1)
    expect(broker.leases()[0]?.inUse).toBe(1)
  })
})

describe('sharing', () => {
  it('one lease serves identical asks of a session, also by another server of the same agent', async () => {
    const { broker, upstream } = bench()
    const first = await broker.acquire(ask(), patient)
    const second = await broker.acquire(ask({ scope: { issues: 'read', repository: 'acme/web' } }, { server: 'other' }), patient)
    expect(second.id).toBe(first.id)
    expect([first.fresh, second.fresh]).toEqual([true, false])
    expect(broker.cached(ask())?.id).toBe(first.id)
    expect(upstream.mints).toHaveLength(1)
    expect(broker.leases()[0]?.inUse).toBe(3)
  })

  it.each([
    ['a narrower scope', ask({ scope: { repository: 'acme/web' } })],
    ['a wider scope', ask({ scope: { repository: 'acme/web', issues: 'write' } })],
    ['another session', ask({}, { session: 'session_2' })],
    ['another ttl', ask({ ttl: minute })],
    ['a lease for the call alone', ask({ lifetime: 'call' })],
  ])('%s gets a lease of its own', async (_, other) => {
    const { broker } = bench()
    const first = await broker.acquire(ask(), patient)
    expect(broker.cached(other)).toBeUndefined()
    const second = await broker.acquire(other, patient)
    expect(second.id).not.toBe(first.id)
    expect(canonicalJson(second.scope)).toBe(canonicalJson(other.grant.scope))
  })

  it('a provider that was opened anew does not answer from the cache of the old one', async () => {
    const { broker, upstream, providers } = bench()
    const first = await broker.acquire(ask(), patient)
    providers.set('acme', upstream.provider())
    expect((await broker.acquire(ask(), patient)).id).not.toBe(first.id)
    providers.set('acme', upstream.provider({ origin: 'https://other.example.test' }))
    expect((await broker.acquire(ask(), patient)).id).not.toBe(first.id)
    expect(upstream.mints).toHaveLength(3)
  })

  it('a provider that points elsewhere now does not answer from the cache', async () => {
    const { broker, upstream, providers } = bench()
    const moving = { ...upstream.provider() }
    providers.set('acme', moving)
    const first = await broker.acquire(ask(), patient)
    Object.assign(moving, { origin: 'https://other.example.test' })
    expect((await broker.acquire(ask(), patient)).id).not.toBe(first.id)
  })

  it('leases for a call are never shared, not even while they are minted', async () => {
    const { broker, upstream } = bench()
    const leases = await Promise.all([1, 2, 3].map(() => broker.acquire(ask({ lifetime: 'call' }), patient)))
    expect(new Set(leases.map((lease) => lease.id)).size).toBe(3)
    expect(upstream.mints).toHaveLength(3)
  })

  it('concurrent askers share one mint', async () => {
    const { broker, upstream, clock } = bench()
    upstream.mintScripts.push({ delay: 50 })
    const asked = Promise.all(Array.from({ length: 50 }, () => broker.acquire(ask(), patient)))
    await clock.advance(50)
    const leases = await asked
    expect(new Set(leases.map((lease) => lease.id)).size).toBe(1)
    expect(leases.filter((lease) => lease.fresh)).toHaveLength(1)
    expect(upstream.mints).toHaveLength(1)
    expect(broker.leases()[0]?.inUse).toBe(50)
  })

  it('concurrent askers share its failure, and the next one tries again', async () => {
    const { broker, upstream } = bench()
    upstream.mintScripts.push({ error: refused })
    const results = await Promise.allSettled([1, 2, 3].map(() => broker.acquire(ask(), patient)))
    expect(results.map((result) => result.status)).toEqual(['rejected', 'rejected', 'rejected'])
    expect(upstream.mints).toHaveLength(1)
    await expect(broker.acquire(ask(), patient)).resolves.toBeDefined()
  })
})

describe('askers who go away', () => {
  it('one asker’s abort leaves the mint to the others', async () => {
    const { broker, upstream, clock } = bench()
    upstream.mintScripts.push({ delay: 50 })
    const leaving = new AbortController()
    const first = broker.acquire(ask(), leaving.signal)
    const second = broker.acquire(ask(), patient)
    leaving.abort()
    await expect(first).rejects.toBeDefined()
    await clock.advance(50)
    const lease = await second
    expect(lease.secrets['token']).toBeDefined()
    expect(broker.leases()[0]?.inUse).toBe(1)
    expect(upstream.alive()).toHaveLength(1)
  })

  it('a mint that comes back when nobody wants it is revoked', async () => {
    const { broker, upstream, clock, store } = bench()
    upstream.mintScripts.push({ delay: 50 })
    const leaving = new AbortController()
    const asked = broker.acquire(ask(), leaving.signal)
    leaving.abort()
    await expect(asked).rejects.toBeDefined()
    await clock.advance(50)
    expect(upstream.tokens).toHaveLength(1)
    expect(upstream.alive()).toEqual([])
    await clock.advance(1000)
    expect([...store.rows.values()].map((row) => row.state)).toEqual(['failed'])
    expect(broker.leases()).toEqual([])
    // One for the schedule: the mint has left no timer behind.
    expect(clock.pending).toBe(1)
  })

  it('a new asker does not join the mint that was given up', async () => {
    const { broker, upstream, clock } = bench()
    upstream.mintScripts.push({ delay: 50 })
    const leaving = new AbortController()
    void broker.acquire(ask(), leaving.signal).catch(() => undefined)
    leaving.abort()
    const lease = await broker.acquire(ask(), patient)
    await clock.advance(50)
    expect(lease.signal.aborted).toBe(false)
    expect(upstream.alive().map((token) => token.lease)).toEqual([lease.id])
  })

  it('the provider is stopped when its answer does not come soon, and the mint is reported as lost', async () => {
    const { broker, upstream, clock } = bench()
    upstream.mintScripts.push({ delay: 20_000 })
    const leaving = new AbortController()
    void broker.acquire(ask(), leaving.signal).catch(() => undefined)
    leaving.abort()
    await clock.advance(4000)
    expect(broker.leases().map((lease) => lease.state)).toEqual(['minting'])
    await clock.advance(1001)
    expect(broker.leases().map((lease) => lease.state)).toEqual(['lost'])
    expect(upstream.tokens).toEqual([])
  })

  it('no retry is made for nobody', async () => {
    const { broker, upstream, clock } = bench()
    upstream.mintScripts.push({ error: unavailable({ status: 503 }) })
    const leaving = new AbortController()
    void broker.acquire(ask(), leaving.signal).catch(() => undefined)
    await settle()
    leaving.abort()
    await clock.advance(20_000)
    expect(upstream.mints).toHaveLength(1)
  })
})
