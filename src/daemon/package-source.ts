import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { JitError, quote } from '../core/errors.ts'

/** A package as a server's command names it, with all that its installer knows. One per installer: npm, uv. */
export interface PackageSource {
  /** What decides what is installed, in one text; a pin holds for this text only. */
  readonly spec: string
  /** Name of the package, without version; begins the name of its folder. */
  readonly name: string
  /** Installs what the spec means now in an absolute folder that is there and empty. Throws `server.start`. */
  install(place: string): Promise<void>
  /** What stands in the folder; must not depend on where the folder is. Throws `server.start` when it cannot be read. */
  read(place: string): Promise<PackageContent>
  /** How the entry is run from there, without the network. */
  start(place: string, entry: string): PackageStart
}

export interface PackageContent {
  readonly version: string
  /** The file that its command runs, relative to the folder. */
  readonly entry: string
  /** `npm:name@version …` or `pypi:name@version …`, with a hash of what would run. */
  readonly pin: string
}

export interface PackageStart {
  readonly command: string
  /** They come before the server's own arguments. */
  readonly args: readonly string[]
  /** Wins over the config's: without it something else than what was pinned could run. */
  readonly environment: Readonly<Record<string, string>>
}

/** What an installer said about its failure. */
interface InstallerWords {
  readonly said: string
  /** What came is not what the registry promised. */
  readonly broken: boolean
}

/** For one run of an installer: many packages on a slow line. */
const installTimeout = 180_000

/** Runs an installer's command in the folder. Throws `server.start` with what it said, which `read` finds in its stderr. */
export async function runInstaller(run: {
  readonly command: string
  readonly args: readonly string[]
  readonly place: string
  readonly spec: string
  readonly tool: string
  read(stderr: string): InstallerWords
}): Promise<void> {
  try {
    await promisify(execFile)(run.command, [...run.args], { timeout: installTimeout, cwd: run.place })
  } catch (error) {
    const stderr = error instanceof Error && 'stderr' in error ? String(error.stderr) : ''
    // It keeps trying for minutes where it cannot reach a registry, and says nothing meanwhile.
    if (error instanceof Error && 'killed' in error && error.killed === true && 'code' in error && error.code === null)
      throw new JitError('server.start', `${run.tool} did not install ${quote(run.spec)} within ${installTimeout / 60_000} minutes`, {
        cause: error,
        hint: `Nothing was changed. It gets few variables of your shell: a registry, a proxy or a certificate authority of yours belongs in ${run.tool}’s own configuration file.`,
      })
    const { said, broken } = run.read(stderr)
    throw new JitError('server.start', `${run.tool} could not install ${quote(run.spec)}${said === '' ? '' : `: ${said}`}`, {
      cause: error,
      hint: broken
        ? 'The package is not the one that its registry promises. Do not use it before its authors know why.'
        : 'Check the name, the network and the disk; nothing was changed.',
    })
  }
}
