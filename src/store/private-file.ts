import { chmodSync, closeSync, lstatSync, openSync, type Stats } from 'node:fs'
import { JitError } from '../core/errors.ts'

/**
 * Creates `file` (0600) when it is missing, else narrows its mode to 0600. Throws `daemon.unsafe` for what is not a
 * regular file of this account. An existing file is never opened here: closing it would drop the SQLite locks that this
 * process holds on it.
 */
export function ensurePrivateFile(file: string): void {
  const found = lookAt(file)
  if (found === undefined) {
    closeSync(openSync(file, 'wx', 0o600))
    return
  }
  refuseForeign(file, found)
  if ((found.mode & 0o077) !== 0) chmodSync(file, 0o600)
}

/** Refuses what is no regular file of this account under the names that SQLite opens beside `file`: a pipe would keep it waiting. */
export function checkCompanions(file: string): void {
  for (const suffix of ['-journal', '-wal', '-shm']) {
    const found = lookAt(`${file}${suffix}`)
    if (found !== undefined) refuseForeign(`${file}${suffix}`, found)
  }
}

/** What stands at `file`, a symbolic link itself and not its target; undefined when nothing does. */
export function lookAt(file: string): Stats | undefined {
  return lstatSync(file, { throwIfNoEntry: false })
}

export function refuseForeign(file: string, found: Stats): void {
  if (!found.isFile()) throw new JitError('daemon.unsafe', `${file} is not a regular file`, { details: { file } })
  const account = process.getuid?.() ?? found.uid
  if (found.uid !== account)
    throw new JitError('daemon.unsafe', `${file} belongs to account ${found.uid}, not to ${account}`, { details: { file } })
}
