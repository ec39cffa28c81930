import { createHash } from 'node:crypto'
import { join, resolve } from 'node:path'
import type { Paths } from './types.ts'

/** A socket's address holds 104 bytes on macOS and 108 on Linux, its end mark included. */
const socketPathBytes = 100

/**
 * Where config, state and sockets live: XDG's default folders below `home`, or all in the folder that JIT_HOME names.
 * `home` is the account's own (os.userInfo), not $HOME: MCP clients start servers with a stripped environment.
 */
export function findPaths(environment: { readonly JIT_HOME?: string | undefined }, home: string): Paths {
  const one = environment.JIT_HOME === undefined || environment.JIT_HOME === '' ? undefined : resolve(environment.JIT_HOME)
  const state = one ?? join(home, '.local/state/jit')
  const runtime = runtimeFolder(state)
  return {
    configFile: one === undefined ? join(home, '.config/jit/jit.yaml') : join(one, 'jit.yaml'),
    state,
    runtime,
    apiSocket: join(runtime, 'api.sock'),
    connectSocket: join(runtime, 'connect.sock'),
    database: join(state, 'jit.db'),
    auditFolder: join(state, 'audit'),
    packages: join(state, 'packages'),
    logFile: join(state, 'jit.log'),
  }
}

/** `state`/run, or a short folder in /tmp that only this user and this state map to; the daemon checks who owns it. */
function runtimeFolder(state: string): string {
  const folder = join(state, 'run')
  if (Buffer.byteLength(join(folder, 'connect.sock')) <= socketPathBytes) return folder
  const hash = createHash('sha256').update(state).digest('hex').slice(0, 12)
  return `/tmp/jit-${process.getuid?.() ?? 0}-${hash}`
}
