import { format, inspect } from 'node:util'
import { afterAll, beforeAll, describe, expect, it, type TestContext } from 'vitest'
import type { Clock } from '../../src/core/clock.ts'
import { JitError } from '../../src/core/errors.ts'
import type { JsonObject } from '../../src/core/json.ts'
import { mayHaveMinted } from '../../src/broker/lost.ts'
import type { Credential, MintRequest, Provider, ProviderPlugin } from '../../src/provider/contract.ts'

/** What the suite needs of one provider and its fake upstream. */
export interface ContractSubject {
  readonly plugin: ProviderPlugin
  /** The one that the provider was opened with, and that the fake upstream goes by. */
  readonly clock: Pick<Clock, 'now'>
  /** A provider on the fake upstream. */
  readonly provider: Provider
  readonly scope: JsonObject
  /** A scope that the upstream does not grant. */
  readonly tooMuch: JsonObject
  /** Scopes that the plugin's schema must refuse. */
  readonly malformed: readonly JsonObject[]
  /** Whether the upstream would accept this credential now. */
  isAlive(secret: string): boolean
  /** A provider like the first whose upstream cannot be reached, in each way in which that can happen. */
  readonly unreachable: Readonly<Record<string, () => Provider>>
  /** How many credentials the upstream would accept now. */
  alive(): number
  /** How often the upstream was asked to mint. */
  mints(): number
  /** How many requests the upstream has seen. */
  requests(): number
  /** From here on the upstream answers this way to a mint, or to the end of a credential; the returned function ends it. */
  fail(way: { status?: number; cut?: boolean; delay?: number; body?: JsonObject }, what?: 'mint' | 'revoke'): () => void
  /** What this upstream answers to the end of a credential that it does not know; absent where it never says so. */
  readonly unknown?: { readonly status: number; readonly body: JsonObject }
  /** Everything the provider logged, as text. */
  logged(): string
  /** Long-lived secrets that may stand nowhere. */
  readonly secrets: readonly string[]
  /** Codes for answers that this upstream means otherwise than most, e.g. `{ 403: 'provider.login' }`; undefined: it never gives that one. */
  readonly codes?: Readonly<Record<number, string | undefined>>
  /** False where the upstream's credentials have no shape that a placeholder could have. */
  readonly shaped?: boolean
  /**
   * False for a kind that asks no upstream for its secret: what an upstream refuses, or fails to do, does not arise, and those
   * tests are skipped by name. Only a long-lived secret may say so.
   */
  readonly upstream?: false
  close(): Promise<void>
}

/** The promises that the broker relies on, for any kind of provider. */
export function describeProviderContract(name: string, setUp: () => Promise<ContractSubject>): void {
  describe(`provider contract: ${name}`, () => {
    let subject: ContractSubject
    beforeAll(async () => {
      subject = await setUp()
      if (subject.upstream === false && subject.plugin.longLived !== true)
        throw new Error('only a long-lived secret comes from no upstream')
    })
    afterAll(async () => {
      await subject.close()
    })
    const request = (scope: JsonObject): MintRequest => ({
      lease: 'lease_test',
      scope,
      ttl: 300_000,
      principal: { human: 'ada', agent: 'test', session: 's', server: 's', tool: 't' },
    })
    const mint = (scope: JsonObject = subject.scope, signal = AbortSignal.timeout(5000)): Promise<Credential> =>
      subject.provider.mint(request(scope), signal)
    const needsUpstream = ({ skip }: TestContext): void => skip(subject.upstream === false, 'asks no upstream')
    const reveal = (credential: Credential): string => Object.values(credential.secrets)[0]?.seal((value) => value) ?? ''

    it('open does no I/O', () => {
      expect(subject.requests()).toBe(0)
    })

    it('grants what was asked, for a time that the upstream says', async () => {
      const credential = await mint()
      expect(subject.provider.covers(credential.granted, subject.scope)).toBe(true)
      expect(subject.isAlive(reveal(credential))).toBe(true)
      expect(credential.expiresAt).toBeGreaterThan(subject.clock.now())
      await subject.provider.revoke?.(credential, AbortSignal.timeout(5000))
    })

    it('caches nothing: two mints are two credentials', async (context) => {
      needsUpstream(context)
      const before = subject.mints()
      const [first, second] = [await mint(), await mint()]
      expect(subject.mints()).toBeGreaterThanOrEqual(before + 2)
      expect(reveal(first)).not.toBe(reveal(second))
    })

    it('refuses what the upstream does not grant, and mints nothing wider instead', async (context) => {
      needsUpstream(context)
      await expect(mint(subject.tooMuch)).rejects.toMatchObject({ code: 'provider.refused' })
    })

    it('does not call a wider grant covered', async () => {
      const credential = await mint()
      expect(subject.provider.covers({}, subject.scope)).toBe(false)
      expect(subject.provider.covers(credential.granted, subject.tooMuch)).toBe(false)
    })

    it('its schema refuses empty and wildcard scopes', () => {
      for (const scope of subject.malformed) expect(subject.plugin.scope.safeParse(scope).success, JSON.stringify(scope)).toBe(false)
      expect(subject.plugin.scope.safeParse(subject.scope).success).toBe(true)
    })

    it('revoking ends the credential upstream where that can be done, and says so where not; doing it again is no error', async () => {
      const credential = await mint()
      const first = await subject.provider.revoke?.(credential, AbortSignal.timeout(5000))
      if (subject.plugin.revocation === 'immediate') {
        expect(first).toMatchObject({ outcome: 'revoked', verified: true })
        expect(subject.isAlive(reveal(credential))).toBe(false)
      } else {
        expect(first?.outcome, 'nothing is called revoked that lives on').not.toBe('revoked')
        expect(subject.isAlive(reveal(credential))).toBe(true)
      }
      const second = await subject.provider.revoke?.(credential, AbortSignal.timeout(5000))
      expect(second?.outcome).toBe(first?.outcome)
    })

    it.for(['unknown', 200, 204, 400, 401, 403, 404, 410] as const)(
      'does not believe an upstream that answers %s to the end of a credential which it takes still',
      async (answer, context) => {
        needsUpstream(context)
        const way = answer === 'unknown' ? subject.unknown : { status: answer }
        context.skip(way === undefined, 'never says so')
        const credential = await mint()
        const end = subject.fail(way ?? {}, 'revoke')
        const told = await subject.provider.revoke?.(credential, AbortSignal.timeout(5000)).catch((thrown: unknown) => thrown)
        end()
        expect(subject.isAlive(reveal(credential)), 'this upstream did nothing').toBe(true)
        if (told instanceof Error) expect(told, 'the broker tries again').toMatchObject({ code: expect.stringMatching(/^provider\./) })
        else expect(told, 'nothing is called revoked that lives on').not.toMatchObject({ outcome: 'revoked' })
        if (answer === 'unknown') expect(told, 'that it knows of none is no answer that anybody took the end').toBeInstanceOf(JitError)
        const again = await subject.provider.revoke?.(credential, AbortSignal.timeout(5000))
        if (subject.plugin.revocation === 'immediate') expect(again).toEqual({ outcome: 'revoked', verified: true })
        expect(subject.isAlive(reveal(credential))).toBe(subject.plugin.revocation !== 'immediate')
      },
    )

    it.for([
      ['500', { status: 500 }, 'provider.unavailable'],
      ['502', { status: 502 }, 'provider.unavailable'],
      ['429', { status: 429 }, 'provider.unavailable'],
      ['a cut connection', { cut: true }, 'provider.unavailable'],
      ['403', { status: 403 }, 'provider.refused'],
      ['404', { status: 404 }, 'provider.refused'],
      ['422', { status: 422 }, 'provider.refused'],
      ['401', { status: 401 }, 'provider.login'],
    ] as const)('an upstream that answers %s', async ([, way, usual], context) => {
      needsUpstream(context)
      const { codes = {} } = subject
      const code = 'status' in way && way.status in codes ? codes[way.status] : usual
      if (code === undefined) return
      const end = subject.fail(way)
      try {
        await expect(mint()).rejects.toMatchObject({ code })
      } finally {
        end()
      }
    })

    it.for([
      ['500', { status: 500 }, false],
      ['502', { status: 502 }, true],
      ['504', { status: 504 }, true],
      ['429', { status: 429 }, false],
      ['422', { status: 422 }, false],
      ['a cut connection', { cut: true }, true],
    ] as const)('after %s the broker knows whether a credential may be left: %s', async ([, way, lost], context) => {
      needsUpstream(context)
      const end = subject.fail(way)
      const error = await mint().catch((thrown: unknown) => thrown)
      end()
      expect(error).toBeInstanceOf(JitError)
      expect(error instanceof JitError && mayHaveMinted(error)).toBe(lost)
    })

    it('an upstream that cannot be reached was asked nothing, and the provider says so', async (context) => {
      needsUpstream(context)
      expect(Object.keys(subject.unreachable)).toEqual(['refused', 'no such name', 'untrusted certificate'])
      for (const [why, open] of Object.entries(subject.unreachable)) {
        const error = await open()
          .mint(request(subject.scope), AbortSignal.timeout(5000))
          .catch((thrown: unknown) => thrown)
        expect(error, why).toMatchObject({ code: 'provider.unavailable', details: { sent: false } })
        expect(error instanceof JitError && mayHaveMinted(error), why).toBe(false)
        if (why !== 'untrusted certificate') continue
        expect(error, 'the network knows what to do').toMatchObject({ hint: expect.stringContaining('network.ca') })
        expect(String(error).match(/[\w.]+:\d+"/g), 'and is quoted once').toHaveLength(1)
      }
    })

    it.for([
      ['is cut', { cut: true }],
      ['is turned away unread', { status: 429 }],
      ['fails', { status: 500 }],
    ] as const)(
      'does not call a registration proved while what it minted on the way may be alive: its end %s',
      async ([, way], context) => {
        needsUpstream(context)
        const before = subject.alive()
        const end = subject.fail(way, 'revoke')
        const error = await subject.provider.prove(AbortSignal.timeout(5000)).catch((thrown: unknown) => thrown)
        end()
        const left = subject.alive() - before
        expect(error instanceof JitError && mayHaveMinted(error)).toBe(left > 0)
      },
    )

    it('honours an abort at once', async (context) => {
      needsUpstream(context)
      const end = subject.fail({ delay: 10_000 })
      const started = performance.now()
      await expect(mint(subject.scope, AbortSignal.timeout(100))).rejects.toThrow()
      expect(performance.now() - started).toBeLessThan(5000)
      end()
    })

    it('shows no secret in an error or a log line', async () => {
      const credential = await mint()
      const secrets = [...subject.secrets, reveal(credential)]
      const end = subject.fail({ status: 500 })
      // Where no upstream can fail, a scope that is none does.
      const error = await mint(subject.upstream === false ? {} : subject.scope).catch((thrown: unknown) => thrown)
      end()
      expect(error).toBeInstanceOf(JitError)
      for (const text of [
        inspect(error, { depth: 9, showHidden: true }),
        format('%o %j', error, credential),
        inspect(credential, { depth: 9 }),
        JSON.stringify(credential),
        subject.logged(),
      ]) {
        for (const secret of secrets) expect(text).not.toContain(secret)
      }
    })

    it('its placeholder has the credential’s shape and is worth nothing', async () => {
      const random = 'abcdefghijklmnopqrstuvwxyz0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789abcdefgh'
      const make = (from: string): string => subject.provider.placeholder?.(from) ?? subject.plugin.placeholder(from)
      const placeholder = make(random)
      expect(subject.isAlive(placeholder)).toBe(false)
      expect(placeholder).not.toBe(make(random.split('').reverse().join('')))
      if (subject.shaped ?? true) expect(placeholder.slice(0, 4)).toBe(reveal(await mint()).slice(0, 4))
    })

    it('proves a registration and leaves nothing alive', async () => {
      await expect(subject.provider.prove(AbortSignal.timeout(5000))).resolves.toMatchObject({})
    })
  })
}
