import {
  closeSync,
  copyFileSync,
  existsSync,
  fsyncSync,
  linkSync,
  mkdirSync,
  openSync,
  realpathSync,
  renameSync,
  rmSync,
  writeSync,
} from 'node:fs'
import { dirname } from 'node:path'

/** A file that is replaced in steps, so that it changes together with something else or not at all. */
export interface Replacement {
  /** The new text stands where the old one did. Needs no room on the disk. */
  swap(): void
  /** Everything is as it was, whether swapped or not. */
  undo(): void
  /** Nothing of the old text is left. */
  done(): void
}

/** Writes the new text beside the file, synced (mode 0600). A link is followed: the file that it names is replaced. Throws what the disk says. */
export function replaceFile(path: string, text: string): Replacement {
  const file = existsSync(path) ? realpathSync(path) : path
  const fresh = `${file}.new`
  const old = `${file}.before`
  mkdirSync(dirname(file), { recursive: true, mode: 0o700 })
  const existed = existsSync(file)
  try {
    writeSynced(fresh, text)
    rmSync(old, { force: true })
    if (existed) keep(file, old)
  } catch (error) {
    for (const left of [fresh, old]) rmSync(left, { force: true })
    throw error
  }
  let swapped = false
  return {
    swap() {
      renameSync(fresh, file)
      swapped = true
    },
    undo() {
      if (swapped && existed) renameSync(old, file)
      else if (swapped) rmSync(file, { force: true })
      for (const left of [fresh, old]) rmSync(left, { force: true })
    },
    done: () => rmSync(old, { force: true }),
  }
}

function writeSynced(file: string, text: string): void {
  rmSync(file, { force: true })
  const descriptor = openSync(file, 'wx', 0o600)
  try {
    const bytes = Buffer.from(text)
    for (let written = 0; written < bytes.length;) written += writeSync(descriptor, bytes, written)
    fsyncSync(descriptor)
  } finally {
    closeSync(descriptor)
  }
}

/** A second name for the file as it is; a copy where the file system has no such thing. */
function keep(file: string, name: string): void {
  try {
    linkSync(file, name)
  } catch {
    copyFileSync(file, name)
  }
}
