import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

export interface TinyDisk {
  readonly folder: string
  unmount(): void
}

/** A tmpfs of `bytes` that can really run full; undefined, and said loudly, where this account may not mount one. */
export function tinyDisk(bytes: number): TinyDisk | undefined {
  const folder = mkdtempSync(join(tmpdir(), 'jit-disk-'))
  const mounted = spawnSync('/bin/mount', ['-t', 'tmpfs', '-o', `size=${bytes},mode=0700`, 'tmpfs', folder], { encoding: 'utf8' })
  if (mounted.status !== 0) {
    rmSync(folder, { recursive: true })
    console.warn(
      `SKIPPED: no file system can be mounted here, so a full disk is not tried (${mounted.stderr?.trim() || mounted.error?.message})`,
    )
    return undefined
  }
  return {
    folder,
    unmount() {
      spawnSync('/bin/umount', ['-l', folder])
      rmSync(folder, { recursive: true, force: true })
    },
  }
}
