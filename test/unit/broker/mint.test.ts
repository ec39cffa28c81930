import { describe, expect, it } from 'vitest'
import { JitError } from '../../../src/core/errors.ts'
import { settle } from '../../support/fake-clock.ts'
import { ask, bench, hour, type MintScript, minute, mintTimeout, patient, refused, unavailable } from './support.ts'

const states = (store: { rows: Map<string, { state: string }> }): string[] => [...store.rows.values()].map((row) => row.state)

describe('an answer that cannot be used is revoked, and its row says why', () => {
  const now = Date.UTC(2026, 10, 21, 9)
  it.each<[string, MintScript, RegExp]>([
    ['a wider scope', { granted: { repository: 'acme/web', issues: 'write' } }, /more than was asked/],
    ['an empty scope', { granted: {} }, /more than was asked/],
    ['an expiry in the past', { expiresAt: now - 1 }, /over already/],
    ['an expiry within the skew', { expiresAt: now + 4999 }, /over already/],
    ['no expiry', { expiresAt: Number.NaN }, /without an end/],
    ['an endless expiry', { expiresAt: Number.POSITIVE_INFINITY }, /without an end/],
    ['an expiry that no date can hold', { expiresAt: 1e300 }, /without an end/],
    ['no secrets', { secrets: {} }, /without a credential/],
    ['names alone', { secrets: { username: 'v-reader' }, notSecret: ['username'] }, /without a credential/],
    ['an empty token', { secrets: { token: '' } }, /without a credential/],
    ['one empty part of two', { secrets: { token: 'abc', extra: '' } }, /without a credential/],
    ['a token with a line break', { secrets: { token: 'abc\r\nx-evil: 1' } }, /no header carries/],
    ['a token with a NUL', { secrets: { token: 'abc\0' } }, /no header carries/],
    ['a token with a space', { secrets: { token: 'abc def' } }, /no header carries/],
    ['a token with latin-1', { secrets: { token: 'abcé' } }, /no header carries/],
    ['a part beyond latin-1', { secrets: { user: 'abc\u0100' } }, /no header carries/],
    ['a part with an escape', { secrets: { user: 'abc\u001b[31m' } }, /no header carries/],
    ['a token longer than headers may be', { secrets: { token: 'a'.repeat(16_385) } }, /no header carries/],
  ])('%s', async (_, script, message) => {
    const { broker, upstream, store, audit, clock } = bench()
    upstream.mintScripts.push(script)
    await expect(broker.acquire(ask(), patient)).rejects.toMatchObject({ code: 'provider.scope', message: expect.stringMatching(message) })
    await clock.advance(1000)
    expect(upstream.tokens.map((token) => token.revoked)).toEqual([true])
    expect(upstream.mints).toHaveLength(1)
    expect(states(store)).toEqual(['failed'])
    expect(audit.types()).toEqual(['lease.minting', 'lease.failed', 'lease.ended'])
    expect(broker.leases()).toEqual([])
    expect(broker.cached(ask())).toBeUndefined()
  })

  it('a latin-1 user name beside a token is fine', async () => {
    const { broker, upstream } = bench()
    upstream.mintScripts.push({ secrets: { user: 'Zoë with a space', token: 'a'.repeat(520) } })
    await expect(broker.acquire(ask(), patient)).resolves.toBeDefined()
  })

  it('a revocation that fails then is tried again', async () => {
    const { broker, upstream, clock, store } = bench()
    upstream.mintScripts.push({ granted: {} })
    upstream.revokeScripts.push({ error: unavailable() })
    await expect(broker.acquire(ask(), patient)).rejects.toMatchObject({ code: 'provider.scope' })
    await settle()
    expect(broker.leases().map((lease) => lease.state)).toEqual(['revoking'])
    // As soon as it is sealed, not some time later: the store may get another key meanwhile.
    expect([...store.rows.values()].map(({ state, sealed }) => [state, sealed !== ''])).toEqual([['revoking', true]])
    expect(upstream.alive()).toHaveLength(1)
    await clock.advance(16_000)
    expect(upstream.alive()).toEqual([])
    expect(states(store)).toEqual(['failed'])
  })
})

describe('an end that is no time', () => {
  it.each([Number.NaN, Number.POSITIVE_INFINITY, 1e300, -1e300])(
    '%s: what cannot be revoked is reported all the same',
    async (expiresAt) => {
      const { broker, upstream, clock, store } = bench()
      upstream.mintScripts.push({ expiresAt })
      for (let attempt = 0; attempt < 8; attempt += 1) upstream.revokeScripts.push({ error: unavailable() })
      await expect(broker.acquire(ask(), patient)).rejects.toMatchObject({ code: 'provider.scope' })
      await settle()
      const [lease] = broker.leases()
      expect(lease?.validUntil).toBe(clock.now() + hour)
      await clock.advance(20_000)
      expect(states(store)).toEqual(['revoking'])
      await clock.advance(10 * minute)
      expect(states(store)).toEqual(['irrevocable'])
    },
  )
})

describe('the lease ends before the upstream does', () => {
  it('at the ttl, when the upstream lives longer', async () => {
    const { broker } = bench()
    const lease = await broker.acquire(ask({ ttl: minute }), patient)
    expect(lease.expiresAt - lease.mintedAt).toBe(minute)
  })

  it('five seconds before the upstream, when that lives shorter', async () => {
    const { broker, upstream, clock } = bench()
    upstream.mintScripts.push({ expiresAt: clock.now() + minute })
    const lease = await broker.acquire(ask(), patient)
    expect(lease.expiresAt - lease.mintedAt).toBe(minute - 5000)
  })

  it('the ttl counts from the answer, not from the question', async () => {
    const { broker, upstream, clock } = bench()
    upstream.mintScripts.push({ delay: 10_000 })
    const asked = broker.acquire(ask({ ttl: minute }), patient)
    await clock.advance(10_000)
    const lease = await asked
    expect(lease.expiresAt).toBe(clock.now() + minute)
  })
})

describe('a trail or store that refuses', () => {
  it('nothing is minted when the trail does not take the beginning', async () => {
    const { broker, upstream, audit, store, clock } = bench()
    audit.fail()
    await expect(broker.acquire(ask(), patient)).rejects.toMatchObject({ code: 'audit.unwritable' })
    expect(upstream.mints).toEqual([])
    await clock.advance(1000)
    expect(states(store)).toEqual(['failed'])
    audit.heal()
    await expect(broker.acquire(ask(), patient)).resolves.toBeDefined()
  })

  it('what was minted is revoked when the trail does not take the issue', async () => {
    const { broker, upstream, audit, store, clock } = bench()
    audit.fail((event) => event.type !== 'lease.minting')
    await expect(broker.acquire(ask(), patient)).rejects.toMatchObject({ code: 'audit.unwritable' })
    await clock.advance(1000)
    expect(upstream.tokens).toHaveLength(1)
    expect(upstream.alive()).toEqual([])
    expect(states(store)).toEqual(['failed'])
  })

  it('nothing is minted when the store does not take the row', async () => {
    const { broker, upstream, store, audit } = bench()
    store.fail((operation) => operation === 'insert')
    await expect(broker.acquire(ask(), patient)).rejects.toMatchObject({ code: 'store.unavailable' })
    expect(upstream.mints).toEqual([])
    expect(audit.events).toEqual([])
  })

  it('what was minted is revoked when the store does not take the lease, and the store learns it later', async () => {
    const { broker, upstream, store, clock } = bench()
    store.fail((operation) => operation !== 'insert')
    await expect(broker.acquire(ask(), patient)).rejects.toMatchObject({ code: 'store.unavailable' })
    await settle()
    expect(upstream.tokens).toHaveLength(1)
    expect(upstream.alive()).toEqual([])
    expect(states(store)).toEqual(['minting'])
    expect(broker.leases()).toEqual([])
    store.heal()
    await clock.advance(1500)
    expect(states(store)).toEqual(['failed'])
  })

  it('a lease that the disk did not take for good is made so by emptying the log, and lives', async () => {
    const { broker, store, log } = bench()
    store.fail((operation) => operation === 'sync')
    await broker.acquire(ask(), patient)
    await settle()
    expect(JSON.stringify(log.lines)).toContain('not durable')
    expect(store.flushes).toBe(1)
    expect(broker.leases()).toMatchObject([{ state: 'live' }])
  })

  it('the row of a lease that the disk takes in no way is written once more, and the lease lives', async () => {
    const { broker, store, clock, log } = bench()
    store.fail((operation) => operation === 'sync' || operation === 'flush')
    const lease = await broker.acquire(ask(), patient)
    await settle()
    expect(JSON.stringify(log.lines)).toContain('not durable')
    const before = store.durableWrites
    // What the disk lost.
    store.leases.update(lease.id, { state: 'minting', sealed: '' })
    await clock.advance(200)
    expect(store.durableWrites).toBe(before + 2)
    expect(store.rows.get(lease.id)).toMatchObject({ state: 'live', sealed: expect.stringMatching(/./) })
    expect(broker.leases()).toMatchObject([{ id: lease.id, state: 'live' }])
  })

  it('nothing is minted while the secret store is sealed; what comes back after it was sealed is revoked', async () => {
    const { broker, upstream, sealer, clock } = bench()
    upstream.mintScripts.push({ delay: 10 })
    const asked = broker.acquire(ask(), patient)
    sealer.state = 'sealed'
    await expect(broker.acquire(ask({}, { session: 'session_2' }), patient)).rejects.toMatchObject({ code: 'store.sealed' })
    expect(upstream.mints).toHaveLength(1)
    const failed = expect(asked).rejects.toMatchObject({ code: 'store.sealed' })
    await clock.advance(10)
    await failed
    expect(upstream.alive()).toEqual([])
  })

  it('a lock that comes while it is minted keeps it from being handed out', async () => {
    const { broker, upstream, clock } = bench()
    upstream.mintScripts.push({ delay: 10 })
    const failed = expect(broker.acquire(ask(), patient)).rejects.toMatchObject({ code: 'locked' })
    broker.locked = true
    await clock.advance(10)
    await failed
    expect(upstream.alive()).toEqual([])
  })
})

describe('retries', () => {
  it('a refusal is never asked again', async () => {
    const { broker, upstream, store, clock } = bench()
    upstream.mintScripts.push({ error: refused })
    await expect(broker.acquire(ask(), patient)).rejects.toMatchObject({ code: 'provider.refused' })
    await clock.advance(mintTimeout)
    expect(upstream.mints).toHaveLength(1)
    expect(states(store)).toEqual(['failed'])
  })

  it('an upstream that is down is asked again, each time as another lease', async () => {
    const { broker, upstream, store, clock, audit } = bench()
    upstream.mintScripts.push({ error: unavailable({ status: 503 }) }, { error: unavailable({ status: 500 }) })
    const asked = broker.acquire(ask(), patient)
    await clock.advance(2000)
    const lease = await asked
    expect(new Set(upstream.mints.map((mint) => mint.lease)).size).toBe(3)
    expect(upstream.mints.at(-1)?.lease).toBe(lease.id)
    expect(states(store)).toEqual(['failed', 'failed', 'live'])
    expect(audit.types()).toEqual(['lease.minting', 'lease.failed', 'lease.minting', 'lease.failed', 'lease.minting', 'lease.issued'])
  })

  it('the upstream’s own waiting time is kept', async () => {
    const { broker, upstream, clock } = bench()
    upstream.mintScripts.push({ error: unavailable({ retryAfter: 7000, sent: false }) })
    const asked = broker.acquire(ask(), patient)
    await clock.advance(6999)
    expect(upstream.mints).toHaveLength(1)
    await clock.advance(1)
    expect(upstream.mints).toHaveLength(2)
    await asked
  })

  it('nobody waits for a time beyond the deadline', async () => {
    const { broker, upstream } = bench()
    upstream.mintScripts.push({ error: unavailable({ retryAfter: mintTimeout, sent: false }) })
    await expect(broker.acquire(ask(), patient)).rejects.toMatchObject({ code: 'provider.unavailable' })
    expect(upstream.mints).toHaveLength(1)
  })

  it('an upstream that stays down is given up after five attempts', async () => {
    const { broker, upstream, clock } = bench()
    for (let times = 0; times < 9; times += 1) upstream.mintScripts.push({ error: unavailable({ status: 503 }) })
    const failed = expect(broker.acquire(ask(), patient)).rejects.toMatchObject({ code: 'provider.unavailable' })
    await clock.advance(mintTimeout)
    await failed
    expect(upstream.mints).toHaveLength(5)
  })
})

describe('answers that were lost', () => {
  const connection = (code: string) => () =>
    new JitError('provider.unavailable', 'fetch failed', { cause: Object.assign(new Error(code), { code }) })

  it.each<[string, () => Error]>([
    ['a cut connection', connection('ECONNRESET')],
    ['no reason at all', () => new Error('something broke')],
    ['a gateway that timed out', unavailable({ status: 504 })],
    ['an answer in another form than documented', unavailable({ status: 201 })],
  ])('%s: reported as lost until the longest that it can live', async (_, error) => {
    const { broker, upstream, clock, store } = bench()
    upstream.mintScripts.push({ lose: error })
    const asked = broker.acquire(ask(), patient)
    await clock.advance(2000)
    const lease = await asked
    const [lost] = broker.leases()
    expect(lost).toMatchObject({ state: 'lost', validUntil: (lost?.startedAt ?? 0) + hour })
    expect(lost?.id).not.toBe(lease.id)
    await clock.advance(hour)
    expect(broker.leases()).toEqual([])
    expect(states(store)[0]).toBe('expired')
  })

  it.each<[string, () => Error]>([
    ['an answered failure', unavailable({ status: 503 })],
    ['nothing was sent', unavailable({ sent: false })],
    ['nobody listens there', connection('ECONNREFUSED')],
    ['no such host', connection('ENOTFOUND')],
    ['a certificate that is not trusted', connection('UNABLE_TO_VERIFY_LEAF_SIGNATURE')],
  ])('%s: nothing can have been minted', async (_, error) => {
    const { broker, upstream, clock, store } = bench()
    upstream.mintScripts.push({ error })
    const asked = broker.acquire(ask(), patient)
    await clock.advance(2000)
    await asked
    expect(states(store)).toEqual(['failed', 'live'])
  })

  it('a provider that never answers is stopped at the deadline, even if it does not listen', async () => {
    const { broker, upstream, clock } = bench()
    upstream.mintScripts.push({ delay: 10 * minute, deaf: true })
    const failed = expect(broker.acquire(ask(), patient)).rejects.toMatchObject({
      code: 'provider.unavailable',
      message: expect.stringContaining('30000 ms'),
    })
    await clock.advance(mintTimeout)
    await failed
    expect(broker.leases().map((lease) => lease.state)).toEqual(['lost'])
    expect(upstream.mints).toHaveLength(1)
    // The answer comes at last: now there is something to revoke.
    await clock.advance(10 * minute)
    expect(upstream.tokens).toHaveLength(1)
    expect(upstream.alive()).toEqual([])
    expect(broker.leases()).toEqual([])
  })

  it('the deadline is the one of the config as it stands when the mint begins', async () => {
    let timeout = mintTimeout
    const { broker, upstream, clock } = bench({ mintTimeout: () => timeout })
    upstream.mintScripts.push({ delay: 10 * minute }, { delay: 10 * minute })
    const old = expect(broker.acquire(ask(), patient)).rejects.toMatchObject({ message: expect.stringContaining('30000 ms') })
    timeout = 1000
    const edited = expect(broker.acquire(ask({ ttl: minute }), patient)).rejects.toMatchObject({
      message: expect.stringContaining('1000 ms'),
    })
    await clock.advance(mintTimeout)
    await Promise.all([old, edited])
  })

  it('a late refusal settles what was lost', async () => {
    const { broker, upstream, clock } = bench()
    upstream.mintScripts.push({ delay: minute, deaf: true, error: refused })
    const failed = expect(broker.acquire(ask(), patient)).rejects.toBeDefined()
    await clock.advance(mintTimeout)
    await failed
    expect(broker.leases()).toHaveLength(1)
    await clock.advance(minute)
    expect(broker.leases()).toEqual([])
  })
})
