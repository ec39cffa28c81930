import { randomBytes } from 'node:crypto'
import { closeSync, constants, fstatSync, fsyncSync, openSync, readFileSync, renameSync, unlinkSync, writeSync } from 'node:fs'
import { dirname } from 'node:path'
import { JitError } from '../core/errors.ts'
import { lookAt, refuseForeign } from './private-file.ts'

const keyBytes = 32

/**
 * The master key in `file`, or undefined when there is no such file. Throws `daemon.unsafe` for a symbolic link, another
 * account's file or a mode that lets others in (the key may have been read), `store.wrong-key` for what is no key.
 */
export function readKeyFile(file: string): Buffer | undefined {
  if (lookAt(file) === undefined) return undefined
  const descriptor = openNoFollow(file)
  try {
    const found = fstatSync(descriptor)
    refuseForeign(file, found)
    const mode = (found.mode & 0o777).toString(8).padStart(4, '0')
    if ((found.mode & 0o077) !== 0) {
      const hint = `If nobody else can have read it: chmod 600 ${file}`
      throw new JitError('daemon.unsafe', `the key file ${file} has mode ${mode} instead of 0600`, { hint, details: { file } })
    }
    const key = Buffer.from(readFileSync(descriptor, 'latin1').trim(), 'base64url')
    if (key.length !== keyBytes) throw new JitError('store.wrong-key', `the key file ${file} does not hold a key`, { details: { file } })
    return key
  } finally {
    closeSync(descriptor)
  }
}

/** Writes a new key file whole or not at all (mode 0600). An existing one is never replaced. */
export function createKeyFile(file: string, key: Uint8Array): void {
  if (lookAt(file) !== undefined) throw new JitError('conflict', `there is a key file ${file} already`)
  const temporary = `${file}.${randomBytes(4).toString('hex')}`
  const descriptor = openSync(temporary, 'wx', 0o600)
  try {
    writeSync(descriptor, `${Buffer.from(key).toString('base64url')}\n`)
    fsyncSync(descriptor)
  } finally {
    closeSync(descriptor)
  }
  renameSync(temporary, file)
  syncFolder(dirname(file))
}

export function removeKeyFile(file: string): void {
  if (lookAt(file) === undefined) return
  unlinkSync(file)
  syncFolder(dirname(file))
}

function openNoFollow(file: string): number {
  try {
    // A pipe would keep whoever opens it waiting.
    return openSync(file, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK)
  } catch (error) {
    throw new JitError('daemon.unsafe', `the key file ${file} cannot be opened safely`, { cause: error, details: { file } })
  }
}

function syncFolder(folder: string): void {
  const descriptor = openSync(folder, constants.O_RDONLY)
  fsyncSync(descriptor)
  closeSync(descriptor)
}
