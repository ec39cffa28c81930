import { closeSync, mkdtempSync, openSync, rmSync, statfsSync, writeSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { mount, unmount } from './tiny-disk.ts'

/** A file system for a whole suite, small enough to be filled to the last byte. */
export interface SmallDisk {
  readonly folder: string
  /** Leaves no free block. */
  fill(): void
  free(): void
  close(): void
}

/** Mounts a tmpfs of so many bytes; answers the reason where this account may not. */
export function openSmallDisk(bytes: number): SmallDisk | string {
  const folder = mkdtempSync(join(tmpdir(), 'jit-disk-'))
  const refusal = mount(folder, bytes)
  if (refusal !== undefined) {
    rmSync(folder, { recursive: true })
    return refusal
  }
  const filler = join(folder, 'filler')
  return {
    folder,
    fill() {
      const descriptor = openSync(filler, 'a')
      try {
        for (const size of [1024 * 1024, 4096, 1]) writeUntilFull(descriptor, Buffer.alloc(size, 1), bytes)
      } finally {
        closeSync(descriptor)
      }
      const { bavail } = statfsSync(folder)
      if (bavail !== 0) throw new Error(`${folder} still has ${bavail} free blocks`)
    },
    free: () => rmSync(filler, { force: true }),
    close: () => unmount(folder),
  }
}

function writeUntilFull(descriptor: number, piece: Buffer, most: number): void {
  try {
    for (let written = 0; written <= most;) written += writeSync(descriptor, piece)
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'ENOSPC')) throw error
  }
}
