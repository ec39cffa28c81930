import { JitError, quote } from '../core/errors.ts'
import { follow, isWithin } from './links.ts'
import { codeOf } from './program.ts'
import { placeOf } from './shown.ts'
import type { Program } from './types.ts'

export interface Writing {
  readonly server: string
  /** `writable` of it, as it stands in the config. */
  readonly given: readonly string[]
}

/**
 * A program is pinned by what stands at a path, and started by that path: whoever writes there can put something else there in
 * between. So no server's code may stand where a server in the sandbox writes, itself or another, or be reached by way of that.
 * Throws JitError `server.start`.
 */
export function refuseWritableCode(server: string, program: Program, path: string, writing: readonly Writing[], base: Base): void {
  const folders = writing.flatMap(({ server: who, given }) =>
    given.map((text) => {
      const folder = placeOf(text, base.folder, base.home)
      return { who, text, places: [folder, follow(folder)?.real ?? folder] }
    }),
  )
  if (folders.length === 0) return
  for (const file of codeOf(program, path)) {
    const { real = file, links = [] } = follow(file) ?? {}
    const on = [file, real, ...links.map(({ at }) => at)]
    const found = folders.find(({ places }) => places.some((folder) => on.some((place) => isWithin(place, folder))))
    if (found === undefined) continue
    const who = found.who === server ? 'it' : `server ${quote(found.who)}`
    throw new JitError(
      'server.start',
      `what server ${quote(server)} runs, ${quote(file)}, stands where ${who} may write: ${quote(found.text)}`,
      {
        hint: 'Move the program elsewhere, or make `writable` narrower, then `jit config apply`.',
      },
    )
  }
}

/** Where the config's relative paths and those with `~` count from. */
export interface Base {
  readonly folder: string
  readonly home: string
}
