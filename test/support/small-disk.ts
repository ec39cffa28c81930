import { spawnSync } from 'node:child_process'
import { closeSync, mkdtempSync, openSync, rmdirSync, rmSync, statfsSync, writeSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** A file system of its own, small enough to be filled to the last byte. */
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
  const mounted = spawnSync('mount', ['-t', 'tmpfs', '-o', `size=${bytes},mode=700`, 'tmpfs', folder], { encoding: 'utf8' })
  if (mounted.status !== 0) {
    rmdirSync(folder)
    return (mounted.stderr || String(mounted.error)).trim()
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
    close() {
      const ended = spawnSync('umount', ['-l', folder], { encoding: 'utf8' })
      if (ended.status !== 0) throw new Error(`${folder} stays mounted: ${ended.stderr}`)
      rmdirSync(folder)
    },
  }
}

function writeUntilFull(descriptor: number, piece: Buffer, most: number): void {
  try {
    for (let written = 0; written <= most;) written += writeSync(descriptor, piece)
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'ENOSPC')) throw error
  }
}
