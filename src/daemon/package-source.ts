import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { JitError, quote } from '../core/errors.ts'

/** A package as a server's command names it, with all that its installer knows. One per installer: npm, uv. */
export interface PackageSource {
  /** What decides what is installed, in one text; a pin holds for this text only. */
  readonly spec: string
  /** Name of the package, without version; begins the name of its folder. */
  readonly name: string
  /**
   * Installs what the spec means now in an absolute folder that is there and empty. `registry`: variables for the installer
   * alone. Throws `server.start`.
   */
  install(place: string, registry: Readonly<Record<string, string>>): Promise<void>
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
export interface InstallerWords {
  readonly said: string
  readonly failure: InstallerFailure
}

/** What came is not what the registry promised; its certificate is of an unknown authority; it was not reached; or else. */
export type InstallerFailure = 'broken' | 'untrusted' | 'unreached' | 'other'

export interface InstallerRun {
  readonly command: string
  readonly args: readonly string[]
  readonly place: string
  /** Beside the daemon's own environment. */
  readonly registry: Readonly<Record<string, string>>
  readonly spec: string
  readonly tool: string
  /** The line of its own configuration that adds a certificate authority. */
  readonly authority: string
  /** What its stderr holds once a registry has answered; ended without that after `patience`, half a minute unless told. */
  readonly answered?: RegExp
  readonly patience?: number
  /** What its stderr holds once it cannot end well; it would go on for minutes, or make do with what it remembers. */
  readonly hopeless?: RegExp
  read(stderr: string): InstallerWords
}

/** For one run of an installer: many packages on a slow line. */
const installTimeout = 180_000
/** For the first answer of a registry, which is a small one. Behind a firewall there may never be any. */
const answerTimeout = 30_000

/** Of what it says: a line for each of some thousand packages. */
const maxBuffer = 16 * 1024 * 1024

const guide = 'docs/guides/company-network.md says more.'

/** Runs an installer's command in the folder. Throws `server.start` with what it said, which `read` finds in its stderr. */
export async function runInstaller(run: InstallerRun): Promise<void> {
  const end = new AbortController()
  try {
    const work = promisify(execFile)(run.command, [...run.args], {
      timeout: installTimeout,
      maxBuffer,
      cwd: run.place,
      env: { ...process.env, ...run.registry },
      signal: end.signal,
    })
    const { answered, hopeless } = run
    let words = ''
    work.child.stderr?.on('data', (text: string) => {
      words += text
      if (hopeless?.test(words) === true) end.abort('hopeless')
    })
    if (answered !== undefined) {
      AbortSignal.timeout(run.patience ?? answerTimeout).addEventListener('abort', () => {
        if (!answered.test(words)) end.abort('silent')
      })
    }
    await work
  } catch (error) {
    throw failureOf(run, error, end.signal.reason === 'silent')
  }
}

function failureOf(run: InstallerRun, error: unknown, silent: boolean): JitError {
  const { tool } = run
  const install = `install ${quote(run.spec)}`
  const stderr = error instanceof Error && 'stderr' in error ? String(error.stderr) : ''
  if (silent) {
    const wait = (run.patience ?? answerTimeout) / 1000
    return new JitError('server.start', `${tool} could not ${install}: its registry did not answer within ${wait} s`, {
      cause: error,
      hint: hintOf(run, 'unreached'),
    })
  }
  // It keeps trying for minutes where it cannot reach a registry, and says nothing meanwhile.
  if (error instanceof Error && 'killed' in error && error.killed === true && 'code' in error && error.code === null)
    return new JitError('server.start', `${tool} did not ${install} within ${installTimeout / 60_000} minutes`, {
      cause: error,
      hint: hintOf(run, 'unreached'),
    })
  const { said, failure } = run.read(stderr)
  return new JitError('server.start', `${tool} could not ${install}${said === '' ? '' : `: ${said}`}`, {
    cause: error,
    hint: hintOf(run, failure),
  })
}

function hintOf({ tool, authority }: InstallerRun, failure: InstallerFailure): string {
  switch (failure) {
    case 'broken':
      return 'The package is not the one that its registry promises. Do not use it before its authors know why.'
    case 'untrusted':
      return `${tool} does not know the authority that signed the registry’s certificate. If it is your company’s: ${authority}, or name its file in NODE_EXTRA_CA_CERTS (npm) or SSL_CERT_FILE (uv) where you run jit. ${guide}`
    case 'unreached':
      return `Nothing was changed. Is the network there? A registry of yours belongs in ${tool}’s own configuration file, a proxy there or in HTTPS_PROXY where you run jit. ${guide}`
    case 'other':
      return 'Check the name, the network and the disk; nothing was changed.'
  }
}
