import type { StatusView } from '../../api/schema.ts'
import type { Routes } from './route.ts'
import { packageVersion } from '../installation.ts'
import type { Daemon } from '../types.ts'

export function statusRoutes(daemon: Daemon): Routes {
  return { status: () => readStatus(daemon) }
}

async function readStatus(daemon: Daemon): Promise<StatusView> {
  const { paths, configuration, sealer, broker, audit, gateway } = daemon
  const leases = broker.leases()
  const count = (...states: string[]): number => leases.filter((lease) => states.includes(lease.state)).length
  const problems = configuration.problems()
  return {
    version: packageVersion(),
    pid: process.pid,
    startedAt: daemon.startedAt,
    node: process.version,
    home: { config: paths.configFile, state: paths.state, runtime: paths.runtime, log: paths.logFile },
    locked: broker.locked,
    store: { state: sealer.state, key: sealer.key, note: sealer.note },
    config: {
      file: paths.configFile,
      digest: configuration.current.loaded.digest,
      appliedAt: configuration.appliedAt,
      pending: configuration.pending,
      problems: problems.length,
    },
    audit: { records: audit.head.seq, writable: audit.writable, head: audit.head.hash },
    leases: { live: count('live'), minting: count('minting'), outstanding: count('revoking', 'irrevocable'), lost: count('lost') },
    approvals: daemon.approvals.waiting().length,
    http: daemon.http.address,
    sessions: [
      ...daemon.sessions.list(),
      ...daemon.http.principals.list().map(({ principal, connections }) => ({ ...principal, connections })),
    ].map(({ session, agent, human, connections }) => ({ session, agent: agent.name, pid: agent.pid, human, connections })),
    servers: await Promise.all(
      Object.entries(configuration.current.loaded.config.servers).map(async ([name, server]) => ({
        name,
        lanes: gateway.lanes(name),
        pin: daemon.launcher.pin(name),
        lastError: gateway.lastError(name),
        sandbox: await daemon.sandbox.judge(server),
      })),
    ),
    warnings: warningsOf(daemon, problems.length, count('lost', 'irrevocable'), count('live', 'revoking')),
  }
}

function warningsOf(daemon: Daemon, problems: number, outstanding: number, sealed: number): string[] {
  const warnings: string[] = []
  if (daemon.broker.locked) warnings.push('locked: every call is denied until `jit unlock`')
  if (daemon.sealer.state === 'sealed') warnings.push('the secret store is sealed: run `jit unseal`')
  if (!daemon.audit.writable) warnings.push('the trail cannot be written: calls are refused')
  for (const problem of daemon.audit.problems) warnings.push(`the trail was changed: ${problem}; run \`jit audit verify\``)
  if (daemon.http.problem !== '') warnings.push(daemon.http.problem)
  const { broken } = daemon.configuration
  if (broken !== undefined)
    warnings.push(`the config in force is broken, so every call is denied: ${broken.message}; correct it, then run \`jit config apply\``)
  if (problems > 0 && daemon.configuration.pending)
    warnings.push(`the config file has ${problems} problem${problems === 1 ? '' : 's'} and is not in force: run \`jit config check\``)
  else if (daemon.configuration.pending) warnings.push('the config file changed and is not in force: run `jit config apply`')
  const waiting = daemon.sealer.state === 'sealed' ? sealed : 0
  if (waiting > 0)
    warnings.push(
      `${waiting} credential${waiting === 1 ? ' is' : 's are'} alive and sealed: revoked only after \`jit unseal\`, or when they expire`,
    )
  if (outstanding > 0)
    warnings.push(`${outstanding} credential${outstanding === 1 ? '' : 's'} may be alive upstream: \`jit leases\` lists them`)
  return warnings
}
