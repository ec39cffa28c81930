import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, existsSync, readdirSync, readFileSync, readlinkSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import fc from 'fast-check'
import { describe, expect, it, onTestFinished, vi } from 'vitest'
import { openStore } from '../../../src/store/sqlite.ts'
import type { Store } from '../../../src/store/store.ts'
import { leaseStates } from '../../../src/store/leases.ts'
import { lease, openTestStore, temporaryFolder } from './support.ts'
import { cases } from '../../support/cases.ts'

describe('the tables', () => {
  it('give back every field of a lease as it was written', () => {
    const store = openTestStore()
    store.leases.insert(lease())
    expect(store.leases.get('lease_1')).toEqual(lease())
    expect(store.leases.get('lease_2')).toBeUndefined()
  })

  it('change only the named fields of a lease', () => {
    const store = openTestStore()
    store.leases.insert(lease())
    store.leases.update('lease_1', { state: 'revoked', sealed: '', scope: { all: false }, error: 'x' })
    expect(store.leases.get('lease_1')).toEqual(lease({ state: 'revoked', sealed: '', scope: { all: false }, error: 'x' }))
    store.leases.update('lease_1', {})
  })

  it('refuse to change a lease that does not exist, or to insert one twice', () => {
    const store = openTestStore()
    expect(() => store.leases.update('lease_9', { state: 'live' })).toThrow(expect.objectContaining({ code: 'not-found' }))
    store.leases.insert(lease())
    expect(() => store.leases.insert(lease())).toThrow(expect.objectContaining({ code: 'conflict' }))
  })

  it('list leases by state, oldest first', () => {
    const store = openTestStore()
    store.leases.insert(lease({ id: 'c', startedAt: 3, state: 'live' }))
    store.leases.insert(lease({ id: 'a', startedAt: 1, state: 'minting' }))
    store.leases.insert(lease({ id: 'b', startedAt: 1, state: 'live' }))
    store.leases.insert(lease({ id: 'd', startedAt: 0, state: 'revoked' }))
    expect(store.leases.inState(['live', 'minting']).map((row) => row.id)).toEqual(['a', 'b', 'c'])
    expect(store.leases.inState([])).toEqual([])
  })

  it('are cut all at once by one small write, which a crash does not undo and later leases do not feel', () => {
    const folder = temporaryFolder()
    const store = openTestStore(folder)
    for (const [index, state] of (['live', 'minting', 'revoked', 'live'] as const).entries())
      store.leases.insert(lease({ id: `${index}`, state, fingerprint: `fp_${index}`, startedAt: index }))
    store.leases.cutLive()
    store.leases.insert(lease({ id: 'later', state: 'live', startedAt: 9 }))
    const check = (opened: Store): void => {
      expect(opened.leases.inState(['revoking']).map(({ id, state }) => [id, state])).toEqual([
        ['0', 'revoking'],
        ['3', 'revoking'],
      ])
      expect(opened.leases.inState(['live']).map((row) => row.id)).toEqual(['later'])
      expect(opened.leases.get('0')?.state).toBe('revoking')
      expect(opened.leases.byHash('fp_3')[0]?.state).toBe('revoking')
      expect(opened.leases.inState(['minting', 'revoked']).map((row) => row.id)).toEqual(['1', '2'])
    }
    check(store)
    store.close()
    const again = openTestStore(folder)
    check(again)
    again.atomically(() => again.leases.settleCut())
    check(again)
    expect(again.meta.get('leases.cut')).toBeUndefined()
  })

  it('find a lease by the upstream’s hash or by our fingerprint, and none by an empty one', () => {
    const store = openTestStore()
    store.leases.insert(lease({ id: 'a', upstreamHash: 'H', fingerprint: 'fp_a' }))
    store.leases.insert(lease({ id: 'b', upstreamHash: '', fingerprint: '' }))
    expect(store.leases.byHash('H').map((row) => row.id)).toEqual(['a'])
    expect(store.leases.byHash('fp_a').map((row) => row.id)).toEqual(['a'])
    expect(store.leases.byHash('')).toEqual([])
  })

  it.each(leaseStates.map((state) => [state, ['revoked', 'expired', 'failed', 'irrevocable', 'lost'].includes(state)] as const))(
    'prune a lease in state %s: %s',
    (state, gone) => {
      const store = openTestStore()
      store.leases.insert(lease({ id: 'old', state, validUntil: 3000 }))
      store.leases.insert(lease({ id: 'new', state, validUntil: 5000 }))
      store.leases.prune(4000)
      expect(store.leases.inState([state]).map((row) => row.id)).toEqual(gone ? ['new'] : ['old', 'new'])
    },
  )

  it('keep strangers’ text as it is', () => {
    const store = openTestStore()
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme' }), fc.string({ unit: 'binary-ascii' }), fc.jsonValue(), (name, text, value) => {
        store.meta.set(name, text)
        expect(store.meta.get(name)).toBe(text)
        // A key that reaches a prototype never gets this far, and matchers do not compare it.
        fc.pre(!JSON.stringify(value).includes('__proto__'))
        const scope = JSON.parse(JSON.stringify({ value }))
        store.leases.insert(lease({ id: `l${store.leases.inState(['live']).length}`, error: text, scope }))
        expect(store.leases.inState(['live']).at(-1)).toMatchObject({ error: text, scope })
      }),
      { numRuns: cases(30) },
    )
  })

  it('hold meta values, secrets and children', () => {
    const store = openTestStore()
    store.meta.set('a', '1')
    store.meta.set('a', '2')
    expect(store.meta.get('a')).toBe('2')
    store.meta.delete('a')
    expect(store.meta.get('a')).toBeUndefined()
    store.secrets.set('b', 'x')
    store.secrets.set('a', 'y')
    expect(store.secrets.names()).toEqual(['a', 'b'])
    store.secrets.delete('b')
    expect(store.secrets.get('b')).toBeUndefined()
    const child = { pid: 7, startTime: 1, processGroup: 7, server: 's', lane: 'l' }
    store.children.add(child)
    store.children.add({ ...child, startTime: 2 })
    expect(store.children.all()).toEqual([{ ...child, startTime: 2 }])
    store.children.remove(7)
    expect(store.children.all()).toEqual([])
  })

  it('undo all writes of a transaction that throws, and pass its error on', () => {
    const store = openTestStore()
    const failure = new Error('mine')
    const work = () => {
      store.meta.set('a', '1')
      throw failure
    }
    expect(() => store.atomically(work)).toThrow(failure)
    expect(store.meta.get('a')).toBeUndefined()
    expect(store.atomically(() => 5)).toBe(5)
  })
})

describe('the file', () => {
  it('has mode 0600 from its first moment, as has its log, and is narrowed when it was wider', () => {
    const file = join(temporaryFolder(), 'jit.db')
    const first = openStore(file)
    expect([file, `${file}-wal`].map((name) => statSync(name).mode & 0o777)).toEqual([0o600, 0o600])
    first.close()
    chmodSync(file, 0o644)
    openStore(file).close()
    expect(statSync(file).mode & 0o777).toBe(0o600)
  })

  it('is refused when it is a symbolic link', () => {
    const folder = temporaryFolder()
    writeFileSync(join(folder, 'target'), '')
    symlinkSync(join(folder, 'target'), join(folder, 'jit.db'))
    expect(() => openStore(join(folder, 'jit.db'))).toThrow(expect.objectContaining({ code: 'daemon.unsafe' }))
  })

  it('keeps what was written over close and open', () => {
    const folder = temporaryFolder()
    const store = openTestStore(folder)
    store.leases.insert(lease())
    store.close()
    expect(openTestStore(folder).leases.get('lease_1')).toEqual(lease())
  })

  it('is refused to a second opener in this process, which leaves the first one its lock', async () => {
    const folder = temporaryFolder()
    const store = openTestStore(folder)
    const file = join(folder, 'jit.db')
    expect(() => openStore(file)).toThrow(expect.objectContaining({ code: 'daemon.running' }))
    expect(await openInChild(file)).toBe('daemon.running')
    store.meta.set('still', 'here')
    store.close()
    expect(await openInChild(file)).toBe('open')
  })

  it.each([
    ['and is durable', "store.meta.set('a', '1')"],
    ['before it is durable', "store.atomically(() => store.meta.set('a', '1'), 'process')"],
  ])('is free again at once when its holder is killed, with everything that was written %s', async (_, write) => {
    const file = join(temporaryFolder(), 'jit.db')
    const holder = spawn(process.execPath, ['-e', `${opening(file)}; ${write}; console.log('ready'); setInterval(() => {}, 1000)`], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    await once(holder.stdout, 'data')
    expect(() => openStore(file)).toThrow(expect.objectContaining({ code: 'daemon.running' }))
    holder.kill('SIGKILL')
    await once(holder, 'exit')
    const store = openStore(file)
    onTestFinished(() => store.close())
    expect(store.meta.get('a')).toBe('1')
  })

  it('settles as often as it is asked, and leaves no file open behind it', async () => {
    const folder = temporaryFolder()
    const store = openStore(join(folder, 'jit.db'))
    for (let round = 0; round < 3; round += 1) {
      store.atomically(() => store.meta.set('a', String(round)), 'process')
      await Promise.all([store.settle(), store.settle(), store.settle()])
    }
    const last = store.settle()
    store.close()
    await last
    await vi.waitFor(() => expect(openFiles().filter((file) => file.startsWith(folder))).toEqual([]))
  })

  it('that is closed while somebody waits for the next time is settled, and opens nothing more', async () => {
    const folder = temporaryFolder()
    const store = openStore(join(folder, 'jit.db'))
    store.meta.set('a', '1')
    const waiting = [store.settle(), store.settle()]
    store.close()
    const next = openStore(join(folder, 'jit.db'))
    next.meta.set('a', '2')
    await Promise.all(waiting)
    next.close()
    await vi.waitFor(() => expect(openFiles().filter((file) => file.startsWith(folder))).toEqual([]))
  })

  it('says so when its log is gone and nothing can be settled', async () => {
    const folder = temporaryFolder()
    const store = openTestStore(folder)
    store.meta.set('a', '1')
    rmSync(join(folder, 'jit.db-wal'))
    await expect(store.settle()).rejects.toMatchObject({ code: 'store.unavailable' })
  })

  it.each([
    ['text', () => Buffer.from('this is no database at all, but long enough to have a header'.repeat(100))],
    [
      'a page of it in the middle',
      (good: Buffer) => Buffer.concat([good.subarray(0, 4096), Buffer.alloc(8192, 0xa5), good.subarray(12288)]),
    ],
    ['half of it', (good: Buffer) => good.subarray(0, Math.floor(good.length / 2))],
  ])('is refused when %s is rubbish, and stays as it was', (_, damage) => {
    const folder = temporaryFolder()
    const file = join(folder, 'jit.db')
    const store = openStore(file)
    for (let index = 0; index < 200; index++) store.leases.insert(lease({ id: `lease_${index}`, sealed: 'x'.repeat(300) }))
    store.close()
    const bytes = damage(readFileSync(file))
    writeFileSync(file, bytes)
    expect(() => openStore(file)).toThrow(expect.objectContaining({ code: 'store.corrupt' }))
    expect(readFileSync(file).equals(bytes)).toBe(true)
  })

  it('is refused when a newer jit or another program wrote it', () => {
    const folder = temporaryFolder()
    const file = join(folder, 'jit.db')
    openStore(file).close()
    change(file, 'PRAGMA user_version=99')
    expect(() => openStore(file)).toThrow(/version 99/)
    const other = join(folder, 'other.db')
    change(other, 'CREATE TABLE t (x)')
    expect(() => openStore(other)).toThrow(/another program/)
  })

  it('that cannot be made is an error that says which file', () => {
    const file = join(temporaryFolder(), 'missing/jit.db')
    expect(() => openStore(file)).toThrow(expect.objectContaining({ code: 'store.unavailable', message: expect.stringContaining(file) }))
  })

  it('holds nothing of a deleted secret after a flush', () => {
    const folder = temporaryFolder()
    const store = openTestStore(folder)
    const canary = `canary-${'z'.repeat(40)}`
    store.secrets.set('a', canary)
    expect(onDisk(folder)).toContain(canary)
    store.secrets.delete('a')
    store.flush()
    expect(onDisk(folder)).not.toContain(canary)
  })
})

/** Where the system tells; elsewhere none. */
function openFiles(): string[] {
  if (process.platform !== 'linux') return []
  return readdirSync('/proc/self/fd').flatMap((descriptor) => {
    try {
      return [readlinkSync(`/proc/self/fd/${descriptor}`)]
    } catch {
      return []
    }
  })
}

function onDisk(folder: string): string {
  return ['jit.db', 'jit.db-wal']
    .map((name) => join(folder, name))
    .filter((file) => existsSync(file))
    .map((file) => readFileSync(file, 'latin1'))
    .join('')
}

function change(file: string, sql: string): void {
  const database = new DatabaseSync(file)
  database.exec(sql)
  database.close()
}

function opening(file: string): string {
  const module = join(import.meta.dirname, '../../../src/store/sqlite.ts')
  return `const { openStore } = await import(${JSON.stringify(module)}); const store = openStore(${JSON.stringify(file)})`
}

/** What a process of its own meets: `open`, or the error's code. */
async function openInChild(file: string): Promise<string> {
  const script = `try { ${opening(file)}; console.log('open') } catch (error) { console.log(error.code) }`
  const child = spawn(process.execPath, ['--input-type=module', '-e', script], { stdio: ['ignore', 'pipe', 'inherit'] })
  const [chunk] = await once(child.stdout, 'data')
  await once(child, 'exit')
  return String(chunk).trim()
}
