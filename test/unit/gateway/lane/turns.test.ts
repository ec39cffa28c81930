import fc from 'fast-check'
import { beforeEach, describe, expect, it } from 'vitest'
import type { InFlightCall } from '../../../../src/egress/types.ts'
import { Turns } from '../../../../src/gateway/lane/turns.ts'
import { FakeClock, settle } from '../../../support/fake-clock.ts'
import { call, lease } from '../../egress/support.ts'
import { cases } from '../../../support/cases.ts'

const patient = new AbortController().signal
const issue = (number: number | string, holder: string): InFlightCall => call([`GET /issues/${number}`], { lease: lease(holder) })

let clock: FakeClock
let turns: Turns
let entered: InFlightCall[]
let failures: unknown[]

beforeEach(() => {
  clock = new FakeClock()
  turns = new Turns(clock, 'github')
  entered = []
  failures = []
})

async function enter(one: InFlightCall, wait = 1000, signal = patient): Promise<void> {
  const turn = turns.tryEnter(one) ? Promise.resolve() : turns.wait(one, wait, signal)
  void turn.then(
    () => entered.push(one),
    (error: unknown) => failures.push(error),
  )
  await settle()
}

describe('calls of one lane', () => {
  it('run side by side when they share a lease, or could not make the same request', async () => {
    const calls = [issue(1, 'a'), issue(1, 'a'), issue(2, 'b')]
    for (const one of calls) await enter(one)
    expect(entered).toEqual(calls)
    expect(clock.pending).toBe(0)
  })

  it('wait one for the other, in order, when egress could not tell them apart', async () => {
    const calls = [issue(1, 'a'), issue(1, 'b'), issue(1, 'c')]
    for (const one of calls) await enter(one)
    for (const [index, one] of calls.entries()) {
      expect(entered).toEqual(calls.slice(0, index + 1))
      turns.leave(one)
      await settle()
    }
    expect(clock.pending).toBe(0)
  })

  it('do not overtake one that waited before, even when the running one would let them', async () => {
    const [first, wide, last] = [issue(1, 'a'), issue('*', 'b'), issue(1, 'a')]
    for (const one of [first, wide, last]) await enter(one)
    expect(entered).toEqual([first])
    turns.leave(first)
    await settle()
    expect(entered).toEqual([first, wide])
  })

  it('that wait too long fail, with the name of the holder', async () => {
    const first = issue(1, 'a')
    await enter(first)
    await enter(issue(1, 'b'))
    await clock.advance(999)
    expect(failures).toEqual([])
    await clock.advance(1)
    expect(failures).toMatchObject([{ code: 'server.busy', message: expect.stringContaining(first.call) }])
  })

  it.each([
    ['aborted while it waits', 0],
    ['aborted before', 1],
  ])('%s: the call leaves the queue, and those behind it go on', async (_, early) => {
    const abort = new AbortController()
    if (early === 1) abort.abort('gone')
    const [first, wide, last] = [issue(1, 'a'), issue('*', 'b'), issue(2, 'c')]
    await enter(first)
    await enter(wide, 1000, abort.signal)
    await enter(last)
    abort.abort('gone')
    await settle()
    expect(failures).toEqual(['gone'])
    expect(entered).toEqual([first, last])
    expect(clock.pending).toBe(0)
  })

  it('never run together when they could be confused, and all get their turn', async () => {
    const calls = fc.array(
      fc.tuple(fc.constantFrom('1', '2', '*'), fc.constantFrom('a', 'b', 'c')).map(([number, holder]) => issue(number, holder)),
      { maxLength: 8 },
    )
    await fc.assert(
      fc.asyncProperty(calls, fc.infiniteStream(fc.nat()), async (all, choices) => {
        turns = new Turns(clock, 'github')
        entered = []
        const ended = new Set<InFlightCall>()
        for (const one of all) await enter(one)
        while (ended.size < all.length) {
          const running = entered.filter((one) => !ended.has(one))
          expect(running.length).toBeGreaterThan(0)
          for (const one of running)
            for (const other of running)
              if (one.lease.id !== other.lease.id) expect([pathOf(one), pathOf(other)].sort()).toEqual(['1', '2'])
          const next = running[(choices.next().value ?? 0) % running.length]
          if (next === undefined) return
          ended.add(next)
          turns.leave(next)
          await settle()
        }
      }),
      { numRuns: cases(60) },
    )
  })
})

function pathOf({ requests }: InFlightCall): string {
  const last = requests[0]?.segments.at(-1)
  return last?.kind === 'literal' ? last.value : '*'
}
