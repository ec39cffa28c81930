import { rmSync } from 'node:fs'

/**
 * Removes a file or folder that nothing needs any more. Never throws: what cannot be removed now, for want of descriptors or on a disk
 * that has become read-only, stays where the next start of the daemon removes it.
 */
export function discard(path: string): void {
  try {
    rmSync(path, { recursive: true, force: true })
  } catch {
    // Whoever ends must come to its end.
  }
}
