import { accessSync, constants } from 'node:fs'
import { dirname } from 'node:path'
import { JitError } from '../core/errors.ts'

/** Primary result codes of SQLite, https://sqlite.org/rescode.html. */
const sqlite = { busy: 5, locked: 6, corrupt: 11, constraint: 19, notDatabase: 26 } as const

/** Whether SQLite or the file system threw it, and not the work that ran inside. */
export function isSystemError(thrown: unknown): boolean {
  if (!(thrown instanceof Error) || !('code' in thrown)) return false
  return thrown.code === 'ERR_SQLITE_ERROR' || thrown.code === 'ERR_INVALID_STATE' || 'errno' in thrown
}

/** What node:sqlite or node:fs threw, as a JitError. Anything but damage counts as passing: a full disk, a failing one, a read-only one. */
export function storeError(thrown: unknown, file: string): JitError {
  const said = thrown instanceof Error ? thrown.message : String(thrown)
  switch (primaryCode(thrown)) {
    case sqlite.busy:
    case sqlite.locked:
      return new JitError('daemon.running', `another process holds the store ${file}`, { cause: thrown, details: { file } })
    case sqlite.corrupt:
    case sqlite.notDatabase:
      return corruptStore(file, said, thrown)
    case sqlite.constraint:
      return new JitError('conflict', `the store has such a row already: ${said}`, { cause: thrown })
    default:
      return new JitError(
        'store.unavailable',
        `the store ${file} cannot be read or written: ${isReadOnly(file) ? 'its disk is read-only' : said}`,
        { cause: thrown, details: { file } },
      )
  }
}

/** SQLite says no more of it than that there was an error. */
function isReadOnly(file: string): boolean {
  try {
    accessSync(dirname(file), constants.W_OK)
    return false
  } catch (error) {
    return error instanceof Error && 'code' in error && error.code === 'EROFS'
  }
}

export function newerStore(file: string, version: number): JitError {
  const hint = 'Start the newer jit again, or move the state folder aside; nothing was changed.'
  return new JitError('store.corrupt', `the store ${file} has version ${version}, which a newer jit wrote`, {
    hint,
    details: { file, version },
  })
}

export function corruptStore(file: string, what: string, cause?: unknown): JitError {
  return new JitError('store.corrupt', `the store ${file} is damaged: ${what}`, { cause, details: { file } })
}

function primaryCode(thrown: unknown): number {
  if (!(thrown instanceof Error) || !('errcode' in thrown) || typeof thrown.errcode !== 'number') return 0
  return thrown.errcode & 0xff
}
