import { existsSync, lstatSync } from 'node:fs'
import { formatProblem } from '../../config/problems.ts'
import type { ServerConfig } from '../../config/schema.ts'
import type { DoctorView } from '../../api/schema.ts'
import type { Verdict } from '../../sandbox/types.ts'
import type { Routes } from './route.ts'
import type { Daemon } from '../types.ts'

type Check = DoctorView['checks'][number]

const koffi = process.platform === 'linux' ? 'Install the optional package koffi, then `jit stop`.' : 'jit can do this on Linux only.'

/** What on this machine weakens or breaks it, each with what to do. */
export function doctorRoutes(daemon: Daemon): Routes {
  return {
    doctor: async (): Promise<DoctorView> => {
      const trail = await daemon.audit.verify()
      const leases = daemon.broker.leases()
      const unsure = leases.filter((lease) => lease.state === 'lost' || lease.state === 'irrevocable').length
      return {
        checks: [
          check('daemon', 'ok', `pid ${process.pid}, Node ${process.version}, log ${daemon.paths.logFile}`, ''),
          check(
            'folders',
            isPrivate(daemon.paths.state) && isPrivate(daemon.paths.runtime) ? 'ok' : 'fail',
            `${daemon.paths.state}, ${daemon.paths.runtime}`,
            'They must be yours and closed to others: `chmod 700` them.',
          ),
          check('store key', daemon.sealer.key === 'file' ? 'warn' : 'ok', daemon.sealer.note, ''),
          check(
            'store',
            daemon.sealer.state === 'open' ? 'ok' : 'warn',
            daemon.sealer.state,
            daemon.sealer.state === 'open' ? '' : 'Run `jit unseal`.',
          ),
          check('config', configState(daemon), configFound(daemon), configAdvice(daemon)),
          check(
            'audit trail',
            trail.ok && daemon.audit.writable ? 'ok' : 'fail',
            trail.ok
              ? `whole and unchanged${daemon.audit.writable ? '' : ', but it cannot be written: every call is refused'}`
              : (trail.problems[0]?.message ?? ''),
            trail.ok ? 'Free space on its disk; calls resume by themselves.' : 'Run `jit audit verify`, and keep a copy.',
          ),
          check(
            'credentials',
            unsure > 0 ? 'warn' : 'ok',
            unsure > 0 ? `${unsure} may still be alive upstream` : 'none is alive that should not be',
            unsure > 0 ? '`jit leases` lists them and until when.' : '',
          ),
          check(
            'who connects',
            daemon.peerKnown ? 'ok' : 'warn',
            daemon.peerKnown ? 'the kernel says which program it is' : 'only the program itself says which one it is',
            daemon.peerKnown ? '' : koffi,
          ),
          check(
            'memory',
            daemon.hardening.memoryClosed ? 'ok' : 'warn',
            daemon.hardening.memoryClosed
              ? 'of the daemon, closed to other programs of this account'
              : 'of the daemon, readable by other programs of this account',
            daemon.hardening.memoryClosed ? '' : koffi,
          ),
          check(
            'approvals',
            'warn',
            'answered from the command line',
            'Any program of this account can run `jit approve`: that a person is there is not checked yet.',
          ),
          ...(await sandboxChecks(daemon)),
          ...remoteServers(daemon),
        ],
      }
    },
  }
}

function check(name: string, state: Check['state'], found: string, advice: string): Check {
  return { name, state, found, advice: state === 'ok' ? '' : advice }
}

/** What the machine can do, then each local server that runs without, and each that cannot be shown what it declares. */
async function sandboxChecks({ sandbox, configuration }: Daemon): Promise<Check[]> {
  const machine = await sandbox.machine(true)
  const found = machine.used
    ? `${machine.kind}: ${machine.reason}`
    : `${machine.reason}, so local servers can read your files, use the network and look at your other programs`
  const servers = Object.entries(configuration.current.loaded.config.servers)
  const each = await Promise.all(servers.map(async ([name, server]) => ({ name, server, verdict: await sandbox.judge(server) })))
  // Without a sandbox on the machine that one line says it for all, but for a server that must have one.
  const weak = each.filter(
    ({ server, verdict }) =>
      server.run !== undefined && (!verdict.used || verdict.network === 'machine') && (machine.used || server.sandbox === 'on'),
  )
  return [
    check('sandbox', machine.used && machine.advice === '' ? 'ok' : 'warn', found, machine.advice),
    ...weak.map(({ name, server, verdict }) =>
      check(`sandbox: ${name}`, server.sandbox === 'on' && !verdict.used ? 'fail' : 'warn', sandboxOf(verdict, server), verdict.advice),
    ),
    // Found here, and not only by the first call: a folder may have gone since it was declared.
    ...each.flatMap(({ name, verdict }) => {
      const problem = verdict.used ? sandbox.problem(name) : undefined
      return problem === undefined ? [] : [check(`server ${name}`, 'fail', `does not start: ${problem.message}`, problem.hint)]
    }),
  ]
}

function sandboxOf({ used, reason }: Verdict, { sandbox }: ServerConfig): string {
  if (used) return reason
  return sandbox === 'on'
    ? `it must have one and does not start: ${reason}`
    : `runs without one: ${reason}; it can read your files and use the network`
}

/** What is known of each from its use: nothing is asked for this. */
function remoteServers({ configuration, gateway }: Daemon): Check[] {
  return Object.entries(configuration.current.loaded.config.servers).flatMap(([name, { url, provider, startup }]) => {
    if (url === undefined) return []
    const failed = gateway.lastError(name)
    const lists = provider === undefined || startup !== undefined ? '' : '; its lists are asked for without a credential (no `startup`)'
    return [
      check(
        `remote server ${name}`,
        failed === '' ? 'ok' : 'warn',
        failed === '' ? `${new URL(url).origin}${lists}` : failed,
        'What its own people and its machine may do with a credential that it got, jit cannot see.',
      ),
    ]
  })
}

function configState(daemon: Daemon): Check['state'] {
  if (daemon.configuration.broken !== undefined || daemon.configuration.problems().length > 0) return 'fail'
  return daemon.configuration.pending ? 'warn' : 'ok'
}

function configAdvice(daemon: Daemon): string {
  return daemon.configuration.problems().length > 0
    ? '`jit config check` says what is wrong and where; then `jit config apply`.'
    : 'The file has changed since: `jit config apply`.'
}

function configFound({ configuration, paths }: Daemon): string {
  if (configuration.broken !== undefined) return `what is in force is broken, so every call is denied: ${configuration.broken.message}`
  const [problem] = configuration.problems()
  if (problem === undefined) return existsSync(paths.configFile) ? `${paths.configFile} is in force` : 'nothing is allowed yet'
  return `the file is not in force: ${formatProblem(problem)}`
}

function isPrivate(folder: string): boolean {
  const found = lstatSync(folder)
  return found.isDirectory() && (found.mode & 0o077) === 0 && found.uid === process.getuid?.()
}
