import { createHash } from 'node:crypto'
import { JitError } from '../core/errors.ts'
import { readRegular } from '../core/regular-file.ts'
import { replaceFile, type Replacement } from './replace-file.ts'

/** What stands for a file that is not there. */
export const emptyConfig = 'version: 1\n'

/** The text of the file; that of an empty config when there is none. */
export function readText(file: string): string {
  try {
    // It may be a link, and another account's: whose it is the folder's mode decides.
    return readRegular(file, { follow: true, ofAnyone: true }).toString('utf8')
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return emptyConfig
    throw new JitError('config.invalid', `${file} cannot be read: ${String(error)}`, { cause: error, details: { file } })
  }
}

/** Throws `store.unavailable`. */
export function prepareFile(file: string, text: string): Replacement {
  try {
    return replaceFile(file, text)
  } catch (error) {
    throw new JitError('store.unavailable', `${file} cannot be written: ${String(error)}`, {
      cause: error,
      hint: 'Check free space and permissions of its folder; nothing was changed.',
    })
  }
}

export function digestOfText(text: string): string {
  return createHash('sha256').update(text).digest('hex')
}
