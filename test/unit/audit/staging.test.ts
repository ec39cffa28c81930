import { setImmediate as turn } from 'node:timers/promises'
import { describe, expect, it } from 'vitest'
import type { Entry } from '../../../src/audit/record.ts'
import { Staging } from '../../../src/audit/staging.ts'

const entry = (name: string): Entry => ({ event: { type: 'daemon.started', detail: { name } } })

function open(fail: () => boolean = () => false) {
  const writes: number[] = []
  const staging = new Staging((entries) => {
    if (fail()) throw new Error('full')
    writes.push(entries.length)
  })
  return { staging, writes }
}

describe('records of a turn', () => {
  it('are written at once while they come one at a time', async () => {
    const { staging, writes } = open()
    let isOver = false
    const over = turn().then(() => (isOver = true))
    await staging.add(entry('one'))
    expect([writes, isOver]).toEqual([[1], false])
    await over
  })

  it('are written together while several come', async () => {
    const { staging, writes } = open()
    for (let round = 0; round < 3; round += 1) {
      const waiting = Array.from({ length: 16 }, (_, index) => staging.add(entry(String(index))))
      expect(writes).toHaveLength(round)
      await Promise.all(waiting)
      await turn()
    }
    expect(writes).toEqual([16, 16, 16])
  })

  it('are written together behind the first one when they come in different steps of a turn', async () => {
    const { staging, writes } = open()
    const late: Promise<void>[] = []
    await staging.add(entry('first'))
    for (let index = 0; index < 5; index += 1) process.nextTick(() => late.push(staging.add(entry(String(index)))))
    await turn()
    await Promise.all(late)
    expect(writes).toEqual([1, 5])
  })

  it('wait for the end of the turn no more once it is quiet again', async () => {
    const { staging, writes } = open()
    await Promise.all([staging.add(entry('one')), staging.add(entry('other'))])
    await turn()
    await staging.add(entry('alone'))
    await turn()
    let isOver = false
    const over = turn().then(() => (isOver = true))
    await staging.add(entry('alone again'))
    expect([writes, isOver]).toEqual([[2, 1, 1], false])
    await over
  })

  it('share their fate, and the next ones have their own', async () => {
    let isFull = true
    const { staging, writes } = open(() => isFull)
    const failed = [staging.add(entry('one')), staging.add(entry('other'))]
    expect((await Promise.allSettled(failed)).map(({ status }) => status)).toEqual(['rejected', 'rejected'])
    isFull = false
    await turn()
    await staging.add(entry('next'))
    expect(writes).toEqual([1])
  })

  it('are written before what cannot wait', () => {
    const { staging, writes } = open()
    void staging.add(entry('one'))
    staging.flush()
    expect(writes).toEqual([1])
  })
})
