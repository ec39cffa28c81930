import { createHash } from 'node:crypto'
import { userInfo } from 'node:os'
import { join, resolve } from 'node:path'

/**
 * The daemon's runtime folder, by the rules of src/config/paths.ts; a test holds the two together.
 * @param {string | undefined} jitHome
 * @param {string} home
 */
export function runtimeFolder(jitHome, home) {
  const state = jitHome === undefined || jitHome === '' ? join(home, '.local/state/jit') : resolve(jitHome)
  const folder = join(state, 'run')
  if (Buffer.byteLength(join(folder, 'connect.sock')) <= 100) return folder
  const hash = createHash('sha256').update(state).digest('hex').slice(0, 12)
  return `/tmp/jit-${process.getuid?.() ?? 0}-${hash}`
}

/** @param {'api.sock' | 'connect.sock'} name */
export function socketPath(name) {
  return join(runtimeFolder(process.env['JIT_HOME'], userInfo().homedir), name)
}
