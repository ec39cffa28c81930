import type { Command } from 'commander'
import { z } from 'zod'
import { approvalView, routes } from '../../api/schema.ts'
import { action, command } from '../context.ts'
import { card, inFuture, plain, print, printJson, scopeText } from '../output.ts'

export function approvalsCommand(): Command {
  return command('approvals', 'calls that wait for a person', 'jit approvals').action(
    action(async ({ client, json }) => {
      const waiting = z.array(approvalView).parse(await client.call(routes.approvals))
      if (json) return printJson(waiting)
      if (waiting.length === 0) return print('Nothing waits for approval.')
      print(waiting.map(approvalCard).join('\n\n'))
    }),
  )
}

/** Everything the answer is bound to: the server’s own words are shown as text. */
export function approvalCard(approval: z.infer<typeof approvalView>): string {
  return card([
    ['id', approval.id],
    ['call', plain(`${approval.server} / ${approval.tool}`)],
    ['touches', plain(approval.resource)],
    ['arguments', plain(JSON.stringify(approval.args)).slice(0, 2000)],
    ['scope', approval.scope === undefined ? 'no credential' : plain(scopeText(approval.scope))],
    ['requests', approval.requests.map(plain).join('\n')],
    ['asked by', plain(`${approval.agent} for ${approval.human}`)],
    ['times out', inFuture(approval.expiresAt)],
  ])
}
