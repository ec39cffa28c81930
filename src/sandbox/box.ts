import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { userInfo } from 'node:os'
import { join } from 'node:path'
import { discard } from '../core/discard.ts'
import { type BoxDeps, boxFailure, ownPaths, type Path, readable } from './box-paths.ts'
import { bubblewrapArguments } from './bubblewrap.ts'
import { accountFiles, nameFiles } from './identity-files.ts'
import { follow, isWithin } from './links.ts'
import { mountsFor, type Places } from './shown.ts'
import { authorityFiles, deviceLinks, devices, networkPaths, systemPaths, tlsPaths, versionedFolders } from './system.ts'
import { javaTruststore, truststorePassword } from './truststore.ts'
import type { Box, Boxed, BoxNetwork, Mount, Program } from './types.ts'

/** What `bwrap` can do on this machine. */
export interface Bubblewrap {
  readonly file: string
  /** `setpriv`, which takes the one capability from the server that its relay had; without it no port below 1024 is led anywhere. */
  readonly setpriv: string | undefined
}

export interface BubblewrapDeps extends BoxDeps {
  readonly bubblewrap: Bubblewrap
  now(): number
}

/** Where things of ours stand inside: no system has that folder. */
const inside = '/.jit'
const insideRelay = '/.jit-relay.mjs'
const relayFile = join(import.meta.dirname, 'relay.js')

/** A box of bubblewrap for one lane. */
export function openBubblewrapBox(deps: BubblewrapDeps): Box {
  const { folder, network } = deps
  return {
    kind: 'bubblewrap',
    network,
    folder,
    enter: (program, environment, doors) => boxFailure(deps.server, () => enter(deps, program, environment, doors)),
    close: () => discard(folder),
  }
}

function enter(deps: BubblewrapDeps, program: Program, given: Readonly<Record<string, string>>, network: BoxNetwork | undefined): Boxed {
  const { bubblewrap, places } = deps
  const { uid, gid, username } = userInfo()
  const user = uid === 0 ? { uid: 1000, gid: 1000 } : undefined
  const account = { uid: user?.uid ?? uid, gid: user?.gid ?? gid, name: username, home: places.home }
  const drops = network !== undefined && bubblewrap.setpriv !== undefined
  const doors = (network?.doors ?? []).filter(({ port }) => port >= 1024 || drops)
  const environment: Record<string, string> = {
    ...given,
    HOME: places.home,
    TMPDIR: '/tmp',
    ...(network === undefined ? {} : javaOptions(given)),
  }

  const home = follow(places.home)?.real ?? places.home
  const shown = mountsFor([...machine(network), ...ownPaths(deps, program, environment['PATH'] ?? '')])
  const base: Mount[] = [
    { kind: 'processes', target: '/proc' },
    ...devices.map((name): Mount => ({ kind: 'device', source: `/dev/${name}`, target: `/dev/${name}` })),
    ...Object.entries(deviceLinks).map(([name, text]): Mount => ({ kind: 'link', text, target: `/dev/${name}` })),
    ...['/dev/shm', '/tmp', home].map((target): Mount => ({ kind: 'empty', target })),
    { kind: 'link', text: '../tmp', target: '/var/tmp' },
    { kind: 'folder', target: '/run' },
    { kind: 'read', source: deps.folder, target: inside },
    ...madeFiles(deps, accountFiles(account)),
    ...(network === undefined ? [] : networkMounts(deps, network)),
  ]
  const cwd = follow(program.cwd)?.real ?? program.cwd
  const mounts = [
    ...unless(base, shown),
    ...shown,
    ...covers(shown, places),
    // Where nothing of it is shown, it is an empty folder of the box.
    ...(shown.some(({ target }) => isWithin(cwd, target)) ? [] : [{ kind: 'folder', target: cwd } as const]),
  ]
  const command = [program.command, ...program.args]
  const drop = drops ? [bubblewrap.setpriv ?? '', '--inh-caps=-all', '--ambient-caps=-all', '--no-new-privs', '--'] : []
  const relay = [process.execPath, '--no-warnings', insideRelay]
  const args = bubblewrapArguments({
    mounts,
    cwd,
    sharesNetwork: network === undefined,
    lowPorts: drops,
    ...(user === undefined ? {} : { user }),
    command: network === undefined ? command : relay,
  })
  const boxed = { command: bubblewrap.file, args, cwd: '/' }
  if (network === undefined) return { ...boxed, environment }
  const inner = doors.map(({ port }) => ({ port, socket: `${inside}/${port}` }))
  const handed = JSON.stringify({ doors: inner, command: [...drop, ...command], cwd, environment })
  return { ...boxed, environment: { PATH: '/usr/bin:/bin', LANG: 'C.UTF-8' }, handed }
}

function machine(network: BoxNetwork | undefined): Path[] {
  const versioned = readdirSync('/etc')
    .filter((name) => versionedFolders.test(name))
    .map((name) => `/etc/${name}`)
  return readable([...systemPaths, ...versioned, ...tlsPaths, ...(network === undefined ? networkPaths : [process.execPath])])
}

/** Files of the box under their names in /etc: links, since each mount costs time. */
function madeFiles({ folder }: BubblewrapDeps, files: Readonly<Record<string, string>>): Mount[] {
  return Object.entries(files).map(([name, content]) => {
    writeFileSync(join(folder, name), content, { mode: 0o644 })
    return { kind: 'link', text: `${inside}/${name}`, target: `/etc/${name}` }
  })
}

/** The names that lead to the broker's doors, and the one authority that there is. */
function networkMounts(deps: BubblewrapDeps, network: BoxNetwork): Mount[] {
  const { caFile } = network
  writeFileSync(join(deps.folder, 'truststore'), javaTruststore(readFileSync(caFile, 'utf8'), deps.now()), { mode: 0o644 })
  return [
    ...madeFiles(deps, nameFiles(network)),
    { kind: 'read', source: caFile, target: caFile },
    ...authorityFiles.map((target): Mount => ({ kind: 'link', text: caFile, target })),
    { kind: 'read', source: relayFile, target: insideRelay },
  ]
}

function javaOptions({ JAVA_TOOL_OPTIONS }: Readonly<Record<string, string>>): Record<string, string> {
  const own = `-Djavax.net.ssl.trustStore=${inside}/truststore -Djavax.net.ssl.trustStoreType=JKS -Djavax.net.ssl.trustStorePassword=${truststorePassword}`
  return { JAVA_TOOL_OPTIONS: JAVA_TOOL_OPTIONS === undefined ? own : `${JAVA_TOOL_OPTIONS} ${own}` }
}

/** What is declared wins over what is only empty, and holds what it holds: nothing can be added to it. */
function unless(base: readonly Mount[], shown: readonly Mount[]): Mount[] {
  const around = ({ target }: Mount): boolean => shown.some((other) => other.kind !== 'link' && isWithin(target, other.target))
  return base.filter((mount) => !around(mount) || (mount.kind === 'read' && existsSync(mount.target)))
}

/** Whatever is declared around them, the broker's folders are empty and the config cannot be written. */
function covers(shown: readonly Mount[], { hidden, fixed }: Places): Mount[] {
  const within = (place: string, kinds: readonly Mount['kind'][]): boolean =>
    shown.some(({ kind, target }) => kinds.includes(kind) && place !== target && isWithin(place, target))
  const there = (places: readonly string[]): string[] => places.flatMap((place) => follow(place)?.real ?? [])
  return [
    ...there(hidden).flatMap((target): Mount[] => (within(target, ['read', 'write']) ? [{ kind: 'empty', target }] : [])),
    ...there(fixed).flatMap((target): Mount[] => (within(target, ['write']) ? [{ kind: 'read', source: target, target }] : [])),
  ]
}
