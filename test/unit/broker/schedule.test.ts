import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { Schedule } from '../../../src/broker/schedule.ts'
import { FakeClock } from '../../support/fake-clock.ts'
import { cases } from '../../support/cases.ts'

describe('schedule', () => {
  it('runs every task once, at its time and in order, whatever is added and cancelled', async () => {
    const task = fc.record({ at: fc.nat({ max: 100_000 }), cancel: fc.option(fc.nat({ max: 100_000 }), { nil: undefined }) })
    await fc.assert(
      fc.asyncProperty(fc.array(task, { maxLength: 200 }), async (tasks) => {
        const clock = new FakeClock()
        const start = clock.monotonic()
        const schedule = new Schedule(clock, () => undefined)
        const ran: { index: number; time: number }[] = []
        for (const [index, { at, cancel }] of tasks.entries()) {
          const stop = schedule.after(at, () => ran.push({ index, time: clock.monotonic() - start }))
          if (cancel !== undefined) schedule.after(cancel, stop)
        }
        for (let part = 0; part < 5; part += 1) await clock.advance(20_001)
        const expected = tasks.flatMap(({ at, cancel }, index) => (cancel === undefined || cancel > at ? [{ index, time: at }] : []))
        const unsure = new Set(tasks.flatMap(({ at, cancel }, index) => (cancel === at ? [index] : [])))
        const byIndex = (one: { index: number }, other: { index: number }): number => one.index - other.index
        expect(ran.filter(({ index }) => !unsure.has(index)).sort(byIndex)).toEqual(expected.sort(byIndex))
        expect(clock.pending).toBe(0)
      }),
      { numRuns: cases(50) },
    )
  })

  it('holds one timer for ten thousand tasks, and none when they are cancelled', async () => {
    const clock = new FakeClock()
    const schedule = new Schedule(clock, () => undefined)
    const cancels = Array.from({ length: 10_000 }, (_, index) => schedule.after(1000 + index, () => expect.unreachable()))
    expect(clock.pending).toBe(1)
    for (const cancel of cancels) cancel()
    await clock.advance(20_000)
    expect(clock.pending).toBe(0)
  })

  it('tells of a wall clock that ran ahead, not of one that was set back', async () => {
    const clock = new FakeClock()
    let jumps = 0
    const schedule = new Schedule(clock, () => (jumps += 1))
    schedule.after(300_000, () => undefined)
    await clock.advance(60_000)
    expect(jumps).toBe(0)
    clock.jumpWall(5000)
    await clock.advance(30_000)
    expect(jumps).toBe(1)
    clock.jumpWall(-5000)
    await clock.advance(60_000)
    expect(jumps).toBe(1)
  })

  it('runs nothing after it was closed', async () => {
    const clock = new FakeClock()
    const schedule = new Schedule(clock, () => undefined)
    schedule.after(10, () => expect.unreachable())
    schedule.close()
    schedule.after(10, () => expect.unreachable())
    await clock.advance(100)
    expect(clock.pending).toBe(0)
  })
})
