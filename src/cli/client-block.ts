import { accessSync, constants, existsSync, realpathSync, statSync } from 'node:fs'
import { delimiter, isAbsolute, join, resolve } from 'node:path'

export interface ClientBlock {
  readonly command: string
  readonly args: readonly string[]
  /** Clients hand few variables on: a home of its own has to stand in their configuration. */
  readonly env?: { readonly JIT_HOME: string }
}

/** What an MCP client's configuration needs: `jit` by its name where every shell finds this one, by its path otherwise. */
export function clientBlock(server: string): ClientBlock {
  const launcher = findLauncher()
  const home = process.env['JIT_HOME'] ?? ''
  return {
    command: isOnPath(launcher, process.env['PATH'] ?? '') ? 'jit' : launcher,
    args: ['connect', server],
    ...(home === '' ? {} : { env: { JIT_HOME: resolve(home) } }),
  }
}

/** src/shim/jit.js, from source and from dist. */
function findLauncher(): string {
  const places = [join(import.meta.dirname, '../shim/jit.js'), join(import.meta.dirname, '../../../src/shim/jit.js')]
  return places.findLast((path) => existsSync(path)) ?? 'jit'
}

/** A client sees the PATH of a login at best: what npm adds while it runs a script is not on it. */
export function isOnPath(launcher: string, path: string): boolean {
  const folders = path.split(delimiter).filter((folder) => isAbsolute(folder) && !/node_modules\/\.bin|\/_npx\//.test(folder))
  const first = folders.map((folder) => join(folder, 'jit')).find(isExecutable)
  return first !== undefined && realpathSync(first) === realpathSync(launcher)
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK)
    return statSync(path).isFile()
  } catch {
    return false
  }
}
