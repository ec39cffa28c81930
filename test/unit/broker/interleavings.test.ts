import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { Lease, RevokeSelector } from '../../../src/broker/types.ts'
import type { Receipt } from '../../../src/core/types.ts'
import { settle } from '../../support/fake-clock.ts'
import { ask, type Bench, bench, hour, minute, type MintScript, refused, type RevokeScript, unavailable } from './support.ts'
import { cases } from '../../support/cases.ts'

/** What the world may do next. Numbers choose among what there is. */
type Step =
  | {
      readonly do: 'acquire'
      readonly scope: number
      readonly session: number
      readonly server: number
      readonly call: boolean
      readonly mint: number
      readonly leaves: boolean
    }
  | { readonly do: 'leave' | 'release' | 'use'; readonly which: number }
  | { readonly do: 'wait'; readonly milliseconds: number }
  | { readonly do: 'revoke'; readonly selector: number; readonly script: number; readonly deadline: number }
  | { readonly do: 'turn' | 'recover' | 'crash' | 'seal' | 'unseal' | 'lock' | 'unlock' | 'jump' }
  | { readonly do: 'break' | 'heal'; readonly what: 'trail' | 'store' }

const mintScripts: readonly MintScript[] = [
  {},
  {},
  { delay: 700 },
  { delay: 20_000 },
  { delay: 40_000, deaf: true },
  { error: refused },
  { error: unavailable({ status: 503 }) },
  { lose: unavailable() },
  { delay: 500, lose: unavailable() },
  { granted: {} },
  { secrets: { token: 'a\nb' } },
]
const revokeScripts: readonly RevokeScript[] = [{}, {}, { delay: 300 }, { error: unavailable() }, { hang: true }]
const selectors: readonly RevokeSelector[] = [
  { all: true },
  { server: 'server 0' },
  { server: 'server 1' },
  { session: 'session 0' },
  { provider: 'acme' },
]

const small = (max: number): fc.Arbitrary<number> => fc.nat({ max })
const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.record({
      do: fc.constant('acquire' as const),
      scope: small(2),
      session: small(1),
      server: small(1),
      call: fc.boolean(),
      mint: small(mintScripts.length - 1),
      leaves: fc.boolean(),
    }),
  },
  { weight: 6, arbitrary: fc.record({ do: fc.constantFrom('leave' as const, 'release' as const, 'use' as const), which: small(9) }) },
  {
    weight: 4,
    arbitrary: fc.record({ do: fc.constant('wait' as const), milliseconds: fc.constantFrom(1, 250, 1000, 6000, 31_000, 5 * minute) }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      do: fc.constant('revoke' as const),
      selector: small(selectors.length - 1),
      script: small(revokeScripts.length - 1),
      deadline: fc.constantFrom(0, 1000, 20_000),
    }),
  },
  {
    weight: 4,
    arbitrary: fc.record({
      do: fc.constantFrom(
        'turn' as const,
        'turn' as const,
        'turn' as const,
        'recover' as const,
        'crash' as const,
        'seal' as const,
        'unseal' as const,
        'lock' as const,
        'unlock' as const,
        'jump' as const,
      ),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      do: fc.constantFrom('break' as const, 'heal' as const),
      what: fc.constantFrom('trail' as const, 'store' as const),
    }),
  },
)

interface Use {
  readonly lease: Lease
  released: boolean
}

/** Plays the steps and keeps what the rules are about: who holds what, and what was cut when. */
class Player {
  readonly world: Bench = bench()
  /** Leases of the broker of today; those of a crashed one died with it. */
  uses: Use[] = []
  waiting: AbortController[] = []
  receipts: Promise<Receipt[]>[] = []
  #generation = 0

  async play(step: Step): Promise<void> {
    const { world } = this
    switch (step.do) {
      case 'acquire':
        return this.#acquire(step)
      case 'leave':
        return void this.waiting.splice(step.which % (this.waiting.length || 1), 1)[0]?.abort()
      case 'release': {
        const use = this.uses.filter(({ released }) => !released)[step.which]
        if (use === undefined) return
        use.released = true
        return world.broker.release(use.lease)
      }
      case 'use': {
        const use = this.uses[step.which]
        // A lease that was cut shows nobody its secret; one that was not, does.
        if (use !== undefined) expect(Object.keys(use.lease.secrets)).toHaveLength(use.lease.signal.aborted ? 0 : 1)
        return
      }
      case 'wait':
        return world.clock.advance(step.milliseconds)
      case 'turn':
        return settle()
      case 'revoke':
        return this.#revoke(step)
      case 'recover':
        return world.broker.recover()
      case 'crash':
        return this.#crash()
      case 'seal':
        return void (world.sealer.state = 'sealed')
      case 'unseal':
        world.sealer.state = 'open'
        return world.broker.recover()
      case 'lock':
        return void (world.broker.locked = true)
      case 'unlock':
        return void (world.broker.locked = false)
      case 'jump':
        return world.clock.jumpWall(minute)
      case 'break':
        return step.what === 'trail' ? world.audit.fail() : world.store.fail((operation) => operation !== 'read')
      case 'heal':
        return step.what === 'trail' ? world.audit.heal() : world.store.heal()
    }
  }

  #acquire({ scope, session, server, call, mint, leaves }: Extract<Step, { do: 'acquire' }>): void {
    const { broker, upstream } = this.world
    const abort = new AbortController()
    if (leaves) this.waiting.push(abort)
    const before = upstream.mints.length
    upstream.mintScripts.push(mintScripts[mint] ?? {})
    const generation = this.#generation
    broker
      .acquire(
        ask(
          { scope: { repository: `acme/${scope}` }, lifetime: call ? 'call' : 'ttl' },
          { session: `session ${session}`, server: `server ${server}` },
        ),
        abort.signal,
      )
      .then(
        (lease) => {
          if (generation === this.#generation) this.uses.push({ lease, released: false })
        },
        () => undefined,
      )
    if (upstream.mints.length === before) upstream.mintScripts.pop()
  }

  #revoke({ selector, script, deadline }: Extract<Step, { do: 'revoke' }>): void {
    const { broker, upstream } = this.world
    const chosen = selectors[selector] ?? { all: true }
    upstream.revokeScripts.push(revokeScripts[script] ?? {})
    this.receipts.push(broker.revoke(chosen, 'revoked', deadline))
    if ('all' in chosen)
      for (const { lease } of this.uses) {
        expect(lease.signal.aborted).toBe(true)
        expect(lease.secrets).toEqual({})
      }
  }

  async #crash(): Promise<void> {
    this.#generation += 1
    this.uses = []
    this.waiting = []
    this.receipts = []
    this.world.restart()
    await this.world.broker.recover()
  }

  /** The rule: what may be alive upstream is in the list (or in the store, as an unfinished row). */
  nothingIsForgotten(): void {
    const { world } = this
    const listed = new Set(world.broker.leases().map((lease) => lease.id))
    for (const token of world.upstream.alive()) expect(listed, `token of ${token.lease}`).toContain(token.lease)
    for (const { lease } of this.uses) {
      if (!lease.signal.aborted) expect(listed).toContain(lease.id)
    }
  }
}

describe('any order of acquire, release, revoke, expiry, faults and crashes', () => {
  it('leaves no live token without a lease or row, and shows no secret after a revoke', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 40 }), async (steps) => {
        const player = new Player()
        for (const each of steps) {
          await player.play(each)
          player.nothingIsForgotten()
        }
        await allEnds(player)
      }),
      { numRuns: cases(300) },
    )
  })
})

/** When everything works again and time passes, every token is revoked, dead by time, or was lost and said so. */
async function allEnds(player: Player): Promise<void> {
  const { world } = player
  world.audit.heal()
  world.store.heal()
  world.sealer.state = 'open'
  world.upstream.mintScripts.length = 0
  world.upstream.revokeScripts.length = 0
  await world.broker.recover()
  await world.clock.advance(minute)
  player.nothingIsForgotten()
  player.receipts.push(world.broker.close(1000))
  await world.clock.advance(1000)
  for (const receipts of await Promise.all(player.receipts)) {
    for (const receipt of receipts) if (receipt.outcome === 'revoked') expect(isDead(player, receipt.lease)).toBe(true)
  }
  world.restart()
  await world.broker.recover()
  await world.clock.advance(hour + minute)
  expect(world.upstream.alive()).toEqual([])
  expect(world.broker.leases()).toEqual([])
}

function isDead({ world }: Player, lease: string): boolean {
  return !world.upstream.alive().some((token) => token.lease === lease)
}
