import { spawnSync } from 'node:child_process'
import { rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { openStore } from '../../../src/store/sqlite.ts'
import { lease, temporaryFolder } from './support.ts'
import { canMount, tinyDisk } from '../../support/tiny-disk.ts'

describe.skipIf(!canMount())('a store on a full disk', () => {
  it('refuses what it cannot keep, keeps what it had, and goes on by itself once there is room', () => {
    const folder = tinyDisk(256 * 1024)
    const store = openStore(join(folder, 'jit.db'))
    store.leases.insert(lease({ id: 'before' }))
    writeFileSync(join(folder, 'ballast'), '')
    spawnSync('/bin/dd', ['if=/dev/zero', `of=${join(folder, 'ballast')}`, 'bs=4096'])
    const insert = () => {
      for (let index = 0; index < 500; index++) store.leases.insert(lease({ id: `during_${index}`, sealed: 'x'.repeat(2000) }))
    }
    expect(insert).toThrow(expect.objectContaining({ code: 'store.unavailable' }))
    const kept = store.leases.inState(['live']).map((row) => row.id)
    expect(kept[0]).toBe('before')
    rmSync(join(folder, 'ballast'))
    store.leases.insert(lease({ id: 'after' }))
    store.close()
    const again = openStore(join(folder, 'jit.db'))
    expect(again.leases.inState(['live']).map((row) => row.id)).toEqual([...kept, 'after'])
    again.close()
  })
})

describe('a store in a folder that takes nothing', () => {
  it('says which file cannot be used', () => {
    const folder = join(temporaryFolder(), 'gone')
    expect(() => openStore(join(folder, 'jit.db'))).toThrow(expect.objectContaining({ code: 'store.unavailable' }))
  })
})
