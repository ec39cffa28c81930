import { describe, expect, it } from 'vitest'
import { settle } from '../../support/fake-clock.ts'
import { ask, bench, hour, minute, patient, unavailable } from './support.ts'

describe('expiry', () => {
  it('cuts the lease at its ttl, revokes it upstream and records both', async () => {
    const { broker, upstream, clock, store, audit } = bench()
    const lease = await broker.acquire(ask(), patient)
    await clock.advance(5 * minute - 1)
    expect(lease.signal.aborted).toBe(false)
    await clock.advance(1)
    expect(lease.signal.reason).toMatchObject({ code: 'lease.expired' })
    expect(lease.secrets).toEqual({})
    expect(upstream.alive()).toEqual([])
    expect(broker.leases()).toEqual([])
    expect(audit.ofType('lease.ended')).toMatchObject([
      {
        result: 'expired',
        lease: { id: lease.id, token: lease.fingerprint },
        detail: { outcome: 'revoked', verified: true, lived: 5 * minute },
      },
    ])
    await clock.advance(1000)
    expect(store.rows.get(lease.id)).toMatchObject({ state: 'expired', sealed: '' })
  })

  it('comes no later than its provider allows, which asks its upstream for no more', async () => {
    const world = bench()
    for (const [maxTtl, used] of [
      [2 * minute, 2 * minute],
      [hour, 5 * minute],
    ] as const) {
      world.providers.set('acme', { ...world.upstream.provider(), maxTtl })
      const lease = await world.broker.acquire(ask({ scope: { repository: `acme/${maxTtl}` } }), patient)
      expect(lease.expiresAt - lease.mintedAt).toBe(used)
      expect(world.upstream.mints.at(-1)?.ttl).toBe(used)
      await world.clock.advance(used)
      expect(lease.signal.aborted).toBe(true)
    }
  })

  it('of a provider that decides on headers says them to who sends its requests', async () => {
    const world = bench()
    const requestHeaders = { 'x-vault-namespace': 'team-a' }
    world.providers.set('acme', { ...world.upstream.provider(), requestHeaders })
    expect((await world.broker.acquire(ask(), patient)).requestHeaders).toEqual(requestHeaders)
  })

  it('does not slide: use does not make it longer', async () => {
    const { broker, clock } = bench()
    const lease = await broker.acquire(ask(), patient)
    for (let minutes = 1; minutes < 5; minutes += 1) {
      await clock.advance(minute)
      expect(broker.cached(ask())?.id).toBe(lease.id)
    }
    await clock.advance(minute)
    expect(broker.cached(ask())).toBeUndefined()
  })

  it('a wall clock that is set back does not make it longer', async () => {
    const { broker, clock } = bench()
    const lease = await broker.acquire(ask(), patient)
    clock.jumpWall(-hour)
    await clock.advance(5 * minute)
    expect(lease.signal.aborted).toBe(true)
  })

  it('after the machine slept, the next ask finds it expired', async () => {
    const { broker, clock, upstream } = bench()
    const lease = await broker.acquire(ask(), patient)
    clock.jumpWall(10 * minute)
    expect(broker.cached(ask())).toBeUndefined()
    expect(lease.signal.reason).toMatchObject({ code: 'lease.expired' })
    await settle()
    expect(upstream.alive()).toEqual([])
  })

  it('after the machine slept, it is cut within half a minute though nobody asks', async () => {
    const { broker, clock } = bench()
    const lease = await broker.acquire(ask(), patient)
    await clock.advance(1000)
    clock.jumpWall(10 * minute)
    await clock.advance(30_000)
    expect(lease.signal.aborted).toBe(true)
  })

  it('a wall clock that says the upstream’s time is over does not keep it from being revoked', async () => {
    const { broker, clock, upstream } = bench()
    await broker.acquire(ask(), patient)
    clock.jumpWall(2 * hour)
    expect(broker.cached(ask())).toBeUndefined()
    await settle()
    expect(upstream.revocations).toBe(1)
  })

  it('ten thousand leases expire on one timer, at most sixteen revocations at a time', async () => {
    const { broker, clock, upstream } = bench()
    for (let count = 0; count < 10_000; count += 1)
      await broker.acquire(ask({ scope: { repository: `acme/${count}` }, ttl: minute + (count % 7) * 1000 }), patient)
    expect(broker.leases()).toHaveLength(10_000)
    expect(clock.pending).toBeLessThan(5)
    upstream.revokeScripts.push(...Array.from({ length: 10_000 }, () => ({ delay: 0 })))
    await clock.advance(minute - 1)
    expect(upstream.alive()).toHaveLength(10_000)
    await clock.advance(minute)
    expect(upstream.alive()).toEqual([])
    expect(upstream.mostRunning).toBe(16)
    expect(broker.leases()).toEqual([])
  })
})

describe('release', () => {
  it('a lease for the call is cut and revoked upstream when its user is done', async () => {
    const { broker, upstream, audit } = bench()
    const lease = await broker.acquire(ask({ lifetime: 'call' }), patient)
    broker.release(lease)
    expect(lease.signal.aborted).toBe(true)
    expect(lease.secrets).toEqual({})
    await settle()
    expect(upstream.alive()).toEqual([])
    expect(audit.ofType('lease.ended')).toMatchObject([{ result: 'call ended', detail: { outcome: 'revoked' } }])
  })

  it('a shared lease outlives its users', async () => {
    const { broker, upstream } = bench()
    const lease = await broker.acquire(ask(), patient)
    broker.release(lease)
    broker.release(lease)
    await settle()
    expect(upstream.alive()).toHaveLength(1)
    expect(broker.leases()[0]?.inUse).toBe(0)
    expect(broker.cached(ask())?.id).toBe(lease.id)
  })

  it('of a lease that is over does nothing', async () => {
    const { broker, clock, upstream } = bench()
    const lease = await broker.acquire(ask({ lifetime: 'call' }), patient)
    await clock.advance(5 * minute)
    broker.release(lease)
    await clock.advance(minute)
    expect(upstream.revocations).toBe(1)
  })
})

describe('live secrets', () => {
  it('hold every secret from its mint until ten minutes after its death', async () => {
    const { broker, clock } = bench()
    const version = broker.secretsVersion
    const lease = await broker.acquire(ask(), patient)
    const { token } = lease.secrets
    expect(broker.liveSecrets()).toEqual([token])
    expect(broker.secretsVersion).not.toBe(version)
    const issued = broker.secretsVersion
    await clock.advance(14 * minute + 59_999)
    expect(broker.liveSecrets()).toEqual([token])
    expect(broker.secretsVersion).toBe(issued)
    await clock.advance(minute)
    expect(broker.liveSecrets()).toEqual([])
    expect(broker.secretsVersion).not.toBe(issued)
  })

  it('hold a secret that the upstream still accepts until it does not', async () => {
    const { broker, clock, upstream } = bench({ revocable: false })
    await broker.acquire(ask(), patient)
    await clock.advance(59 * minute)
    expect(upstream.alive()).toHaveLength(1)
    expect(broker.liveSecrets()).toHaveLength(1)
    await clock.advance(minute)
    expect(broker.liveSecrets()).toEqual([])
  })

  it('hold what came back and was not handed out', async () => {
    const { broker, upstream } = bench()
    upstream.mintScripts.push({ granted: {} })
    upstream.revokeScripts.push({ error: unavailable() })
    await expect(broker.acquire(ask(), patient)).rejects.toBeDefined()
    expect(broker.liveSecrets().map((secret) => secret.reveal())).toEqual(upstream.tokens.map((token) => token.value))
  })
})
