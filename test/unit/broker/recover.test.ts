import { describe, expect, it } from 'vitest'
import { settle } from '../../support/fake-clock.ts'
import { ask, type Bench, bench, hour, minute, patient, unavailable } from './support.ts'

/** The daemon dies by kill -9: nothing more of it runs, and a new one starts over the same store. */
async function crash(world: Bench): Promise<void> {
  await world.clock.advance(300)
  world.restart()
  await world.broker.recover()
  await settle()
}

describe('after a crash', () => {
  it('a live lease is listed, scrubbed, and ends at its time', async () => {
    const world = bench()
    const lease = await world.broker.acquire(ask(), patient)
    await crash(world)
    const { broker, upstream, clock } = world
    expect(broker.leases()).toMatchObject([
      { id: lease.id, state: 'live', inUse: 0, expiresAt: lease.expiresAt, fingerprint: lease.fingerprint },
    ])
    expect(broker.liveSecrets().map((secret) => secret.reveal())).toEqual([upstream.tokens[0]?.value])
    await clock.advance(5 * minute - 301)
    expect(upstream.alive()).toHaveLength(1)
    await clock.advance(1)
    expect(upstream.alive()).toEqual([])
    expect(broker.leases()).toEqual([])
  })

  it('a part that is only a name is scrubbed from nothing, before and after', async () => {
    const world = bench()
    const secrets = { service_account_namespace: 'production', service_account_token: 'eyJ.canary.4242' }
    world.upstream.mintScripts.push({ secrets, notSecret: ['service_account_namespace'] })
    const lease = await world.broker.acquire(ask(), patient)
    expect([lease.notSecret, lease.secrets['service_account_namespace']?.reveal()]).toEqual([['service_account_namespace'], 'production'])
    expect(world.broker.liveSecrets().map((secret) => secret.reveal())).toEqual(['eyJ.canary.4242'])
    await crash(world)
    expect(world.broker.liveSecrets().map((secret) => secret.reveal())).toEqual(['eyJ.canary.4242'])
  })

  it('a live lease can be revoked, and the receipt knows how long it lived', async () => {
    const world = bench()
    const lease = await world.broker.acquire(ask(), patient)
    await crash(world)
    expect(await world.broker.revoke({ lease: lease.id }, 'revoked', 1000)).toMatchObject([{ outcome: 'revoked', lived: 300 }])
    expect(world.upstream.alive()).toEqual([])
  })

  it.each([
    ['whose call died with the daemon', {}, (world: Bench) => world.broker.acquire(ask({ lifetime: 'call' }), patient)],
    ['that expired meanwhile', { after: 6 * minute }, (world: Bench) => world.broker.acquire(ask(), patient)],
    ['that stands under a lock', { locked: true }, (world: Bench) => world.broker.acquire(ask(), patient)],
  ])('a lease %s is revoked upstream', async (_, options: { after?: number; locked?: boolean }, acquire) => {
    const world = bench()
    const lease = await acquire(world)
    world.clock.jumpWall(options.after ?? 0)
    world.restart()
    world.broker.locked = options.locked ?? false
    await world.broker.recover()
    await settle()
    expect(world.upstream.alive()).toEqual([])
    await world.clock.advance(1000)
    expect(world.store.rows.get(lease.id)).toMatchObject({ state: 'revoked', sealed: '' })
    expect(world.audit.ofType('lease.ended')).toMatchObject([{ result: 'ended after a restart', detail: { outcome: 'revoked' } }])
  })

  it('a lease under a sealed store stays listed, is revoked once the store opens, and is over when its upstream ends it', async () => {
    for (const opens of [true, false]) {
      const world = bench()
      const lease = await world.broker.acquire(ask(), patient)
      world.sealer.state = 'sealed'
      await crash(world)
      await world.clock.advance(6 * minute)
      expect(world.broker.leases()).toMatchObject([{ id: lease.id, state: 'live' }])
      if (opens) {
        world.sealer.state = 'open'
        await world.broker.recover()
        await settle()
        expect(world.upstream.alive()).toEqual([])
      } else await world.clock.advance(hour)
      expect(world.broker.leases()).toEqual([])
      await world.clock.advance(1000)
      expect(world.store.rows.get(lease.id)).toMatchObject({ state: opens ? 'revoked' : 'expired', sealed: '' })
    }
  })

  it('a revocation under way goes on, with the attempts that were made', async () => {
    const world = bench()
    const lease = await world.broker.acquire(ask(), patient)
    world.upstream.revokeScripts.push({ error: unavailable() }, { error: unavailable() })
    await world.broker.revoke({ all: true }, 'revoked', 1000)
    await crash(world)
    expect(world.upstream.revocations).toBe(2)
    expect(world.store.rows.get(lease.id)?.state).toBe('revoking')
    await world.clock.advance(32_000)
    expect(world.upstream.alive()).toEqual([])
    expect(world.store.rows.get(lease.id)).toMatchObject({ state: 'revoked', attempts: 3 })
  })

  it('a mint whose answer was lost is reported until the longest it can live', async () => {
    const world = bench()
    world.upstream.mintScripts.push({ delay: hour, deaf: true })
    void world.broker.acquire(ask(), patient).catch(() => undefined)
    await settle()
    world.restart()
    expect(world.broker.leases().map((lease) => lease.state)).toEqual(['minting'])
    await world.broker.recover()
    const [lost] = world.broker.leases()
    expect(lost).toMatchObject({ state: 'lost', validUntil: (lost?.startedAt ?? 0) + hour, error: expect.stringContaining('ended while') })
    expect(world.audit.ofType('lease.failed')).toMatchObject([{ detail: { state: 'lost' } }])
    expect(await world.broker.revoke({ all: true }, 'revoked', 10)).toMatchObject([{ outcome: 'irrevocable' }])
    await crash(world)
    expect(world.broker.leases().map((lease) => lease.state)).toEqual(['lost'])
    await world.clock.advance(hour)
    expect(world.broker.leases()).toEqual([])
  })

  it('what is over by now is not asked for', async () => {
    const world = bench()
    await world.broker.acquire(ask(), patient)
    world.clock.jumpWall(2 * hour)
    await crash(world)
    expect(world.upstream.revocations).toBe(0)
    expect(world.broker.leases()).toEqual([])
  })

  it('the lease of a provider that is gone is tried until its end', async () => {
    const world = bench()
    const lease = await world.broker.acquire(ask(), patient)
    const provider = world.providers.get('acme')
    world.providers.clear()
    await crash(world)
    expect(world.broker.leases()).toMatchObject([{ id: lease.id, state: 'revoking', error: expect.stringContaining('not registered') }])
    if (provider !== undefined) world.providers.set('acme', provider)
    await world.clock.advance(16_000)
    expect(world.upstream.alive()).toEqual([])
  })

  it('a wall clock that was set back does not make a lease longer than it was', async () => {
    const world = bench()
    await world.broker.acquire(ask(), patient)
    world.clock.jumpWall(-hour)
    await crash(world)
    await world.clock.advance(5 * minute)
    expect(world.upstream.alive()).toEqual([])
  })

  it('a credential that was not stored before the crash is reported', async () => {
    const world = bench()
    const lease = await world.broker.acquire(ask(), patient)
    world.store.leases.update(lease.id, { state: 'revoking', sealed: '' })
    await crash(world)
    expect(world.broker.leases()).toMatchObject([
      { id: lease.id, state: 'irrevocable', error: expect.stringContaining('before the credential was stored') },
    ])
    await world.clock.advance(hour)
    expect(world.broker.leases()).toEqual([])
  })

  it('one row that cannot be opened does not keep the others', async () => {
    const world = bench()
    const broken = await world.broker.acquire(ask(), patient)
    const other = await world.broker.acquire(ask({ lifetime: 'call' }), patient)
    world.store.leases.update(broken.id, { sealed: 'not sealed by us' })
    await crash(world)
    expect(world.broker.leases()).toMatchObject([{ id: broken.id, state: 'irrevocable' }])
    expect(world.upstream.alive().map((token) => token.lease)).toEqual([broken.id])
    expect(world.store.rows.get(other.id)?.state).not.toBe('live')
    await world.clock.advance(hour)
    expect(world.broker.leases()).toEqual([])
  })

  it('another lease’s credential is not taken for its own', async () => {
    const world = bench()
    const one = await world.broker.acquire(ask(), patient)
    const two = await world.broker.acquire(ask({}, { session: 'session_2' }), patient)
    world.store.leases.update(one.id, { sealed: world.store.rows.get(two.id)?.sealed ?? '' })
    await crash(world)
    expect(world.broker.leases().map((lease) => lease.state)).toEqual(['irrevocable', 'live'])
  })
})

describe('recovery of a sealed store', () => {
  it('waits for the unseal, and then goes on', async () => {
    const world = bench()
    const kept = await world.broker.acquire(ask(), patient)
    await world.broker.acquire(ask({ lifetime: 'call' }), patient)
    world.upstream.mintScripts.push({ delay: hour, deaf: true })
    void world.broker.acquire(ask({ lifetime: 'call' }), patient).catch(() => undefined)
    await settle()
    world.sealer.state = 'sealed'
    await crash(world)
    expect(world.broker.leases().map((lease) => lease.state)).toEqual(['live', 'live', 'lost'])
    expect(world.upstream.revocations).toBe(0)

    world.sealer.state = 'open'
    await world.broker.recover()
    await settle()
    expect(world.broker.leases()).toMatchObject([{ id: kept.id, state: 'live' }, { state: 'lost' }])
    expect(world.upstream.alive().map((token) => token.lease)).toEqual([kept.id])
  })

  it('a revoke meanwhile is remembered, said to be pending, and done at the unseal', async () => {
    const world = bench()
    const lease = await world.broker.acquire(ask(), patient)
    world.sealer.state = 'sealed'
    await crash(world)
    expect(await world.broker.revoke({ all: true }, 'revoked', 10)).toMatchObject([
      { lease: lease.id, outcome: 'pending', detail: expect.stringContaining('unseal') },
    ])
    await crash(world)
    world.sealer.state = 'open'
    await world.broker.recover()
    await settle()
    expect(world.upstream.alive()).toEqual([])
  })
})

describe('recovery twice', () => {
  it('touches nothing that this process holds', async () => {
    const world = bench()
    const lease = await world.broker.acquire(ask(), patient)
    world.upstream.mintScripts.push({ delay: 1000 })
    const asked = world.broker.acquire(ask({ lifetime: 'call' }), patient)
    await Promise.all([world.broker.recover(), world.broker.recover()])
    await world.clock.advance(1000)
    expect(lease.signal.aborted).toBe(false)
    expect((await asked).signal.aborted).toBe(false)
    expect(world.broker.leases().map((view) => view.state)).toEqual(['live', 'live'])
  })

  it('at the same time holds a lease once', async () => {
    const world = bench()
    await world.broker.acquire(ask(), patient)
    world.restart()
    await Promise.all([world.broker.recover(), world.broker.recover()])
    expect(world.broker.liveSecrets()).toHaveLength(1)
    await world.clock.advance(6 * minute)
    expect(world.upstream.revocations).toBe(1)
    expect(world.audit.ofType('lease.ended')).toHaveLength(1)
  })

  it('prunes what ended a week ago', async () => {
    const world = bench()
    await world.broker.acquire(ask({ lifetime: 'call' }), patient)
    await crash(world)
    await world.clock.advance(hour)
    expect(world.store.rows.size).toBe(1)
    await world.clock.advance(8 * 24 * hour)
    expect(world.store.rows.size).toBe(0)
  })
})
