import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { discard } from '../core/discard.ts'
import { type BoxDeps, boxFailure, ownPaths } from './box-paths.ts'
import { follow } from './links.ts'
import { seatbeltProfile } from './seatbelt.ts'
import type { Box, Boxed, BoxNetwork, Program } from './types.ts'

/** A box of macOS for one lane: paths and ports only; processes are seen, and what ignores proxy settings reaches nothing. */
export function openSeatbeltBox(deps: BoxDeps & { readonly file: string }): Box {
  return {
    kind: 'seatbelt',
    network: deps.network,
    folder: deps.folder,
    enter: (program, environment, network) => boxFailure(deps.server, () => enter(deps, program, environment, network)),
    close: () => discard(deps.folder),
  }
}

function enter(
  deps: Parameters<typeof openSeatbeltBox>[0],
  program: Program,
  given: Readonly<Record<string, string>>,
  network: BoxNetwork | undefined,
): Boxed {
  const { folder, places, file } = deps
  const home = join(folder, 'home')
  mkdirSync(home, { mode: 0o700 })
  const paths = ownPaths(deps, program, given['PATH'] ?? '')
  const real = (kind: 'read' | 'write'): string[] => paths.flatMap((entry) => (entry.kind === kind ? (follow(entry.path)?.real ?? []) : []))
  const there = (all: readonly string[]): string[] => all.flatMap((path) => follow(path)?.real ?? [])
  const profile = join(folder, 'profile.sb')
  const text = seatbeltProfile({
    readable: [...real('read'), ...there(network === undefined ? [] : [network.caFile])],
    writable: [...real('write'), ...there([home])],
    hidden: there(places.hidden),
    fixed: there(places.fixed),
    ports: network === undefined ? 'all' : network.ports,
  })
  writeFileSync(profile, text, { mode: 0o600 })
  return {
    command: file,
    args: ['-f', profile, program.command, ...program.args],
    cwd: program.cwd,
    environment: { ...given, HOME: home, TMPDIR: home },
  }
}
