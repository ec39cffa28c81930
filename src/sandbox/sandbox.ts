import { mkdirSync, rmSync } from 'node:fs'
import { basename, join } from 'node:path'
import { randomBytes } from 'node:crypto'
import type { Config, ServerConfig } from '../config/schema.ts'
import type { Clock } from '../core/clock.ts'
import { JitError, quote, toJitError } from '../core/errors.ts'
import { openBubblewrapBox } from './box.ts'
import { type Machine, tryMachine } from './machine.ts'
import { openSeatbeltBox } from './seatbelt-box.ts'
import { refuseWritableCode } from './own-code.ts'
import { type Places, readDeclared } from './shown.ts'
import type { Sandbox, Verdict } from './types.ts'

export interface SandboxDeps {
  /** Of the runtime folder: short, since paths of sockets are. */
  readonly folder: string
  readonly places: Places
  /** Where relative paths of the config count from. */
  readonly baseFolder: string
  readonly clock: Clock
  config(): Config
  /** For tests: what the machine can do. */
  readonly machine?: () => Promise<Machine>
}

/** They run elsewhere what they are given, or fetch it first: in a box without a network they can do neither. */
const launchers: Readonly<Record<string, string>> = {
  docker: 'docker runs the server in a container of its own',
  podman: 'podman runs the server in a container of its own',
  ...Object.fromEntries(
    'uv pipx bun bunx deno pnpm pnpx yarn npm cargo go dotnet'
      .split(' ')
      .map((name) => [name, `${name} may fetch the server when it starts`]),
  ),
}

/** The sandbox of local servers: whether a server has one, and one box for each of its lanes. */
export function createSandbox(deps: SandboxDeps): Sandbox {
  let known: Promise<Machine> | undefined
  const ask = deps.machine ?? (() => tryMachine())
  const look = async (again: boolean): Promise<Machine> => {
    if (again || known === undefined) known = ask()
    const machine = await known
    // Whoever installs it need not restart anything; a machine that can will not unlearn it.
    if (machine.kind === 'none' && machine.reason.endsWith('is not installed')) known = undefined
    return machine
  }
  const othersWrite = (name: string, { servers } = deps.config()): string[] =>
    Object.entries(servers).flatMap(([other, { writable }]) => (other === name ? [] : writable))
  rmSync(deps.folder, { recursive: true, force: true })
  return {
    async machine(again = false) {
      const machine = await look(again)
      if (machine.kind === 'none') return { ...machine, used: false }
      return { used: true, kind: machine.kind, ...explain(machine, 'broker') }
    },
    check(name, program, path) {
      const writing = Object.entries(deps.config().servers).map(([server, { writable }]) => ({ server, given: writable }))
      refuseWritableCode(name, program, path, writing, { folder: deps.baseFolder, home: deps.places.home })
    },
    judge: async (server) => verdictOf(server, await look(false)),
    problem(name, config = deps.config()) {
      const { readable = [], writable = [] } = config.servers[name] ?? {}
      try {
        readDeclared(name, { readable, writable, baseFolder: deps.baseFolder, othersWrite: othersWrite(name, config) }, deps.places)
        return undefined
      } catch (error) {
        return toJitError(error)
      }
    },
    async open(name) {
      const { servers } = deps.config()
      const config = servers[name]
      if (config === undefined) throw new JitError('not-found', `there is no server ${quote(name)}`)
      const machine = await look(false)
      const verdict = verdictOf(config, machine)
      if (!verdict.used) {
        if (config.sandbox !== 'on') return undefined
        throw new JitError('server.start', `server ${quote(name)} must run in a sandbox, and ${verdict.reason}`, {
          hint: `${verdict.advice} Or, if you trust the server with your files and network: \`sandbox: off\`.`,
        })
      }
      const folder = join(deps.folder, randomBytes(3).toString('hex'))
      mkdirSync(folder, { recursive: true, mode: 0o700 })
      const shared = {
        server: name,
        config,
        folder,
        places: deps.places,
        baseFolder: deps.baseFolder,
        othersWrite: othersWrite(name),
        network: verdict.network,
      }
      if (machine.kind === 'bubblewrap')
        return openBubblewrapBox({ ...shared, bubblewrap: machine.bubblewrap, now: () => deps.clock.now() })
      return machine.kind === 'seatbelt' ? openSeatbeltBox({ ...shared, file: machine.file }) : undefined
    },
  }
}

/** What the server's own setting comes to on such a machine. */
export function verdictOf(server: ServerConfig, machine: Machine): Verdict {
  const network = server.provider !== undefined && /^(env|credentials)$/.test(server.inject.mode) ? 'machine' : 'broker'
  const without = { used: false, kind: 'none', network: 'machine' } as const
  if (server.run === undefined) return { ...without, kind: 'remote', reason: 'it is a remote server', advice: '' }
  if (server.sandbox === 'off')
    return {
      ...without,
      reason: 'it is switched off for this server',
      advice: 'Set `sandbox: auto`.',
    }
  if (machine.kind === 'none') return { ...without, reason: machine.reason, advice: machine.advice }
  const launcher = launchers[basename(server.run[0] ?? '')]
  if (server.sandbox === 'auto' && launcher !== undefined && !isInstalled(server.run))
    return { ...without, reason: launcher, advice: 'Name the program itself, or `npx` or `uvx`, which jit installs beforehand.' }
  return { used: true, kind: machine.kind, network, ...explain(machine, network) }
}

function explain(machine: Machine, network: Verdict['network']): { reason: string; advice: string } {
  if (network === 'machine')
    return {
      reason: 'it sees its own files only, but has the machine’s network, since it holds its credential and connects by itself',
      advice: 'Use `inject: { mode: egress }` or `endpoint` where the server can.',
    }
  if (machine.kind === 'seatbelt')
    return { reason: 'it sees its own files only, and the network through jit (a profile that was never tried on a Mac)', advice: '' }
  if (machine.kind === 'bubblewrap' && machine.bubblewrap.setpriv === undefined)
    return {
      reason: 'it sees its own files and the network through jit only; clients that ignore proxy settings reach nothing',
      advice: 'Install `setpriv` (package util-linux), so that these are led to jit, too.',
    }
  return { reason: 'it sees its own files and the network through jit only', advice: '' }
}

/** `uv tool run PACKAGE` is what `uvx` is. */
function isInstalled([command = '', first, second]: readonly string[]): boolean {
  return basename(command) === 'uv' && first === 'tool' && second === 'run'
}
