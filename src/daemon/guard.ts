import { chmodSync, closeSync, lstatSync, mkdirSync, readdirSync, readFileSync } from 'node:fs'
import { JitError } from '../core/errors.ts'

const unsafeVariables = ['NODE_OPTIONS', 'NODE_DEBUG', 'NODE_V8_COVERAGE', 'SSLKEYLOGFILE', 'NODE_TLS_REJECT_UNAUTHORIZED']
const unsafeFlags =
  /^(-r$|--(inspect|heapsnapshot|heap-prof|cpu-prof|prof|tls-keylog|trace-tls|import|require|loader|experimental-loader|report|env-file|expose|abort-on))/

/** Refuses to hold secrets in a process that its environment or flags open to others. Throws `daemon.unsafe`. */
export function guardProcess(environment: NodeJS.ProcessEnv, flags: readonly string[]): void {
  const variable = unsafeVariables.find((name) => environment[name] !== undefined && environment[name] !== '')
  if (variable !== undefined)
    throw new JitError('daemon.unsafe', `the daemon does not start under ${variable}: it can show what the daemon holds`)
  const flag = flags.find((text) => unsafeFlags.test(text))
  if (flag !== undefined) throw new JitError('daemon.unsafe', `the daemon does not start with ${flag}: it can show what the daemon holds`)
  // Node's own handler for this signal opens the inspector to every program of this account.
  process.on('SIGUSR1', () => undefined)
  if (process.report) process.report.excludeEnv = true
  process.umask(0o077)
}

/** Makes the folder if it is not there; refuses one that is a link or another user's, and closes one that is open to others. Throws `daemon.unsafe`. */
export function guardFolder(path: string): void {
  try {
    mkdirSync(path, { recursive: true, mode: 0o700 })
  } catch (error) {
    throw new JitError('daemon.unsafe', `${path} cannot be made a folder: ${error instanceof Error ? error.message : String(error)}`, {
      cause: error,
    })
  }
  const found = lstatSync(path)
  if (!found.isDirectory()) throw new JitError('daemon.unsafe', `${path} is not a folder`)
  if (found.uid !== process.getuid?.()) throw new JitError('daemon.unsafe', `${path} belongs to another user`)
  if ((found.mode & 0o077) !== 0) chmodSync(path, 0o700)
}

export interface Hardening {
  /** Other programs of this account cannot read the daemon's memory. */
  readonly memoryClosed: boolean
  readonly noCoreDumps: boolean
}

const closeOnExec = 0o2000000

/**
 * Closes what whoever started this process left open in it beside its three streams: every server would get it too, and a folder
 * among it leads out of any sandbox. What the process opens itself is for no other program, and says so.
 */
export function closeInherited(): void {
  if (process.platform !== 'linux') return
  for (const name of readdirSync('/proc/self/fdinfo')) {
    try {
      const flags = /^flags:\s*([0-7]+)$/m.exec(readFileSync(`/proc/self/fdinfo/${name}`, 'utf8'))?.[1] ?? ''
      if (Number(name) > 2 && (Number.parseInt(flags, 8) & closeOnExec) === 0) closeSync(Number(name))
    } catch {
      // The one by which the folder was read is gone by now.
    }
  }
}

/** KEYCTL_JOIN_SESSION_KEYRING with no name: a new keyring, which nobody else has. */
const keyctl: Partial<Record<NodeJS.Architecture, number>> = { x64: 250, arm64: 219 }
const joinSession = 1

/**
 * PR_SET_DUMPABLE 0 and RLIMIT_CORE 0 on Linux, by way of koffi, which is optional; and a session keyring of the process's own,
 * since a sandbox has its parent's: there the account's programs keep what is no server's.
 */
export async function hardenProcess(): Promise<Hardening> {
  if (process.platform !== 'linux') return { memoryClosed: false, noCoreDumps: false }
  try {
    const { default: koffi } = await import('koffi')
    const libc = koffi.load('libc.so.6')
    const prctl = libc.func('int prctl(int, unsigned long, unsigned long, unsigned long, unsigned long)')
    const setrlimit = libc.func('int setrlimit(int, uint64_t *)')
    const prSetDumpable = 4
    const rlimitCore = 4
    const number = keyctl[process.arch]
    if (number !== undefined) libc.func('long syscall(long, ...)')(number, 'long', joinSession, 'void *', null)
    return { noCoreDumps: setrlimit(rlimitCore, [0, 0]) === 0, memoryClosed: prctl(prSetDumpable, 0, 0, 0, 0) === 0 }
  } catch {
    return { memoryClosed: false, noCoreDumps: false }
  }
}
