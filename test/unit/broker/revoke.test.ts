import { describe, expect, it, onTestFinished, vi } from 'vitest'
import { settle } from '../../support/fake-clock.ts'
import { ask, bench, hour, minute, patient, refused, unavailable } from './support.ts'

const soon = 10_000

describe('revoke', () => {
  it('for an agent that has gone says so in the trail, and leaves other sessions alone', async () => {
    const { broker, audit, upstream } = bench()
    const gone = await broker.acquire(ask({}, { session: 'session_gone' }), patient)
    const here = await broker.acquire(ask({}, { session: 'session_here' }), patient)
    expect(await broker.revoke({ session: 'session_gone' }, 'session', 1000)).toMatchObject([{ lease: gone.id, outcome: 'revoked' }])
    expect(gone.signal.reason).toMatchObject({ code: 'lease.revoked' })
    expect(here.signal.aborted).toBe(false)
    expect(upstream.alive().map((token) => token.lease)).toEqual([here.id])
    expect(audit.ofType('lease.ended')).toMatchObject([{ lease: { id: gone.id }, result: 'session ended', detail: { verified: true } }])
  })

  it('cuts everything before it returns its promise', async () => {
    const { broker, upstream, store } = bench()
    const shared = await broker.acquire(ask(), patient)
    const own = await broker.acquire(ask({ lifetime: 'call' }), patient)
    upstream.revokeScripts.push({ hang: true }, { hang: true })
    void broker.revoke({ all: true }, 'revoked', soon)
    for (const lease of [shared, own]) {
      expect(lease.signal.reason).toMatchObject({ code: 'lease.revoked' })
      expect(lease.secrets).toEqual({})
      expect(store.rows.get(lease.id)?.state).toBe('revoking')
    }
    expect(broker.cached(ask())).toBeUndefined()
  })

  it('answers with one true receipt per lease', async () => {
    const { broker, upstream, clock, store, audit } = bench()
    const lease = await broker.acquire(ask(), patient)
    await clock.advance(minute)
    const receipts = await broker.revoke({ all: true }, 'revoked', soon)
    expect(receipts).toEqual([
      {
        lease: lease.id,
        provider: 'acme',
        server: 'github',
        scope: lease.scope,
        cut: true,
        outcome: 'revoked',
        verified: true,
        lived: minute,
      },
    ])
    expect(upstream.alive()).toEqual([])
    expect(store.rows.get(lease.id)).toMatchObject({ state: 'revoked', sealed: '' })
    expect(broker.leases()).toEqual([])
    expect(audit.ofType('lease.ended')).toMatchObject([
      { result: 'revoked', detail: { outcome: 'revoked', verified: true, lived: minute } },
    ])
    expect(await broker.revoke({ all: true }, 'revoked', soon)).toEqual([])
  })

  it('writes the wish for a thousand leases in one transaction', async () => {
    const { broker, store, clock } = bench()
    for (let count = 0; count < 1000; count += 1) await broker.acquire(ask({ scope: { repository: `acme/${count}` } }), patient)
    await clock.advance(1000)
    const before = store.durableWrites
    const receipts = broker.revoke({ all: true }, 'revoked', soon)
    expect(store.durableWrites).toBe(before + 1)
    expect(await receipts).toHaveLength(1000)
    expect(store.durableWrites).toBeLessThan(before + 5)
  })

  it('asks the upstream for sixteen at a time', async () => {
    const { broker, upstream, clock } = bench()
    for (let count = 0; count < 100; count += 1) await broker.acquire(ask({ scope: { repository: `acme/${count}` } }), patient)
    upstream.revokeScripts.push(...Array.from({ length: 100 }, () => ({ delay: 100 })))
    const receipts = broker.revoke({ all: true }, 'revoked', soon)
    await clock.advance(700)
    expect(await receipts).toHaveLength(100)
    expect(upstream.mostRunning).toBe(16)
  })

  it.each([
    ['server', { server: 'other' }, [false, true, false]],
    ['provider', { provider: 'acme' }, [true, true, true]],
    ['another provider', { provider: 'else' }, [false, false, false]],
    ['session', { session: 'session_3' }, [false, false, true]],
  ] as const)('by %s cuts just those', async (_, selector, expected) => {
    const { broker } = bench()
    const leases = [
      await broker.acquire(ask(), patient),
      await broker.acquire(ask({}, { session: 'session_2', server: 'other' }), patient),
      await broker.acquire(ask({}, { session: 'session_3' }), patient),
    ]
    const receipts = await broker.revoke(selector, 'revoked', soon)
    expect(leases.map((lease) => lease.signal.aborted)).toEqual(expected)
    expect(receipts).toHaveLength(expected.filter(Boolean).length)
  })

  it('by lease cuts that one', async () => {
    const { broker } = bench()
    const leases = [await broker.acquire(ask(), patient), await broker.acquire(ask({}, { session: 'session_2' }), patient)]
    await broker.revoke({ lease: leases[1]?.id ?? '' }, 'revoked', soon)
    expect(leases.map((lease) => lease.signal.aborted)).toEqual([false, true])
  })

  it('by a server cuts a lease that another server of the agent got first', async () => {
    const { broker } = bench()
    const lease = await broker.acquire(ask(), patient)
    await broker.acquire(ask({}, { server: 'other' }), patient)
    await broker.revoke({ server: 'other' }, 'revoked', soon)
    expect(lease.signal.aborted).toBe(true)
  })

  it('says `locked` to calls that a lock ends', async () => {
    const { broker } = bench()
    const lease = await broker.acquire(ask(), patient)
    broker.locked = true
    await broker.revoke({ all: true }, 'locked', soon)
    expect(lease.signal.reason).toMatchObject({ code: 'locked' })
  })
})

describe('revoke of mints under way', () => {
  it('ends the wait of their askers at once, and what comes back is revoked and has its receipt', async () => {
    const { broker, upstream, clock } = bench()
    upstream.mintScripts.push({ delay: 1000 })
    const asked = broker.acquire(ask(), patient)
    const receipts = broker.revoke({ all: true }, 'revoked', soon)
    await expect(asked).rejects.toMatchObject({ code: 'lease.revoked' })
    await clock.advance(1000)
    expect(await receipts).toMatchObject([{ outcome: 'revoked', verified: true }])
    expect(upstream.tokens).toHaveLength(1)
    expect(upstream.alive()).toEqual([])
  })

  it('has no receipt when nothing was minted', async () => {
    const { broker, upstream, clock } = bench()
    upstream.mintScripts.push({ delay: 1000, error: refused })
    void broker.acquire(ask(), patient).catch(() => undefined)
    const receipts = broker.revoke({ all: true }, 'revoked', soon)
    await clock.advance(1000)
    expect(await receipts).toEqual([])
  })

  it('is pending when it has not come back at the deadline, and says until when it could live', async () => {
    const { broker, upstream, clock } = bench()
    const start = clock.now()
    upstream.mintScripts.push({ delay: 4000 })
    void broker.acquire(ask(), patient).catch(() => undefined)
    const receipts = broker.revoke({ all: true }, 'revoked', 2000)
    await clock.advance(2000)
    expect(await receipts).toMatchObject([
      { outcome: 'pending', validUntil: start + hour, detail: expect.stringContaining('has not come back') },
    ])
    await clock.advance(2000)
    expect(upstream.tokens).toHaveLength(1)
    expect(upstream.alive()).toEqual([])
  })

  it('says that a lost answer cannot be revoked', async () => {
    const { broker, upstream, clock } = bench()
    const start = clock.now()
    upstream.mintScripts.push({ delay: minute })
    void broker.acquire(ask(), patient).catch(() => undefined)
    const receipts = broker.revoke({ all: true }, 'revoked', soon)
    await clock.advance(soon)
    expect(await receipts).toMatchObject([{ outcome: 'irrevocable', validUntil: start + hour, detail: expect.stringContaining('lost') }])
    expect(broker.leases().map((lease) => lease.state)).toEqual(['lost'])
  })

  it('a retry is not made any more', async () => {
    const { broker, upstream, clock } = bench()
    upstream.mintScripts.push({ error: unavailable({ status: 503 }) })
    const asked = broker.acquire(ask(), patient)
    await settle()
    const receipts = broker.revoke({ all: true }, 'revoked', soon)
    await expect(asked).rejects.toMatchObject({ code: 'lease.revoked' })
    await clock.advance(minute)
    expect(await receipts).toEqual([])
    expect(upstream.mints).toHaveLength(1)
  })
})

describe('receipts say what was achieved', () => {
  it.each([
    ['revoked but not verified', { outcome: { outcome: 'revoked', verified: false } }, { outcome: 'revoked', verified: false }],
    [
      'accepted',
      { outcome: { outcome: 'accepted', detail: 'the probe hung' } },
      { outcome: 'accepted', verified: false, detail: 'the probe hung', validUntil: expect.any(Number) },
    ],
    [
      'expires',
      { outcome: { outcome: 'expires', validUntil: 1_900_000_000_000, detail: 'the role policy denies it in minutes' } },
      { outcome: 'expires', validUntil: 1_900_000_000_000 },
    ],
    [
      'kept',
      { outcome: { outcome: 'kept', detail: 'the key lives on' } },
      { outcome: 'kept', verified: false, cut: true, detail: 'the key lives on' },
    ],
    [
      'pending',
      { error: unavailable() },
      { outcome: 'pending', verified: false, detail: 'the upstream is down', validUntil: expect.any(Number) },
    ],
  ] as const)('%s', async (_, script, expected) => {
    const { broker, upstream } = bench()
    await broker.acquire(ask(), patient)
    upstream.revokeScripts.push(script)
    expect(await broker.revoke({ all: true }, 'revoked', soon)).toMatchObject([expected])
  })

  it('a long-lived key: cut here once, with no time at which it would be dead', async () => {
    const { broker, upstream, store } = bench()
    const lease = await broker.acquire(ask(), patient)
    upstream.revokeScripts.push({ outcome: { outcome: 'kept', detail: 'the key lives on' } })
    const [receipt] = await broker.revoke({ all: true }, 'revoked', soon)
    expect(receipt).not.toHaveProperty('validUntil')
    expect(store.rows.get(lease.id)).toMatchObject({ state: 'revoked', sealed: '' })
    expect(await broker.revoke({ all: true }, 'revoked', soon)).toEqual([])
  })

  it('an upstream that cannot revoke: until when it accepts the credential', async () => {
    const { broker, clock, store } = bench({ revocable: false })
    const lease = await broker.acquire(ask(), patient)
    expect(await broker.revoke({ all: true }, 'revoked', soon)).toMatchObject([{ outcome: 'expires', validUntil: clock.now() + hour }])
    expect(store.rows.get(lease.id)?.state).toBe('expired')
  })

  it('an upstream that hangs does not hold the answer beyond the deadline', async () => {
    const { broker, upstream, clock } = bench()
    await broker.acquire(ask(), patient)
    upstream.revokeScripts.push({ hang: true })
    const receipts = broker.revoke({ all: true }, 'revoked', 3000)
    await clock.advance(3000)
    expect(await receipts).toMatchObject([{ outcome: 'pending', validUntil: expect.any(Number) }])
  })

  it('a lease whose revocation is under way already is waited for', async () => {
    const { broker, upstream, clock } = bench()
    const lease = await broker.acquire(ask({ lifetime: 'call' }), patient)
    upstream.revokeScripts.push({ delay: 500 })
    broker.release(lease)
    const receipts = broker.revoke({ all: true }, 'revoked', soon)
    await clock.advance(500)
    expect(await receipts).toMatchObject([{ lease: lease.id, outcome: 'revoked', lived: 500 }])
    expect(upstream.revocations).toBe(1)
  })
})

describe('revocations that fail', () => {
  it('are tried again in the background, later and later, and end as irrevocable with a warning', async () => {
    const { broker, upstream, clock, log, audit, store } = bench()
    const lease = await broker.acquire(ask(), patient)
    upstream.revokeScripts.push(...Array.from({ length: 9 }, () => ({ error: unavailable() })))
    const moments: number[] = []
    const start = clock.now()
    await broker.revoke({ all: true }, 'revoked', soon)
    for (let second = 0, seen = 1; second < 600; second += 1) {
      await clock.advance(1000)
      if (upstream.revocations > seen) moments.push(clock.now() - start)
      seen = upstream.revocations
    }
    expect(upstream.revocations).toBe(6)
    const gaps = moments.map((moment, index) => moment - (moments[index - 1] ?? 0))
    for (const [index, gap] of gaps.entries()) {
      expect(gap).toBeGreaterThanOrEqual(5000 * 2 ** index - 1000)
      expect(gap).toBeLessThanOrEqual(15_000 * 2 ** index + 1000)
    }
    expect(broker.leases()).toMatchObject([{ id: lease.id, state: 'irrevocable', error: 'the upstream is down' }])
    expect(store.rows.get(lease.id)).toMatchObject({ state: 'irrevocable', attempts: 6 })
    expect(log.lines).toMatchObject([{ level: 'warn', message: 'lease irrevocable', fields: { lease: lease.id, attempts: 6 } }])
    expect(audit.ofType('lease.ended').map((event) => event.detail?.['outcome'])).toEqual(['pending', 'irrevocable'])
  })

  it('end the moment the upstream is back', async () => {
    const { broker, upstream, clock, audit, store } = bench()
    const lease = await broker.acquire(ask(), patient)
    upstream.revokeScripts.push({ error: unavailable() })
    expect(await broker.revoke({ all: true }, 'revoked', soon)).toMatchObject([{ outcome: 'pending' }])
    await clock.advance(16_000)
    expect(upstream.alive()).toEqual([])
    expect(store.rows.get(lease.id)?.state).toBe('revoked')
    expect(audit.ofType('lease.ended').map((event) => event.detail?.['outcome'])).toEqual(['pending', 'revoked'])
  })

  it('are tried at once when a person asks again', async () => {
    const { broker, upstream } = bench()
    await broker.acquire(ask(), patient)
    upstream.revokeScripts.push({ error: unavailable() })
    expect(await broker.revoke({ all: true }, 'revoked', soon)).toMatchObject([{ outcome: 'pending' }])
    expect(await broker.revoke({ all: true }, 'revoked', soon)).toMatchObject([{ outcome: 'revoked' }])
    expect(upstream.alive()).toEqual([])
  })

  it('that a person brought forward are not made twice', async () => {
    vi.spyOn(Math, 'random').mockReturnValue(0.5)
    onTestFinished(() => void vi.restoreAllMocks())
    const { broker, upstream, clock } = bench()
    await broker.acquire(ask(), patient)
    upstream.revokeScripts.push({ error: unavailable() }, { error: unavailable() })
    await broker.revoke({ all: true }, 'revoked', soon)
    await broker.revoke({ all: true }, 'revoked', soon)
    await clock.advance(19_999)
    expect(upstream.revocations).toBe(2)
    await clock.advance(1)
    expect(upstream.revocations).toBe(3)
    expect(upstream.alive()).toEqual([])
  })

  it('that were given up are tried once more when a person asks', async () => {
    const { broker, upstream, clock } = bench()
    const lease = await broker.acquire(ask(), patient)
    upstream.revokeScripts.push(...Array.from({ length: 6 }, () => ({ error: unavailable() })))
    await broker.revoke({ all: true }, 'revoked', soon)
    await clock.advance(10 * minute)
    expect(broker.leases()[0]?.state).toBe('irrevocable')
    expect(await broker.revoke({ lease: lease.id }, 'revoked', soon)).toMatchObject([{ outcome: 'revoked', verified: true }])
    expect(broker.leases()).toEqual([])
  })

  it('are over when the credential is', async () => {
    const { broker, upstream, clock } = bench()
    await broker.acquire(ask(), patient)
    upstream.revokeScripts.push(...Array.from({ length: 6 }, () => ({ error: unavailable() })))
    await broker.revoke({ all: true }, 'revoked', soon)
    await clock.advance(hour)
    expect(broker.leases()).toEqual([])
  })

  it('a hanging attempt is a failed one', async () => {
    const { broker, upstream, clock } = bench()
    await broker.acquire(ask(), patient)
    upstream.revokeScripts.push({ hang: true })
    void broker.revoke({ all: true }, 'revoked', soon)
    await clock.advance(10_000 + 16_000)
    expect(upstream.alive()).toEqual([])
  })
})

describe('revoke goes through whatever is broken', () => {
  it('the trail', async () => {
    const { broker, upstream, audit, log } = bench()
    const lease = await broker.acquire(ask(), patient)
    audit.fail()
    expect(await broker.revoke({ all: true }, 'revoked', soon)).toMatchObject([{ outcome: 'revoked' }])
    expect(lease.signal.aborted).toBe(true)
    expect(upstream.alive()).toEqual([])
    expect(log.lines).toContainEqual(expect.objectContaining({ level: 'error', message: 'lease event not recorded' }))
  })

  it('the store, which learns of it when it works again', async () => {
    const { broker, upstream, store, clock } = bench()
    const lease = await broker.acquire(ask(), patient)
    store.fail()
    expect(await broker.revoke({ all: true }, 'revoked', soon)).toMatchObject([{ outcome: 'revoked' }])
    expect(upstream.alive()).toEqual([])
    expect(broker.leases()).toEqual([])
    store.heal()
    await clock.advance(2000)
    expect(store.rows.get(lease.id)).toMatchObject({ state: 'revoked', sealed: '' })
  })

  it('a row that somebody took out of the store', async () => {
    const { broker, store, clock, log } = bench()
    const gone = await broker.acquire(ask(), patient)
    const other = await broker.acquire(ask({}, { session: 'session_2' }), patient)
    store.rows.delete(gone.id)
    expect(await broker.revoke({ all: true }, 'revoked', soon)).toHaveLength(2)
    await clock.advance(2000)
    expect(store.rows.get(other.id)?.state).toBe('revoked')
    expect(log.lines).toContainEqual(expect.objectContaining({ message: 'the store has lost a lease', fields: { lease: gone.id } }))
  })

  it('a provider that is not registered any more', async () => {
    const { broker, upstream, providers } = bench()
    await broker.acquire(ask(), patient)
    providers.clear()
    expect(await broker.revoke({ all: true }, 'revoked', soon)).toMatchObject([{ outcome: 'revoked' }])
    expect(upstream.alive()).toEqual([])
  })
})

describe('close', () => {
  it('revokes everything and hands out nothing more', async () => {
    const { broker, upstream, clock } = bench()
    const lease = await broker.acquire(ask(), patient)
    const receipts = broker.close(soon)
    await expect(broker.acquire(ask(), patient)).rejects.toMatchObject({ code: 'daemon.unreachable' })
    expect(await receipts).toMatchObject([{ lease: lease.id, outcome: 'revoked' }])
    expect(upstream.alive()).toEqual([])
    await settle()
    expect(clock.pending).toBe(0)
  })

  it('leaves what did not end to the next start', async () => {
    const world = bench()
    await world.broker.acquire(ask(), patient)
    world.upstream.revokeScripts.push({ error: unavailable() })
    await world.broker.close(soon)
    expect([...world.store.rows.values()].map((row) => row.state)).toEqual(['revoking'])
    await world.restart().recover()
    await settle()
    expect(world.upstream.alive()).toEqual([])
  })
})
