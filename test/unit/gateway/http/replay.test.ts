import { describe, expect, it } from 'vitest'
import { readEventId } from '../../../../src/gateway/http/channel.ts'
import { Gate } from '../../../../src/gateway/http/gate.ts'
import { Replay } from '../../../../src/gateway/http/replay.ts'
import { FakeClock } from '../../../support/fake-clock.ts'

const limits = { replayBytes: 100, replayEvents: 5, replayTime: 1000 }

describe('what is kept of a session', () => {
  it('is what one channel carried behind an event', () => {
    const replay = new Replay(new FakeClock(), limits, () => undefined)
    for (const sequence of [1, 2, 3]) replay.add(1, sequence, `a${sequence}`, true)
    replay.add(2, 1, 'b1', true)
    expect(replay.after(1, 1).map(({ line }) => line)).toEqual(['a2', 'a3'])
  })

  it('is bounded in number, size and age; what nobody was sent is reported', async () => {
    const clock = new FakeClock()
    const lost: string[] = []
    const replay = new Replay(clock, limits, (line) => lost.push(line))
    for (let sequence = 1; sequence <= 7; sequence += 1) replay.add(0, sequence, `n${sequence}`, sequence !== 1)
    expect(replay.after(0, 0).map(({ line }) => line)).toEqual(['n3', 'n4', 'n5', 'n6', 'n7'])
    expect(lost).toEqual(['n1'])
    replay.add(0, 8, 'x'.repeat(99), false)
    expect(replay.after(0, 0)).toHaveLength(1)
    replay.add(0, 9, 'x'.repeat(101), true)
    expect(replay.after(0, 0)).toHaveLength(0)
    replay.add(0, 10, 'old', true)
    await clock.advance(1001)
    expect(replay.after(0, 0)).toHaveLength(0)
  })

  it('is asked for by an id of its own form alone', () => {
    expect(readEventId('3-14')).toEqual({ channel: 3, sequence: 14 })
    for (const text of ['', '3', '3-', '-3', '3-14-15', ' 3-14', '3-14\n', '1e3-1', '9999999999-1'])
      expect(readEventId(text)).toBeUndefined()
  })
})

const nothing = (): void => undefined

describe('a gate', () => {
  it('lets messages through in their order, and none while it is closed', () => {
    const gate = new Gate()
    const passed: number[] = []
    gate.set(false)
    gate.pass(() => passed.push(1), nothing)
    gate.pass(() => {
      passed.push(2)
      gate.set(false)
    }, nothing)
    gate.pass(() => passed.push(3), nothing)
    expect(passed).toEqual([])
    gate.set(true)
    expect(passed).toEqual([1, 2])
    gate.set(true)
    gate.pass(() => passed.push(4), nothing)
    expect(passed).toEqual([1, 2, 3, 4])
  })
})
