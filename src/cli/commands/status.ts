import colours from 'picocolors'
import type { Command } from 'commander'
import { routes, statusView } from '../../api/schema.ts'
import { action, command } from '../context.ts'
import { ago, card, plain, print, printJson, table } from '../output.ts'

export function statusCommand(): Command {
  return command('status', 'what runs, and what needs attention', 'jit status').action(
    action(async ({ client, json }) => {
      const status = statusView.parse(await client.call(routes.status, { noStart: true }))
      if (json) return printJson(status)
      for (const warning of status.warnings) print(`${colours.yellow('!')} ${plain(warning)}`)
      if (status.warnings.length > 0) print()
      const { leases } = status
      print(
        card([
          ['daemon', `${status.version}, pid ${status.pid}, started ${ago(status.startedAt)}`],
          ['config', `${status.config.file}, in force since ${ago(status.config.appliedAt).replace(' ago', '')}`],
          ['store', `${status.store.state}; ${status.store.note}`],
          ['trail', `${status.audit.records} records`],
          [
            'leases',
            `${leases.live} live${leases.minting > 0 ? `, ${leases.minting} being minted` : ''}${leases.outstanding > 0 ? `, ${leases.outstanding} to revoke` : ''}${leases.lost > 0 ? `, ${leases.lost} unknown` : ''}`,
          ],
          ['approvals', status.approvals === 0 ? '' : `${status.approvals} wait: jit approvals`],
        ]),
      )
      if (status.sessions.length > 0)
        print(
          `\n${table(
            ['session', 'agent', 'pid', 'connections'],
            status.sessions.map((session) => [session.session, session.agent, String(session.pid), String(session.connections)]),
          )}`,
        )
      const lanes = status.servers.flatMap((server) =>
        server.lanes.length === 0
          ? [[server.name, '-', '-', '-', server.lastError]]
          : server.lanes.map((lane) => [server.name, String(lane.pid), lane.partition || '-', String(lane.inFlight), server.lastError]),
      )
      if (lanes.length > 0) print(`\n${table(['server', 'pid', 'partition', 'in flight', 'last error'], lanes)}`)
    }),
  )
}
