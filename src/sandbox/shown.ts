import { homedir } from 'node:os'
import { isAbsolute, join, resolve } from 'node:path'
import { JitError, quote } from '../core/errors.ts'
import { follow, isWithin } from './links.ts'
import type { Mount } from './types.ts'

/** Folders that belong to the machine, or to everything of one account: never shown for standing around a program. */
const broad = new Set(
  '/ /bin /boot /dev /etc /home /lib /lib64 /media /mnt /nix /opt /proc /root /run /sbin /srv /sys /tmp /usr /usr/local /var /var/lib /var/tmp /Users /Volumes /private /private/tmp /private/var /Library /System'.split(
    ' ',
  ),
)
/** They are made anew in each box. */
const remade = ['/proc', '/dev', '/sys', '/.jit']

export interface Places {
  /** The account's own. */
  readonly home: string
  /** Of the broker: in no box, whatever is declared around them. */
  readonly hidden: readonly string[]
  /** Of the config: never writable. */
  readonly fixed: readonly string[]
}

/** Whether something may be shown that nobody declared: nothing of the broker's, and no folder around a home. */
export function mayShow(real: string, { home, hidden }: Places): boolean {
  const around = (place: string): boolean => isWithin(place, real)
  const homeReal = follow(home)?.real ?? home
  if (broad.has(real) || around(homeReal) || real === join(homeReal, '.local') || remade.some((folder) => isWithin(real, folder)))
    return false
  return !hidden.map((place) => follow(place)?.real ?? place).some((place) => around(place) || isWithin(real, place))
}

export interface Declared {
  readonly readable: readonly string[]
  readonly writable: readonly string[]
  /** Where relative paths count from. */
  readonly baseFolder: string
  /** Folders that other servers may write to: a link that one of them made there must not lead this one elsewhere. */
  readonly othersWrite: readonly string[]
}

/** What the config declares, without links. Throws JitError `server.start` for what is not there or cannot be shown. */
export function readDeclared(server: string, declared: Declared, places: Places): { path: string; kind: 'read' | 'write' }[] {
  const all = [
    ...declared.readable.map((given) => ({ given, kind: 'read' as const })),
    ...declared.writable.map((given) => ({ given, kind: 'write' as const })),
  ].map(({ given, kind }) => ({ given, kind, path: placeOf(given, declared.baseFolder, places.home) }))
  const own = all.filter(({ kind }) => kind === 'write').map(({ path }) => path)
  const others = declared.othersWrite.map((given) => placeOf(given, declared.baseFolder, places.home))
  // What stands in a folder that the server may write to is there already, as what it made of it.
  const outer = all.filter(({ path }) => !own.some((folder) => folder !== path && isWithin(path, folder)))
  const written = [...own, ...others].flatMap((folder) => [folder, follow(folder)?.real ?? folder])
  return outer.map(({ given, kind, path }) => {
    const option = kind === 'read' ? 'readable' : 'writable'
    const wrong = (what: string): JitError =>
      new JitError('server.start', `the sandbox of server ${quote(server)} cannot show ${quote(given)}: ${what}`, {
        hint: `Correct \`${option}\` of the server, then \`jit config apply\`.`,
        details: { option, given },
      })
    if (others.some((folder) => folder !== path && isWithin(path, folder)))
      throw wrong('another server may write around it, and could put a link there; name the whole folder')
    const { real, links = [] } = follow(path) ?? {}
    if (real === undefined) throw wrong('it is not there')
    const link = links.find(({ at }) => written.some((folder) => folder !== at && isWithin(at, folder)))
    if (link !== undefined) throw wrong(`it leads by way of ${quote(link.at)}, where a server may write`)
    if (real === '/' || remade.some((folder) => isWithin(real, folder) || isWithin(path, folder)))
      throw wrong('a sandbox has its own of this')
    if (places.hidden.some((place) => isWithin(real, follow(place)?.real ?? place))) throw wrong('it belongs to jit')
    if (kind === 'write' && places.fixed.some((place) => isWithin(real, follow(place)?.real ?? place)))
      throw wrong('it belongs to the config of jit')
    // What is mounted over them cannot be written; a folder on the way to them could be moved away, and another put in its place.
    if (kind === 'write' && [...places.hidden, ...places.fixed].flatMap(stopsOf).some((stop) => isWithin(stop, real)))
      throw wrong('folders of jit stand in it, and could be replaced; name folders beside them')
    return { path, kind }
  })
}

/** Where a path leads, and the links on the way there. */
function stopsOf(path: string): string[] {
  const { real = path, links = [] } = follow(path) ?? {}
  return [real, ...links.map(({ at }) => at)]
}

/** `~/data`, `data`, `/data` */
export function placeOf(given: string, baseFolder: string, home = homedir()): string {
  if (given === '~' || given.startsWith('~/')) return join(home, given.slice(1))
  return isAbsolute(given) ? resolve(given) : resolve(baseFolder, given)
}

/** Mounts for paths that stay where they are, and the links on the way to them. What is there already is not mounted again. */
export function mountsFor(paths: readonly { readonly path: string; readonly kind: 'read' | 'write' }[]): Mount[] {
  const mounts = new Map<string, Mount>()
  const links = new Map<string, Mount>()
  for (const { path, kind } of paths) {
    const resolved = follow(path)
    if (resolved === undefined) continue
    const before = mounts.get(resolved.real)
    if (before?.kind !== 'write') mounts.set(resolved.real, { kind, source: resolved.real, target: resolved.real })
    for (const { at, text } of resolved.links) links.set(at, { kind: 'link', text, target: at })
  }
  const trees = [...mounts.values()]
  const inside = (target: string, kinds: readonly Mount['kind'][]): boolean =>
    trees.some((tree) => tree.target !== target && isWithin(target, tree.target) && kinds.includes(tree.kind))
  return [
    // Nothing to gain within a folder that is shown the same way; within a writable one a file would become read-only.
    ...trees.filter((mount) => !inside(mount.target, [mount.kind]) || (mount.kind === 'read' && inside(mount.target, ['write']))),
    ...[...links.values()].filter(({ target }) => !inside(target, ['read', 'write'])),
  ]
}
