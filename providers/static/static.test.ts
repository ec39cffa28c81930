import { describe, expect, it } from 'vitest'
import { FakeClock } from '../../test/support/fake-clock.ts'
import { systemClock } from '../../src/core/clock.ts'
import { describeProviderContract } from '../../test/conformance/provider-contract.ts'
import { testHost } from '../../test/support/provider-host.ts'
import { checkCredential, expirySkew } from '../../src/broker/credential.ts'
import type { LeaseGrant } from '../../src/core/types.ts'
import type { Credential, Provider, ProviderHost } from '../../src/provider/index.ts'
import { staticConfig } from './config.ts'
import { staticKey } from './index.ts'

const key = 'glpat-0123456789abcdefghij'
const scope = { about: 'acme/web: issues' }
const principal = { human: 'ada', agent: 'test', session: 's', server: 's', tool: 't' }

function open(host: ProviderHost = testHost({ key: `${key}\n` }), config: object = { placeholderPrefix: 'glpat-' }): Provider {
  return staticKey.open(staticConfig.parse({ origin: 'https://gitlab.example.com', ...config }), host)
}

function mint(provider: Provider, ttl = 300_000): Promise<Credential> {
  return provider.mint({ lease: 'lease_test', scope, ttl, principal }, AbortSignal.timeout(1000))
}

describeProviderContract('static', async () => {
  const host = testHost({ key })
  let requests = 0
  const fetch: ProviderHost['fetch'] = async () => {
    requests += 1
    throw new Error('static asks nobody')
  }
  return {
    plugin: staticKey,
    clock: systemClock,
    provider: open({ ...host, fetch }),
    scope,
    tooMuch: { about: 'acme/secret' },
    malformed: [
      {},
      { about: '' },
      { about: ' ' },
      { about: '*' },
      { about: 'acme/*' },
      { about: 'a\nb' },
      { about: 'acme\u200b/web' },
      { about: 'acme/\u{e0041}web' },
      { about: 'a\u3164b' },
      { about: 'a', more: 1 },
    ],
    isAlive: (secret) => secret === key,
    unreachable: {},
    upstream: false,
    alive: () => 1,
    mints: () => 0,
    requests: () => requests,
    fail: () => () => undefined,
    logged: () => host.logged(),
    secrets: [key],
    async close() {
      expect(requests, 'no test made it ask anybody').toBe(0)
    },
  }
})

describe('static', () => {
  it('a lease has the time that it was asked for, however short', async () => {
    const clock = new FakeClock()
    const provider = open(testHost({ key }, { clock }))
    const grant: LeaseGrant = { credential: 'lease', provider: 'gitlab', scope, requests: [], ttl: 1000, lifetime: 'call' }
    const credential = await mint(provider, grant.ttl)
    expect(credential.expiresAt - expirySkew).toBeGreaterThanOrEqual(clock.now() + grant.ttl)
    expect(() => checkCredential(provider, credential, grant, clock.now())).not.toThrow()
  })

  it('its end is the cut here, and says that the key lives on', async () => {
    const provider = open()
    expect(await provider.revoke?.(await mint(provider), AbortSignal.timeout(1000))).toEqual({
      outcome: 'kept',
      detail: 'the key itself is valid there until somebody rotates it',
    })
    expect(staticKey).toMatchObject({ longLived: true, revocation: 'never' })
  })

  it('each lease holds a secret of its own, so that the end of one does not end the scrubbing of another’s', async () => {
    const provider = open()
    expect((await mint(provider)).secrets['token']).not.toBe((await mint(provider)).secrets['token'])
  })

  it('a key from a file has no line break, and one that no header carries is not used', async () => {
    expect((await mint(open())).secrets['token']?.seal((value) => value)).toBe(key)
    for (const bad of ['', '\n', 'short', 'two words and more', 'line\nbreak and more', 'schlüssel-0123456789']) {
      const failure = await mint(open(testHost({ key: bad }))).catch((error: unknown) => error)
      expect(failure, bad).toMatchObject({ code: 'provider.login' })
      if (bad.length > 10) expect(JSON.stringify([failure, String(failure)])).not.toContain(bad)
    }
    await expect(mint(open(testHost({})))).rejects.toMatchObject({ code: 'provider.login' })
  })

  it('a call that was given up gets nothing', async () => {
    await expect(open().mint({ lease: 'l', scope, ttl: 1, principal }, AbortSignal.abort())).rejects.toThrow()
  })

  it('its proof says that there is none', async () => {
    const proof = await open(undefined, { note: 'of the bot account' }).prove(AbortSignal.timeout(1000))
    expect(proof).toMatchObject({ key: '26 characters', proof: expect.stringMatching(/^none/), note: 'of the bot account' })
    expect(JSON.stringify(proof)).not.toContain(key)
  })

  it('what it asks for upstream is nothing, and that is said', () => {
    expect(open().asks?.(scope)).toEqual({ nothing: expect.stringContaining('only the request rules') })
  })

  it('a value of a call that holds what nobody sees is refused, and says why', () => {
    expect(staticKey.checkField('about', 'acme/web: größe 日本')).toBeUndefined()
    for (const value of ['acme\u200b', 'acme\u00ad', '\u2066acme', 'acme\ufe0f', 'acme\u2028'])
      expect(staticKey.checkField('about', value)).toContain('invisible')
  })

  it('says how long a lease may be used at most', () => {
    expect([open().maxTtl, open(undefined, { maxTtl: '5m' }).maxTtl]).toEqual([3_600_000, 300_000])
    expect(staticConfig.safeParse({ origin: 'https://gitlab.example.com', maxTtl: '0m' }).success).toBe(false)
  })

  it('two things are two partitions', () => {
    expect(open().partition(scope)).not.toBe(open().partition({ about: 'acme/secret' }))
  })

  it('a placeholder begins as servers expect it to', () => {
    expect(open().placeholder?.('x'.repeat(80))).toMatch(/^glpat-x{40}$/)
    expect(open(undefined, {}).placeholder?.('x'.repeat(80))).toMatch(/^jit_x{40}$/)
  })

  it.each([
    ['the least', {}, true],
    ['a prefix with a space', { placeholderPrefix: 'a b' }, false],
    ['an origin with a path', { origin: 'https://gitlab.example.com/api' }, false],
    ['a key', { key: 'x' }, false],
  ])('config with %s: valid %s', (_, more, good) => {
    expect(staticConfig.safeParse({ origin: 'https://gitlab.example.com', ...more }).success).toBe(good)
  })
})
