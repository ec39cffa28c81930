import { createHash, randomBytes } from 'node:crypto'
import { existsSync, mkdirSync, readdirSync, renameSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { JitError, quote, toJitError } from '../core/errors.ts'
import type { Logger } from '../core/types.ts'
import type { PackageContent, PackageSource, PackageStart } from './package-source.ts'

/** A package as it stands in a folder of its own, held until `release`. */
export interface Installed {
  /** Name of its folder, which says version and content: another version has another one. */
  readonly folder: string
  /** Its whole path. */
  readonly place: string
  readonly pin: string
  readonly start: PackageStart
  release(): void
}

/** Packages under the state folder, each version beside the others, so that none changes under a server that runs. */
export interface Packages {
  /** Installs what the source means now and holds it. Throws `server.start`; then nothing is left of it. */
  install(source: PackageSource, registry?: Readonly<Record<string, string>>): Promise<Installed>
  /** One that was installed, held; undefined when it is not there. Throws `server.start` when it cannot be read. */
  open(folder: string, source: PackageSource): Promise<Installed | undefined>
  /** Removes those that nobody holds and that `keep` does not name. Never throws. */
  prune(keep: ReadonlySet<string>): void
}

export function createPackages(deps: { readonly folder: string; readonly log: Logger }): Packages {
  const holds = new Map<string, number>()

  /** From here on the folder is not pruned, until the returned function is called. */
  const hold = (folder: string): (() => void) => {
    holds.set(folder, (holds.get(folder) ?? 0) + 1)
    let held = true
    return () => {
      if (!held) return
      held = false
      const left = (holds.get(folder) ?? 1) - 1
      if (left > 0) holds.set(folder, left)
      else holds.delete(folder)
    }
  }
  const installed = (folder: string, source: PackageSource, content: PackageContent, release: () => void): Installed => ({
    folder,
    place: join(deps.folder, folder),
    pin: content.pin,
    start: source.start(join(deps.folder, folder), content.entry),
    release,
  })
  const open = async (folder: string, source: PackageSource): Promise<Installed | undefined> => {
    if (!existsSync(join(deps.folder, folder))) return undefined
    const release = hold(folder)
    try {
      return installed(folder, source, await read(join(deps.folder, folder), source), release)
    } catch (error) {
      release()
      throw error
    }
  }
  /** From where it was installed to the folder of its version and content. */
  const settle = async (staging: string, source: PackageSource): Promise<Installed> => {
    const fresh = await read(join(deps.folder, staging), source)
    let folder = folderName(source, fresh)
    const there = await open(folder, source).catch(() => undefined)
    if (there?.pin === fresh.pin) return there
    there?.release()
    // Somebody changed what stands there, and a server may still run from it; or another installation was faster.
    if (existsSync(join(deps.folder, folder))) folder = `${folder}-${randomBytes(4).toString('hex')}`
    renameSync(join(deps.folder, staging), join(deps.folder, folder))
    return installed(folder, source, fresh, hold(folder))
  }
  return {
    async install(source, registry = {}) {
      const staging = `.new-${randomBytes(8).toString('hex')}`
      const release = hold(staging)
      const place = join(deps.folder, staging)
      try {
        makeFolder(place)
        await source.install(place, registry)
        return await settle(staging, source)
      } finally {
        rmSync(place, { recursive: true, force: true })
        release()
      }
    },
    open,
    prune(keep) {
      try {
        for (const name of existsSync(deps.folder) ? readdirSync(deps.folder) : []) {
          if (keep.has(name) || holds.has(name)) continue
          rmSync(join(deps.folder, name), { recursive: true, force: true })
          deps.log.info('package removed', { folder: name })
        }
      } catch (error) {
        deps.log.warn('old packages not removed', { error: String(error) })
      }
    },
  }
}

function makeFolder(place: string): void {
  try {
    mkdirSync(place, { recursive: true, mode: 0o700 })
  } catch (error) {
    throw new JitError('server.start', `no folder for a package: ${toJitError(error).message}`, { cause: error })
  }
}

function folderName(source: PackageSource, { version, pin }: PackageContent): string {
  const digest = createHash('sha256').update(pin).digest('hex').slice(0, 16)
  return `${source.name.replaceAll('/', '+')}@${version.replace(/[^A-Za-z0-9.+-]/g, '_')}-${digest}`
}

async function read(place: string, source: PackageSource): Promise<PackageContent> {
  try {
    return await source.read(place)
  } catch (error) {
    if (error instanceof JitError) throw error
    throw new JitError('server.start', `the installed package ${quote(source.spec)} cannot be read: ${toJitError(error).message}`, {
      cause: error,
    })
  }
}
