import { copyFileSync, existsSync, mkdtempSync, renameSync, rmSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { type Salvage, salvageRows } from './recover-rows.ts'
import type { Paths } from '../config/types.ts'
import { JitError } from '../core/errors.ts'
import { readDamaged } from '../store/damaged.ts'
import { checkCompanions, ensurePrivateFile } from '../store/private-file.ts'
import { openStore } from '../store/sqlite.ts'

export interface Recovered extends Salvage {
  /** Where the damaged store lies now, untouched. */
  readonly damaged: string
}

const companions = ['-wal', '-shm', '-journal']

/**
 * Makes a new store of what can be read of the damaged one, which is kept beside it as it is. Nothing is allowed after it
 * that was refused before: the new one is locked, a config that cannot be proved to be the one in force gives way to the
 * empty one, tokens of clients are gone, and every lease that may be alive is to be revoked. Throws `daemon.running`,
 * `not-found`, `conflict` when nothing is damaged (then nothing was changed), `store.corrupt` for a newer one,
 * `daemon.unsafe`, `store.unavailable`.
 */
export async function recoverStore(paths: Pick<Paths, 'database' | 'state' | 'auditFolder'>, now: number): Promise<Recovered> {
  const { database } = paths
  if (!existsSync(database)) throw new JitError('not-found', `there is no store at ${database}`, { hint: 'Restore a copy of it.' })
  ensurePrivateFile(database)
  checkCompanions(database)
  refuseHeld(database)
  const scratch = mkdtempSync(join(dirname(database), 'recover-'))
  try {
    const found = readDamaged(database, emptyFolder(scratch, 'read'))
    if (Object.values(found.tables).every(({ whole }) => whole) && opens(database, emptyFolder(scratch, 'open')))
      throw new JitError('conflict', `nothing is damaged that could be noticed: the whole store ${database} can be read`, {
        hint: 'Nothing was changed.',
      })
    const fresh = join(scratch, 'jit.db')
    const store = openStore(fresh)
    const salvage = await salvageRows(store, found, paths, now).finally(() => store.close())
    refuseHeld(database)
    return { damaged: swap(database, fresh, now), ...salvage }
  } finally {
    rmSync(scratch, { recursive: true, force: true })
  }
}

/** Reads only, and so changes nothing of it. What it cannot read is nobody's. */
function refuseHeld(database: string): void {
  let connection: DatabaseSync | undefined
  try {
    connection = new DatabaseSync(database, { readOnly: true, timeout: 50 })
    connection.prepare('SELECT count(*) FROM sqlite_schema').get()
  } catch (error) {
    if (isBusy(error))
      throw new JitError('daemon.running', `a daemon holds the store ${database}`, { hint: 'Run `jit stop` first.', cause: error })
  } finally {
    connection?.close()
  }
}

/** SQLITE_BUSY and SQLITE_LOCKED. */
function isBusy(error: unknown): boolean {
  return error instanceof Error && 'errcode' in error && typeof error.errcode === 'number' && [5, 6].includes(error.errcode & 0xff)
}

/** Whether a daemon could work with it, row for row. On a copy: opening it may write into it. Throws `store.corrupt` for a newer one. */
function opens(database: string, folder: string): boolean {
  const copy = join(folder, 'jit.db')
  for (const suffix of ['', '-wal', '-journal']) if (existsSync(database + suffix)) copyFileSync(database + suffix, copy + suffix)
  try {
    const store = openStore(copy)
    try {
      store.leases.inState(['minting', 'live', 'revoking', 'revoked', 'expired', 'irrevocable', 'failed', 'lost'])
      store.tokens.all()
      store.children.all()
    } finally {
      store.close()
    }
    return true
  } catch (error) {
    if (error instanceof JitError && error.details['version'] !== undefined) throw error
    return false
  }
}

/** A process that ends between the two steps leaves no store: the daemon then refuses to start, and the damaged one is whole. */
function swap(database: string, fresh: string, now: number): string {
  const aside = `${database}.damaged-${new Date(now).toISOString().replaceAll(/[:.]/g, '-')}`
  for (const suffix of ['', ...companions]) if (existsSync(database + suffix)) renameSync(database + suffix, aside + suffix)
  renameSync(fresh, database)
  return aside
}

function emptyFolder(parent: string, name: string): string {
  return mkdtempSync(join(parent, `${name}-`))
}
