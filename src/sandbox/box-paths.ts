import type { ServerConfig } from '../config/schema.ts'
import { JitError, quote, toJitError } from '../core/errors.ts'
import { follow, isWithin } from './links.ts'
import { pathsOf } from './program.ts'
import { mayShow, placeOf, type Places, readDeclared } from './shown.ts'
import type { Program, Verdict } from './types.ts'

export interface BoxDeps {
  readonly server: string
  readonly config: ServerConfig
  /** Private folder of the lane. */
  readonly folder: string
  readonly places: Places
  readonly baseFolder: string
  /** `writable` of all other servers, as they stand in the config. */
  readonly othersWrite: readonly string[]
  readonly network: Verdict['network']
}

export interface Path {
  readonly path: string
  readonly kind: 'read' | 'write'
}

export function readable(paths: readonly string[]): Path[] {
  return paths.map((path) => ({ path, kind: 'read' as const }))
}

/** What the config declares, the program, and the folder that it was given to work in. Throws JitError `server.start`. */
export function ownPaths(deps: BoxDeps, program: Program, path: string): Path[] {
  const { server, config, places, baseFolder, othersWrite } = deps
  const declared = readDeclared(server, { readable: config.readable, writable: config.writable, baseFolder, othersWrite }, places)
  const written = [...config.writable, ...othersWrite].map((given) => placeOf(given, baseFolder, places.home))
  const folders = written.flatMap((folder) => [folder, follow(folder)?.real ?? folder])
  const manners = {
    mayShow: (real: string) => mayShow(real, places),
    trusts: (file: string) => !folders.some((folder) => isWithin(file, folder)),
  }
  const found = [...pathsOf({ ...program, named: Object.values(config.env) }, path, manners), ...(program.files ?? [])]
  const cwd = config.cwd === undefined ? undefined : follow(program.cwd)
  const isShown = cwd !== undefined && cwd.links.every(({ at }) => manners.trusts(at)) && manners.mayShow(cwd.real)
  return [...declared, ...readable(isShown ? [...found, program.cwd] : found)]
}

/** What fails outside of our own rules says for which server. */
export function boxFailure<T>(server: string, work: () => T): T {
  try {
    return work()
  } catch (error) {
    if (error instanceof JitError) throw error
    throw new JitError('server.start', `the sandbox of server ${quote(server)} cannot be made: ${toJitError(error).message}`, {
      cause: error,
    })
  }
}
