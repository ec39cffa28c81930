import { lstatSync } from 'node:fs'
import { userInfo } from 'node:os'
import { dirname, join, resolve } from 'node:path'

/** A socket's address holds 104 bytes on macOS and 108 on Linux, its end mark included. */
const socketPathBytes = 100

/**
 * The files of a home that the shim and the command line need.
 * @typedef {object} Places
 * @property {string} configFile
 * @property {string} state
 * @property {string} runtime
 * @property {string} apiSocket
 * @property {string} connectSocket
 * @property {string} logFile
 */

/**
 * Where things are, by the rules of `findPaths` in src/config/paths.ts; a test holds the two together.
 * @param {string | undefined} jitHome JIT_HOME
 * @param {string} home the account's own, from os.userInfo, not from a variable
 * @returns {Promise<Places>}
 */
export async function findPlaces(jitHome, home) {
  const one = jitHome === undefined || jitHome === '' ? undefined : resolve(jitHome)
  const state = one ?? join(home, '.local/state/jit')
  const runtime = await runtimeFolder(state)
  return {
    configFile: one === undefined ? join(home, '.config/jit/jit.yaml') : join(one, 'jit.yaml'),
    state,
    runtime,
    apiSocket: join(runtime, 'api.sock'),
    connectSocket: join(runtime, 'connect.sock'),
    logFile: join(state, 'jit.log'),
  }
}

/** Those of this process's account and environment. */
export function myPlaces() {
  return findPlaces(process.env['JIT_HOME'], userInfo().homedir)
}

/**
 * Throws when someone else could have put the socket there: in /tmp anyone can make the folder before the daemon does.
 * @param {string} socket
 */
export function checkOwner(socket) {
  const folder = dirname(socket)
  const found = lstatSync(folder, { throwIfNoEntry: false })
  if (found === undefined) return
  const mine = !found.isSymbolicLink() && found.isDirectory() && (process.getuid === undefined || found.uid === process.getuid())
  if (!mine || (found.mode & 0o022) !== 0) throw new Error(`${folder} is not a folder that only this account can write to`)
}

/** @param {string} state */
async function runtimeFolder(state) {
  const folder = join(state, 'run')
  if (Buffer.byteLength(join(folder, 'connect.sock')) <= socketPathBytes) return folder
  // Loading node:crypto costs as much as the rest of the shim.
  const { createHash } = await import('node:crypto')
  const hash = createHash('sha256').update(state).digest('hex').slice(0, 12)
  return `/tmp/jit-${process.getuid?.() ?? 0}-${hash}`
}
