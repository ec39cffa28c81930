import { userInfo } from 'node:os'
import type { Command } from 'commander'
import { routes, type StatusView, statusView } from '../../api/schema.ts'
import { action, command } from '../context.ts'
import { card, table } from '../output/layout.ts'
import { sandboxNotes, sandboxWord } from '../output/sandbox.ts'
import { colours, print, printJson } from '../output/terminal.ts'
import { count, plain } from '../output/text.ts'
import { since } from '../output/time.ts'

export function statusCommand(): Command {
  return command('status', 'what runs, and what needs attention; never starts a daemon', 'jit status').action(
    action(async ({ client, json }) => {
      const status = statusView.parse(await client.call(routes.status, { noStart: true }))
      if (json) printJson(status)
      else print(statusScreen(status))
    }),
  )
}

/** Warnings first, then the daemon, then who uses what. */
export function statusScreen(status: StatusView, now = Date.now()): string {
  const blocks = [
    status.warnings.map((warning) => `${colours.yellow('!')} ${plain(warning)}`).join('\n'),
    daemonCard(status, now),
    sessionTable(status),
    serverTable(status, now),
    sandboxNotes(status.servers),
    lastErrors(status),
  ]
  return blocks.filter((block) => block !== '').join('\n\n')
}

function daemonCard(
  { version, pid, node, startedAt, config, store, audit, leases, approvals, home, http }: StatusView,
  now: number,
): string {
  const live = [
    count(leases.live, 'live credential'),
    ...(leases.minting > 0 ? [`${leases.minting} being minted`] : []),
    ...(leases.outstanding > 0 ? [colours.yellow(`${leases.outstanding} still to be revoked`)] : []),
    ...(leases.lost > 0 ? [colours.red(`${leases.lost} of unknown fate`)] : []),
  ]
  return card([
    ['daemon', `${colours.green('●')} ${plain(version)} on Node ${plain(node.replace(/^v/, ''))}, pid ${pid}, up ${since(startedAt, now)}`],
    ['config', `${plain(short(config.file))}, in force for ${since(config.appliedAt, now)}`],
    ['store', `${store.state === 'open' ? 'open' : colours.yellow('sealed')}; ${plain(store.note)}`],
    ['trail', `${count(audit.records, 'record')}${audit.writable ? '' : colours.red(', not writable')}`],
    ['leases', live.join(', ')],
    ['approvals', approvals === 0 ? '' : colours.yellow(`${count(approvals, 'call')} waiting: jit approvals`)],
    ['http', http === '' ? '' : plain(`${http}/mcp/SERVER`)],
    ['log', plain(short(home.log))],
  ])
}

function sessionTable({ sessions }: StatusView): string {
  if (sessions.length === 0) return ''
  return table(
    ['agent', 'pid', 'for', 'servers', 'session'],
    sessions.map(({ agent, pid, human, connections, session }) => [
      agent,
      pid === 0 ? '-' : String(pid),
      human,
      String(connections),
      session,
    ]),
  )
}

function serverTable({ servers }: StatusView, now: number): string {
  if (servers.length === 0) return ''
  const rows = servers.flatMap(({ name, lanes, sandbox }) =>
    lanes.length === 0
      ? [[name, { text: 'idle', paint: colours.dim }, '', '', sandboxWord(sandbox), '']]
      : lanes.map(({ pid, startedAt, inFlight, partition }) => [
          name,
          // A remote server is no process of ours: a lane is one session with it.
          pid === 0 ? 'remote' : `pid ${pid}`,
          since(startedAt, now),
          String(inFlight),
          sandboxWord(sandbox),
          partition || '-',
        ]),
  )
  return table(['server', 'process', 'age', 'in flight', 'sandbox', 'lane'], rows)
}

function lastErrors({ servers }: StatusView): string {
  return servers
    .filter(({ lastError }) => lastError !== '')
    .map(({ name, lastError }) => `${colours.red('✗')} ${plain(name)}: ${plain(lastError)}`)
    .join('\n')
}

function short(path: string): string {
  const home = userInfo().homedir
  return path.startsWith(`${home}/`) ? `~${path.slice(home.length)}` : path
}
