import { spawn } from 'node:child_process'
import { existsSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { createChildren } from '../../../src/daemon/children.ts'
import { createLockState } from '../../../src/daemon/lock.ts'
import { endOrphans } from '../../../src/daemon/orphans.ts'
import { FakeClock } from '../../support/fake-clock.ts'
import { MemoryStore } from '../../support/memory-store.ts'
import { silent, temporaryHome } from './parts.ts'

describe('the table of children on a disk that refuses', () => {
  const row = { pid: 2 ** 22 + 1, startTime: 7, processGroup: 2 ** 22 + 1, server: 'one', lane: 'lane_1' }

  it('forgets a child that ended as soon as the disk takes it, and does not name it meanwhile', async () => {
    const store = new MemoryStore()
    const clock = new FakeClock()
    const children = createChildren(store.children, { clock, log: silent })
    children.add(row)
    store.fail((operation) => operation === 'children')
    children.remove(row.pid)
    expect(children.all()).toEqual([])
    expect(store.children.all()).toEqual([row])
    await clock.advance(5000)
    store.heal()
    await clock.advance(1000)
    expect(store.children.all()).toEqual([])
    expect(clock.pending).toBe(0)
  })

  it('does not take a new child of the same pid for the one that ended', async () => {
    const store = new MemoryStore()
    const clock = new FakeClock()
    const children = createChildren(store.children, { clock, log: silent })
    children.add(row)
    store.fail((operation) => operation === 'children')
    children.remove(row.pid)
    store.heal()
    children.add({ ...row, startTime: 8 })
    await clock.advance(5000)
    expect(children.all()).toEqual([{ ...row, startTime: 8 }])
  })

  it('ends a child that cannot be recorded, with all that it started', async () => {
    const store = new MemoryStore()
    store.fail()
    const children = createChildren(store.children, { clock: new FakeClock(), log: silent })
    const child = spawn('sleep', ['60'], { detached: true, stdio: 'ignore' })
    const ended = new Promise((settle) => child.once('close', (_, signal) => settle(signal)))
    const pid = child.pid ?? 0
    expect(() => children.add({ ...row, pid, processGroup: pid })).toThrow(expect.objectContaining({ code: 'store.unavailable' }))
    expect(await ended).toBe('SIGKILL')
  })

  it('does not keep the orphans of a dead daemon from being ended', async () => {
    const store = new MemoryStore()
    const child = spawn('sleep', ['60'], { detached: true, stdio: 'ignore' })
    const ended = new Promise((settle) => child.once('close', (_, signal) => settle(signal)))
    const pid = child.pid ?? 0
    store.children.add({ ...row, pid, processGroup: pid, startTime: 0 })
    store.fail((operation) => operation === 'children')
    expect(endOrphans(createChildren(store.children, { clock: new FakeClock(), log: silent }), silent)).toBe(1)
    expect(await ended).toBe('SIGKILL')
  })
})

describe('the lock on a disk that refuses', () => {
  it('is kept where there is room: in the file, in the store, or in both', () => {
    const home = temporaryHome()
    const store = new MemoryStore()
    const open = () => createLockState({ folder: home, meta: store.meta, clock: new FakeClock(), log: silent })
    store.fail((operation) => operation === 'meta')
    open().lock()
    store.heal()
    expect(store.meta.get('locked')).toBeUndefined()
    expect(open().locked).toBe(true)
    open().unlock()
    expect(open().locked).toBe(false)

    open().lock()
    rmSync(join(home, 'locked'))
    expect(open().locked).toBe(true)
    store.fail((operation) => operation === 'meta')
    expect(() => open().unlock()).toThrow(expect.objectContaining({ code: 'store.unavailable' }))
    store.heal()
    expect(open().locked).toBe(true)
  })

  it('is tried again until one of them takes it, unless it was unlocked since', async () => {
    for (const unlocks of [false, true]) {
      const home = join(temporaryHome(), 'gone')
      const store = new MemoryStore()
      const clock = new FakeClock()
      const lock = createLockState({ folder: home, meta: store.meta, clock, log: silent })
      store.fail((operation) => operation === 'meta')
      lock.lock()
      await clock.advance(3000)
      if (unlocks) lock.unlock()
      store.heal()
      await clock.advance(1000)
      expect(lock.locked).toBe(!unlocks)
      expect(existsSync(home)).toBe(false)
      expect(clock.pending).toBe(0)
    }
  })
})
