import { resolve } from 'node:path'
import type { AuditEvent, AuditSink } from '../audit/event.ts'
import type { Config, ServerConfig } from '../config/schema.ts'
import { JitError, quote } from '../core/errors.ts'
import type { LaunchSpec } from '../gateway/types.ts'
import type { Store } from '../store/store.ts'
import type { Packages } from './packages.ts'
import { readProgram } from './program.ts'

export interface LaunchDeps {
  readonly store: Pick<Store, 'meta' | 'atomically'>
  readonly audit: Pick<AuditSink, 'append'>
  readonly packages: Packages
  readonly baseFolder: string
  config(): Config
}

export interface Launcher {
  /** Throws `server.start`, or `server.pin` when the program is not the one that was pinned. */
  launch(server: string): Promise<LaunchSpec>
  /**
   * Finds, and installs where needed, what a server's command means now; nothing is pinned yet. `registry`: variables for the
   * installer, from the terminal of the person who asks. Throws `server.start`.
   */
  prepare(name: string, server: ServerConfig, registry?: Readonly<Record<string, string>>): Promise<Pinning>
  /**
   * Prepares and pins anew; answers the pin. Lanes that run go on with what they were started from. `confirm` is called before the
   * pin is written; what it throws leaves the old one.
   */
  update(server: string, registry?: Readonly<Record<string, string>>, confirm?: () => void): Promise<string>
  pin(server: string): string
  /** Without a pin the next launch pins anew. */
  forget(server: string): void
  /** Removes packages that no server names and no lane runs. */
  prune(): void
}

/** A program that was found, held until `done`. */
export interface Pinning {
  readonly pin: string
  /** For the trail; undefined when it is the pin that stands. */
  readonly record: AuditEvent | undefined
  /** Writes the pin to the store. */
  write(): void
  done(): void
}

interface Resolved {
  readonly command: string
  readonly args: readonly string[]
  readonly pin: string
  /** Wins over the server's own. */
  readonly environment: Readonly<Record<string, string>>
  /** `spec folder` of an installed package; empty for a file. */
  readonly source: string
  readonly folder?: string
  release(): void
}

/** Variables that a server may see of the daemon's own; everything else is named in the config. */
const passed = ['PATH', 'HOME', 'USER', 'LOGNAME', 'LANG', 'LC_ALL', 'LC_CTYPE', 'TERM', 'TZ', 'TMPDIR', 'SHELL', 'SystemRoot']
const pinKey = (server: string): string => `pin.${server}`
const sourceKey = (server: string): string => `package.${server}`

export function createLauncher(deps: LaunchDeps): Launcher {
  const { meta } = deps.store
  /** First starts under way: lanes that start at once install once. */
  const firsts = new Map<string, Promise<unknown>>()

  const serverOf = (name: string): ServerConfig => {
    const found = deps.config().servers[name]
    if (found === undefined) throw new JitError('not-found', `there is no server ${quote(name)}`)
    return found
  }
  const prune = (): void => {
    const names = Object.keys(deps.config().servers).map((name) => readSource(meta.get(sourceKey(name))).folder)
    deps.packages.prune(new Set(names))
  }
  const prepare = async (name: string, server: ServerConfig, registry: Readonly<Record<string, string>> = {}): Promise<Pinning> => {
    const before = meta.get(pinKey(name))
    if (server.url !== undefined) return remote(name, before)
    const resolved = await resolveProgram(deps, server, undefined, registry)
    const detail = { pin: resolved.pin, ...(before === undefined ? {} : { before }) }
    return {
      pin: resolved.pin,
      record: before === resolved.pin ? undefined : { type: 'server.pinned', server: name, detail },
      write() {
        meta.set(pinKey(name), resolved.pin)
        meta.set(sourceKey(name), resolved.source)
      },
      done() {
        resolved.release()
        prune()
      },
    }
  }
  /** What a remote server runs cannot be pinned; what stood there under that name is forgotten. */
  const remote = (name: string, before: string | undefined): Pinning => ({
    pin: '',
    record: before === undefined ? undefined : { type: 'server.pinned', server: name, detail: { pin: '', before } },
    write: () => forget(name),
    done: prune,
  })
  const forget = (name: string): void => {
    meta.delete(pinKey(name))
    meta.delete(sourceKey(name))
  }
  const update = async (name: string, registry: Readonly<Record<string, string>> = {}, confirm?: () => void): Promise<string> => {
    const pinning = await prepare(name, serverOf(name), registry)
    try {
      confirm?.()
      deps.store.atomically(() => {
        pinning.write()
        if (pinning.record !== undefined) deps.audit.append(pinning.record)
      })
    } finally {
      pinning.done()
    }
    return pinning.pin
  }
  const pinFirst = async (name: string): Promise<void> => {
    const first = firsts.get(name) ?? update(name).finally(() => firsts.delete(name))
    firsts.set(name, first)
    await first
  }
  return {
    async launch(name) {
      if (meta.get(pinKey(name)) === undefined) await pinFirst(name)
      const server = serverOf(name)
      const pinned = meta.get(pinKey(name)) ?? ''
      const resolved = await resolveProgram(deps, server, { name, pinned, source: meta.get(sourceKey(name)) ?? '' })
      if (pinned !== resolved.pin) {
        resolved.release()
        throw notPinned(name, `${resolved.pin} instead of ${pinned}`)
      }
      try {
        // Installed again in another folder, which the next launch is to find; unless an update was faster.
        if (meta.get(sourceKey(name)) !== resolved.source && meta.get(pinKey(name)) === pinned) meta.set(sourceKey(name), resolved.source)
      } catch (error) {
        resolved.release()
        throw error
      }
      return {
        command: resolved.command,
        args: resolved.args,
        pin: resolved.pin,
        cwd: server.cwd === undefined ? deps.baseFolder : resolve(deps.baseFolder, server.cwd),
        environment: { ...environmentOf(server), ...resolved.environment },
        ...(resolved.folder === undefined ? {} : { folder: resolved.folder }),
        release() {
          resolved.release()
          prune()
        },
      }
    },
    prepare,
    update,
    pin: (name) => meta.get(pinKey(name)) ?? '',
    forget,
    prune,
  }
}

/** With `pinned`, a package is started from where it was installed, whatever the registry has by now; else it is installed. */
async function resolveProgram(
  deps: LaunchDeps,
  server: ServerConfig,
  pinned: { readonly name: string; readonly pinned: string; readonly source: string } | undefined,
  registry: Readonly<Record<string, string>> = {},
): Promise<Resolved> {
  if (server.run === undefined)
    throw new JitError('server.start', 'a remote server (`url`) has no program', {
      hint: 'Only local servers (`run`) are started and updated.',
    })
  const program = readProgram(server.run, deps.baseFolder)
  if (program.kind === 'file') return { ...program, environment: {}, source: '', release: () => undefined }
  const { source, args } = program
  const { spec } = source
  const known = readSource(pinned?.source)
  if (pinned !== undefined && known.spec !== spec)
    throw notPinned(
      pinned.name,
      `the config names ${quote(spec)}, and ${known.spec === '' ? 'another program' : quote(known.spec)} was pinned`,
    )
  const found =
    (known.folder === '' ? undefined : await deps.packages.open(known.folder, source)) ?? (await deps.packages.install(source, registry))
  return {
    command: found.start.command,
    args: [...found.start.args, ...args],
    environment: found.start.environment,
    pin: found.pin,
    source: `${spec} ${found.folder}`,
    folder: found.place,
    release: () => found.release(),
  }
}

/** The folder is what stands after the last space: a spec may have some. */
function readSource(text = ''): { spec: string; folder: string } {
  const at = text.lastIndexOf(' ')
  return at < 0 ? { spec: '', folder: '' } : { spec: text.slice(0, at), folder: text.slice(at + 1) }
}

function notPinned(name: string, what: string): JitError {
  return new JitError('server.pin', `the program of server ${quote(name)} is not the one that was pinned: ${what}`, {
    hint: `Look at what changed it, then \`jit update ${name}\`.`,
  })
}

function environmentOf(server: ServerConfig): Record<string, string> {
  const environment: Record<string, string> = {}
  for (const name of [...passed, ...server.pass]) {
    const value = process.env[name]
    if (value !== undefined) environment[name] = value
  }
  return { ...environment, ...server.env }
}
