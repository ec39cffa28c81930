import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { onTestFinished } from 'vitest'

/** Whether this account may mount a file system; if not, that is said loudly, because a full disk is then not tried. */
export function canMount(): boolean {
  const folder = mkdtempSync(join(tmpdir(), 'jit-disk-'))
  const refusal = mount(folder, 4096)
  if (refusal === undefined) unmount(folder)
  else rmSync(folder, { recursive: true })
  if (refusal !== undefined) console.warn(`SKIPPED: no file system can be mounted here, so a full disk is not tried (${refusal})`)
  return refusal === undefined
}

/** A folder on a tmpfs of `bytes` that can really run full. It goes away with the test. */
export function tinyDisk(bytes: number): string {
  const folder = mkdtempSync(join(tmpdir(), 'jit-disk-'))
  const refusal = mount(folder, bytes)
  if (refusal !== undefined) throw new Error(refusal)
  onTestFinished(() => unmount(folder))
  return folder
}

/** Answers why it could not be mounted. */
export function mount(folder: string, bytes: number): string | undefined {
  const run = spawnSync('/bin/mount', ['-t', 'tmpfs', '-o', `size=${bytes},mode=0700`, 'tmpfs', folder], { encoding: 'utf8' })
  return run.status === 0 ? undefined : run.stderr?.trim() || run.error?.message || 'mount failed'
}

export function unmount(folder: string): void {
  spawnSync('/bin/umount', ['-l', folder])
  rmSync(folder, { recursive: true, force: true })
}
