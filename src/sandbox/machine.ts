import { execFile } from 'node:child_process'
import { accessSync, constants, statSync } from 'node:fs'
import { delimiter, isAbsolute, join } from 'node:path'
import { promisify } from 'node:util'
import { quote, toJitError } from '../core/errors.ts'
import type { Bubblewrap } from './box.ts'
import { bubblewrapArguments } from './bubblewrap.ts'
import { deviceLinks, devices, systemPaths } from './system.ts'
import { mountsFor } from './shown.ts'

/** What this machine can do. */
export type Machine =
  | { readonly kind: 'bubblewrap'; readonly bubblewrap: Bubblewrap }
  | { readonly kind: 'seatbelt'; readonly file: string }
  | { readonly kind: 'none'; readonly reason: string; readonly advice: string }

const trialTimeout = 5000
/** Where distributions have them, for a daemon that was started with a short PATH. */
const usual = ['/usr/bin', '/bin', '/usr/local/bin', '/usr/sbin', '/run/current-system/sw/bin']

/** Finds out by making one: kernels, containers and security modules forbid it in many ways. Never rejects. */
export async function tryMachine(path = process.env['PATH'] ?? ''): Promise<Machine> {
  if (process.platform === 'darwin') return trySeatbelt()
  if (process.platform !== 'linux')
    return {
      kind: 'none',
      reason: `jit has no sandbox for ${process.platform} yet`,
      advice: 'Run jit and its servers in a container or a virtual machine.',
    }
  const file = find('bwrap', path)
  if (file === undefined)
    return {
      kind: 'none',
      reason: 'bubblewrap is not installed',
      advice: 'Install it: `apt install bubblewrap`, `dnf install bubblewrap`, `pacman -S bubblewrap`.',
    }
  const problem = await tryBubblewrap(file)
  if (problem === undefined) return { kind: 'bubblewrap', bubblewrap: { file, setpriv: find('setpriv', path) } }
  return { kind: 'none', reason: `${file} cannot make a sandbox here: ${quote(problem, 300)}`, advice: adviceFor(problem) }
}

/** The same namespaces and mounts as a box has; answers what is wrong. */
async function tryBubblewrap(file: string): Promise<string | undefined> {
  const args = bubblewrapArguments({
    mounts: [
      ...mountsFor(systemPaths.map((path) => ({ path, kind: 'read' }))),
      { kind: 'processes', target: '/proc' },
      ...devices.map((name) => ({ kind: 'device', source: `/dev/${name}`, target: `/dev/${name}` }) as const),
      ...Object.entries(deviceLinks).map(([name, text]) => ({ kind: 'link', text, target: `/dev/${name}` }) as const),
      { kind: 'empty', target: '/tmp' },
    ],
    cwd: '/',
    sharesNetwork: false,
    lowPorts: false,
    command: ['true'],
  })
  try {
    await promisify(execFile)(file, args, { timeout: trialTimeout, env: { PATH: '/usr/bin:/bin' } })
    return undefined
  } catch (error) {
    const stderr = error instanceof Error && 'stderr' in error ? String(error.stderr).trim() : ''
    return stderr === '' ? toJitError(error).message : stderr
  }
}

function adviceFor(problem: string): string {
  if (/uid map|Creating new namespace|No permissions to create|user namespace/i.test(problem))
    return 'The system forbids unprivileged user namespaces. Ubuntu: install the AppArmor profile of bubblewrap (package apparmor-profiles), or `sysctl kernel.apparmor_restrict_unprivileged_userns=0`; Debian: `sysctl kernel.unprivileged_userns_clone=1`; in a container: allow them, for Docker with `--security-opt seccomp=unconfined` or a profile of your own.'
  if (/proc/.test(problem)) return 'The container hides parts of /proc: for Docker `--security-opt systempaths=unconfined`.'
  return 'Try `bwrap --unshare-all --ro-bind / / true` to see more.'
}

function trySeatbelt(): Machine {
  const file = '/usr/bin/sandbox-exec'
  if (isProgram(file)) return { kind: 'seatbelt', file }
  return { kind: 'none', reason: `${file} is not there`, advice: 'Run jit and its servers in a container or a virtual machine.' }
}

function find(name: string, path: string): string | undefined {
  const folders = [...path.split(delimiter).filter((folder) => isAbsolute(folder)), ...usual]
  return folders.map((folder) => join(folder, name)).find(isProgram)
}

function isProgram(file: string): boolean {
  try {
    accessSync(file, constants.X_OK)
    return statSync(file).isFile()
  } catch {
    return false
  }
}
