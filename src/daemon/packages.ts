import { execFile } from 'node:child_process'
import { createHash, randomBytes } from 'node:crypto'
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { z } from 'zod'
import { JitError, quote, toJitError } from '../core/errors.ts'
import type { Logger } from '../core/types.ts'
import { findCommand } from './find-command.ts'

/** A package of npm as it stands in a folder of its own. */
export interface Installed {
  /** Name of its folder, which says version and content: another version has another one. */
  readonly folder: string
  /** The file that its command runs. */
  readonly entry: string
  /** `npm:name@version integrity sha256:…` of the entry file and of the lock, which names the integrity of all it needs. */
  readonly pin: string
}

/** Packages under the state folder, each version beside the others, so that none changes under a server that runs. */
export interface Packages {
  /** Installs what the spec means now and holds it. Throws `server.start`; then nothing is left of it. */
  install(spec: string): Promise<Installed & { release(): void }>
  /** One that was installed, held; undefined when it is not there. Throws `server.start` when it cannot be read. */
  open(folder: string, spec: string): (Installed & { release(): void }) | undefined
  /** Removes those that nobody holds and that `keep` does not name. Never throws. */
  prune(keep: ReadonlySet<string>): void
}

const installTimeout = 180_000
const npmOptions = [
  '--ignore-scripts',
  '--no-audit',
  '--no-fund',
  '--no-update-notifier',
  '--save-exact',
  // What npm remembers of a registry is up to five minutes old, and an update asks for what is there now.
  '--prefer-online',
  // npm would spend minutes on a tarball that is not the one promised.
  '--fetch-retries=2',
  '--fetch-retry-mintimeout=500',
  '--fetch-retry-maxtimeout=2000',
]
const manifest = z.object({ version: z.string(), bin: z.union([z.string(), z.record(z.string(), z.string())]).optional() })
const lockFile = z.object({ packages: z.record(z.string(), z.looseObject({ integrity: z.string().optional() })) })

export function createPackages(deps: { readonly folder: string; readonly log: Logger }): Packages {
  const holds = new Map<string, number>()
  const installing = new Set<string>()

  const hold = (installed: Installed): Installed & { release(): void } => {
    holds.set(installed.folder, (holds.get(installed.folder) ?? 0) + 1)
    let held = true
    return {
      ...installed,
      release() {
        if (!held) return
        held = false
        holds.set(installed.folder, (holds.get(installed.folder) ?? 1) - 1)
      },
    }
  }
  return {
    async install(spec) {
      const staging = `.new-${randomBytes(8).toString('hex')}`
      installing.add(staging)
      const place = join(deps.folder, staging)
      try {
        await runNpm(place, spec)
        return hold(settleIn(deps.folder, staging, spec))
      } finally {
        rmSync(place, { recursive: true, force: true })
        installing.delete(staging)
      }
    },
    open(folder, spec) {
      return existsSync(join(deps.folder, folder, 'package-lock.json')) ? hold(read(deps.folder, folder, spec)) : undefined
    },
    prune(keep) {
      try {
        for (const name of existsSync(deps.folder) ? readdirSync(deps.folder) : []) {
          if (keep.has(name) || installing.has(name) || (holds.get(name) ?? 0) > 0) continue
          rmSync(join(deps.folder, name), { recursive: true, force: true })
          deps.log.info('package removed', { folder: name })
        }
      } catch (error) {
        deps.log.warn('old packages not removed', { error: String(error) })
      }
    },
  }
}

/** `@scope/name@version` → `@scope/name`. Throws `server.start` for what is not a package of a registry. */
export function packageOf(spec: string): string {
  if (!/^(@[a-z0-9._~-]+\/)?[a-z0-9_~-][a-z0-9._~-]*(@[A-Za-z0-9.^~_-]+)?$/.test(spec))
    throw new JitError('server.start', `npx needs the name of a package, not ${quote(spec)}`)
  return spec.replace(/(?<=.)@[^@/]*$/, '')
}

/** From where it was installed to the folder of its version and content. */
function settleIn(folder: string, staging: string, spec: string): Installed {
  const fresh = read(folder, staging, spec)
  const version = /@([^@ ]+) /.exec(fresh.pin)?.[1] ?? ''
  const digest = createHash('sha256').update(fresh.pin).digest('hex').slice(0, 16)
  let name = `${packageOf(spec).replaceAll('/', '+')}@${version.replace(/[^A-Za-z0-9.+-]/g, '_')}-${digest}`
  if (existsSync(join(folder, name))) {
    if (pinIn(folder, name, spec) === fresh.pin) return read(folder, name, spec)
    // Somebody changed what stands there, and a server may still run from it.
    name = `${name}-${randomBytes(4).toString('hex')}`
  }
  renameSync(join(folder, staging), join(folder, name))
  return read(folder, name, spec)
}

function pinIn(folder: string, name: string, spec: string): string | undefined {
  try {
    return read(folder, name, spec).pin
  } catch {
    return undefined
  }
}

function read(parent: string, folder: string, spec: string): Installed {
  const name = packageOf(spec)
  const place = join(parent, folder, 'node_modules', name)
  try {
    const { version, bin } = manifest.parse(JSON.parse(readFileSync(join(place, 'package.json'), 'utf8')))
    const file = typeof bin === 'string' ? bin : (bin?.[name.replace(/^@[^/]*\//, '')] ?? Object.values(bin ?? {})[0])
    if (file === undefined) throw new JitError('server.start', `the package ${quote(spec)} has no command`)
    const lock = readFileSync(join(parent, folder, 'package-lock.json'), 'utf8')
    const integrity = lockFile.parse(JSON.parse(lock)).packages[`node_modules/${name}`]?.integrity ?? ''
    const entry = join(place, file)
    const content = createHash('sha256').update(readFileSync(entry)).update(lock).digest('hex')
    return { folder, entry, pin: `npm:${name}@${version} ${integrity} sha256:${content}` }
  } catch (error) {
    if (error instanceof JitError) throw error
    throw new JitError('server.start', `the installed package ${quote(spec)} cannot be read: ${toJitError(error).message}`, {
      cause: error,
    })
  }
}

async function runNpm(place: string, spec: string): Promise<void> {
  const npm = findCommand('npm')
  try {
    mkdirSync(place, { recursive: true, mode: 0o700 })
    // A name of its own would stand in the lock, and so in the pin.
    writeFileSync(join(place, 'package.json'), '{"name":"jit-server","private":true}\n')
    await promisify(execFile)(npm, ['install', ...npmOptions, '--prefix', place, spec], { timeout: installTimeout, cwd: place })
  } catch (error) {
    const { code, said } = lastWords(error)
    throw new JitError('server.start', `npm could not install ${quote(spec)}${said === '' ? '' : `: ${code} ${quote(said, 240)}`}`, {
      cause: error,
      hint:
        code === 'EINTEGRITY'
          ? 'The package is not the one that its registry promises. Do not use it before its authors know why.'
          : 'Check the name, the network and the disk; nothing was changed.',
    })
  }
}

/** npm's own code and first line about a failure. */
function lastWords(error: unknown): { code: string; said: string } {
  const stderr = error instanceof Error && 'stderr' in error ? String(error.stderr) : ''
  return {
    code: /^npm (?:error|ERR!) code (\w+)$/m.exec(stderr)?.[1] ?? '',
    said: /^npm (?:error|ERR!) (?!code )(.+)$/m.exec(stderr)?.[1] ?? '',
  }
}
