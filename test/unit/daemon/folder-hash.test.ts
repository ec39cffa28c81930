import { chmodSync, mkdirSync, mkdtempSync, renameSync, rmSync, statSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { hashUnchanged } from '../../../src/daemon/folder-hash.ts'
import * as reader from '../../../src/daemon/hash-folder.ts'

/** Files must be some seconds old to be remembered: time goes on at once. */
const later = 60_000
const hash = (folder: string): Promise<string> => hashUnchanged(folder, 'test', (name) => name === 'skipped')

describe('the hash of an installation that was read before', () => {
  let folder: string

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'jit-hash-'))
    mkdirSync(join(folder, 'lib'))
    mkdirSync(join(folder, 'skipped'))
    writeFileSync(join(folder, 'lib/main.js'), 'one')
    writeFileSync(join(folder, 'lib/other.js'), 'two')
    symlinkSync('lib', join(folder, 'link'))
    const now = Date.now()
    vi.spyOn(Date, 'now').mockReturnValue(now + later)
  })
  afterEach(() => {
    vi.restoreAllMocks()
    rmSync(folder, { recursive: true, force: true })
  })

  it('is answered without reading while nothing has changed', async () => {
    const read = vi.spyOn(reader, 'hashFolder')
    const first = await hash(folder)
    expect(await hash(folder)).toBe(first)
    expect(read).toHaveBeenCalledTimes(1)
  })

  it.each([
    {
      what: 'bytes of the same length, with the old time put back',
      change: (main: string) => {
        const { atime, mtime } = statSync(main)
        writeFileSync(main, 'eno')
        utimesSync(main, atime, mtime)
      },
    },
    { what: 'a new file', change: (main: string) => writeFileSync(`${main}.map`, '') },
    { what: 'an empty folder', change: (main: string) => mkdirSync(`${main}.d`) },
    { what: 'a file that is gone', change: (main: string) => rmSync(main) },
    { what: 'a file that may be run', change: (main: string) => chmodSync(main, 0o755) },
    { what: 'a file in another’s place', change: (main: string) => renameSync(join(main, '../other.js'), main) },
    {
      what: 'a link that leads elsewhere',
      change: (main: string) => {
        rmSync(join(main, '../../link'))
        symlinkSync('skipped', join(main, '../../link'))
      },
    },
  ])('is another one after $what', async ({ change }) => {
    const before = await hash(folder)
    expect(await hash(folder)).toBe(before)
    change(join(folder, 'lib/main.js'))
    expect(await hash(folder)).not.toBe(before)
  })

  it('is the same one after a change that does not count', async () => {
    const before = await hash(folder)
    writeFileSync(join(folder, 'skipped/file'), 'x')
    const main = join(folder, 'lib/main.js')
    writeFileSync(main, 'one')
    expect(await hash(folder)).toBe(before)
  })

  it('is not remembered of what changed a moment ago: a second change might show in no time', async () => {
    vi.restoreAllMocks()
    const before = await hash(folder)
    writeFileSync(join(folder, 'lib/main.js'), 'eno')
    expect(await hash(folder)).not.toBe(before)
  })
})
