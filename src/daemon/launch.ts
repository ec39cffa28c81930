import { createHash } from 'node:crypto'
import { execFile } from 'node:child_process'
import { accessSync, constants, existsSync, mkdirSync, readFileSync, statSync } from 'node:fs'
import { basename, delimiter, dirname, isAbsolute, join, resolve } from 'node:path'
import { promisify } from 'node:util'
import { z } from 'zod'
import type { AuditSink } from '../audit/event.ts'
import type { Config, ServerConfig } from '../config/schema.ts'
import { JitError, quote } from '../core/errors.ts'
import type { LaunchSpec } from '../gateway/types.ts'
import type { Store } from '../store/store.ts'

export interface LaunchDeps {
  readonly store: Store
  readonly audit: () => AuditSink
  /** Folder of installed packages. */
  readonly packages: string
  readonly baseFolder: string
  config(): Config
}

export interface Launcher {
  /** Throws `server.start`, or `server.pin` when the program is not the one that was pinned. */
  launch(server: string): Promise<LaunchSpec>
  /** Installs and pins anew; answers the pin. */
  update(server: string): Promise<string>
  pin(server: string): string
  forget(server: string): void
}

/** What a program resolved to: the command to run, and what it is by content. */
interface Resolved {
  readonly command: string
  readonly args: readonly string[]
  readonly pin: string
}

/** Variables that a server may see of the daemon's own; everything else is named in the config. */
const passed = ['PATH', 'HOME', 'USER', 'LOGNAME', 'LANG', 'LC_ALL', 'LC_CTYPE', 'TERM', 'TZ', 'TMPDIR', 'SHELL', 'SystemRoot']

export function createLauncher(deps: LaunchDeps): Launcher {
  const key = (server: string): string => `pin.${server}`
  const serverOf = (name: string): ServerConfig => {
    const found = deps.config().servers[name]
    if (found === undefined) throw new JitError('not-found', `there is no server ${quote(name)}`)
    return found
  }
  const remember = (server: string, pin: string): void => {
    const before = deps.store.meta.get(key(server))
    if (before === pin) return
    deps.audit().append({ type: 'server.pinned', server, detail: { pin, ...(before === undefined ? {} : { before }) } })
    deps.store.meta.set(key(server), pin)
  }
  return {
    async launch(name) {
      const server = serverOf(name)
      const resolved = await resolveProgram(deps, server, false)
      const pinned = deps.store.meta.get(key(name))
      if (pinned === undefined) remember(name, resolved.pin)
      else if (pinned !== resolved.pin)
        throw new JitError(
          'server.pin',
          `the program of server ${quote(name)} is not the one that was pinned: ${resolved.pin} instead of ${pinned}`,
          { hint: `Look at what changed it, then \`jit update ${name}\`.` },
        )
      return {
        ...resolved,
        cwd: server.cwd === undefined ? deps.baseFolder : resolve(deps.baseFolder, server.cwd),
        environment: environmentOf(server),
      }
    },
    async update(name) {
      const { pin } = await resolveProgram(deps, serverOf(name), true)
      remember(name, pin)
      return pin
    },
    pin: (name) => deps.store.meta.get(key(name)) ?? '',
    forget: (name) => deps.store.meta.delete(key(name)),
  }
}

function environmentOf(server: ServerConfig): Record<string, string> {
  const environment: Record<string, string> = {}
  for (const name of [...passed, ...server.pass]) {
    const value = process.env[name]
    if (value !== undefined) environment[name] = value
  }
  return { ...environment, ...server.env }
}

async function resolveProgram(deps: LaunchDeps, server: ServerConfig, fresh: boolean): Promise<Resolved> {
  if (server.run === undefined)
    throw new JitError('server.start', 'remote servers (`url`) are not supported yet', { hint: 'Give a local command under `run`.' })
  const [command = '', ...args] = server.run
  switch (basename(command)) {
    case 'npx':
      return resolveNpm(deps, args, fresh)
    case 'node':
      return resolveNode(deps, args)
    default:
      return { command: findCommand(command), args, pin: `sha256:${hashFile(findCommand(command))}` }
  }
}

/** `node FILE …` runs on the daemon's own Node, and is pinned by the file's content and its package. */
function resolveNode(deps: LaunchDeps, args: readonly string[]): Resolved {
  const index = args.findIndex((arg) => !arg.startsWith('-'))
  const given = args[index]
  if (given === undefined) throw new JitError('server.start', '`node` without a file')
  const file = isAbsolute(given) ? given : resolve(deps.baseFolder, given)
  const name = packageName(file)
  return {
    command: process.execPath,
    args: args.map((arg, position) => (position === index ? file : arg)),
    pin: `${name === '' ? '' : `npm:${name} `}sha256:${hashFile(file)}`,
  }
}

/** `npx -y PACKAGE …`: installed once under the state folder and started from there; a lane has no way to a registry. */
async function resolveNpm(deps: LaunchDeps, args: readonly string[], fresh: boolean): Promise<Resolved> {
  const index = args.findIndex((arg) => !arg.startsWith('-'))
  const spec = args[index]
  if (spec === undefined || !/^(@[a-z0-9._~-]+\/)?[a-z0-9._~-]+(@[A-Za-z0-9.^~_-]+)?$/.test(spec))
    throw new JitError('server.start', `npx needs the name of a package, not ${quote(spec)}`)
  const folder = join(deps.packages, spec.replaceAll('/', '+'))
  const name = spec.replace(/(?<=.)@[^@/]*$/, '')
  const installed = join(folder, 'node_modules', name)
  if (fresh || !existsSync(join(installed, 'package.json'))) await install(folder, spec)
  const manifest = z
    .object({ version: z.string(), bin: z.union([z.string(), z.record(z.string(), z.string())]).optional() })
    .parse(JSON.parse(readFileSync(join(installed, 'package.json'), 'utf8')))
  const entry = typeof manifest.bin === 'string' ? manifest.bin : Object.values(manifest.bin ?? {})[0]
  if (entry === undefined) throw new JitError('server.start', `the package ${quote(spec)} has no command`)
  const lock = readFileSync(join(folder, 'package-lock.json'), 'utf8')
  const integrity =
    z.object({ packages: z.record(z.string(), z.looseObject({ integrity: z.string().optional() })) }).parse(JSON.parse(lock)).packages[
      `node_modules/${name}`
    ]?.integrity ?? ''
  const file = join(installed, entry)
  const content = createHash('sha256').update(readFileSync(file)).update(lock).digest('hex')
  return {
    command: process.execPath,
    args: [file, ...args.slice(index + 1)],
    pin: `npm:${name}@${manifest.version} ${integrity} sha256:${content}`,
  }
}

async function install(folder: string, spec: string): Promise<void> {
  mkdirSync(folder, { recursive: true, mode: 0o700 })
  const npm = findCommand('npm')
  const options = [
    '--ignore-scripts',
    '--no-audit',
    '--no-fund',
    '--no-update-notifier',
    '--save-exact',
    '--prefix',
    folder,
    // What npm remembers of a registry is up to five minutes old, and an update asks for what is there now.
    '--prefer-online',
    // npm would spend minutes on a tarball that is not the one promised.
    '--fetch-retries=2',
    '--fetch-retry-mintimeout=500',
    '--fetch-retry-maxtimeout=2000',
  ]
  await promisify(execFile)(npm, ['install', ...options, spec], { timeout: 180_000, cwd: folder }).catch((error: unknown) => {
    const { code, said } = lastWords(error)
    throw new JitError('server.start', `npm could not install ${quote(spec)}${said === '' ? '' : `: ${code} ${quote(said, 240)}`}`, {
      cause: error,
      hint:
        code === 'EINTEGRITY'
          ? 'The package is not the one that its registry promises. Do not use it before its authors know why.'
          : 'Check the name and the network, then `jit update`.',
    })
  })
}

/** npm's own code and first line about a failure. */
function lastWords(error: unknown): { code: string; said: string } {
  const stderr = error instanceof Error && 'stderr' in error ? String(error.stderr) : ''
  return {
    code: /^npm (?:error|ERR!) code (\w+)$/m.exec(stderr)?.[1] ?? '',
    said: /^npm (?:error|ERR!) (?!code )(.+)$/m.exec(stderr)?.[1] ?? '',
  }
}

function findCommand(command: string): string {
  if (isAbsolute(command)) return command
  const places = command.includes('/')
    ? [resolve(command)]
    : (process.env['PATH'] ?? '').split(delimiter).map((folder) => join(folder, command))
  const found = places.find((path) => {
    try {
      accessSync(path, constants.X_OK)
      return statSync(path).isFile()
    } catch {
      return false
    }
  })
  if (found === undefined) throw new JitError('server.start', `there is no command ${quote(command)}`)
  return found
}

function hashFile(file: string): string {
  try {
    return createHash('sha256').update(readFileSync(file)).digest('hex')
  } catch (error) {
    throw new JitError('server.start', `${file} cannot be read`, { cause: error })
  }
}

function packageName(file: string): string {
  for (let folder = dirname(file); folder !== dirname(folder); folder = dirname(folder)) {
    if (!existsSync(join(folder, 'package.json'))) continue
    const parsed = z
      .object({ name: z.string(), version: z.string() })
      .safeParse(JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')))
    if (parsed.success) return `${parsed.data.name}@${parsed.data.version}`
  }
  return ''
}
