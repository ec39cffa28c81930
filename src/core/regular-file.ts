import { closeSync, constants, fstatSync, lstatSync, openSync, readFileSync, type Stats, statSync } from 'node:fs'

/** Something stands where a file of ours belongs that is none: a link, a pipe, a socket, a device, a folder, another account's file. */
export class OddFile extends Error {}

export interface RegularFile {
  /** What a symbolic link names counts; else a link is refused. */
  readonly follow?: boolean
  /** Another account's file is taken too. */
  readonly ofAnyone?: boolean
}

/** Opens a regular file of this account. Never waits, as opening a pipe does. Throws OddFile, and what the system says. */
export function openRegular(file: string, flags: number, options: RegularFile = {}): number {
  const look = options.follow === true ? statSync : lstatSync
  const before = look(file, { throwIfNoEntry: false })
  // Opening some devices has an effect already.
  if (before !== undefined) checkRegular(file, before, options)
  const descriptor = openSync(file, flags | constants.O_NONBLOCK | (options.follow === true ? 0 : constants.O_NOFOLLOW), 0o600)
  try {
    checkRegular(file, fstatSync(descriptor), options)
    return descriptor
  } catch (error) {
    closeSync(descriptor)
    throw error
  }
}

/** Throws as `openRegular` does. */
export function readRegular(file: string, options: RegularFile = {}): Buffer {
  const descriptor = openRegular(file, constants.O_RDONLY, options)
  try {
    return readFileSync(descriptor)
  } finally {
    closeSync(descriptor)
  }
}

/** Whether nothing else than a regular file stands there; false for nothing at all. Throws what the system says. */
export function isRegular(file: string, options: Pick<RegularFile, 'ofAnyone'> = {}): boolean {
  const found = lstatSync(file, { throwIfNoEntry: false })
  return found !== undefined && oddity(found, options) === undefined
}

function checkRegular(file: string, found: Stats, options: RegularFile): void {
  const odd = oddity(found, options)
  if (odd !== undefined) throw new OddFile(`${file} ${odd}`)
}

function oddity(found: Stats, { ofAnyone }: RegularFile): string | undefined {
  if (!found.isFile()) return 'is not a regular file'
  const account = process.getuid?.() ?? found.uid
  return ofAnyone === true || found.uid === account ? undefined : `belongs to account ${found.uid}, not to ${account}`
}
