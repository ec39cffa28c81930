import type { Command } from 'commander'
import { z } from 'zod'
import { approvalView, routes } from '../../api/schema.ts'
import { approvalCard } from '../approval-card.ts'
import { action, command } from '../context.ts'
import { colours, print, printJson } from '../output/terminal.ts'
import { plain } from '../output/text.ts'

export function approvalsCommand(): Command {
  return command('approvals', 'list the calls that wait for a person', 'jit approvals').action(
    action(async ({ client, json }) => {
      const waiting = z.array(approvalView).parse(await client.call(routes.approvals))
      if (json) return printJson(waiting)
      if (waiting.length === 0) return print('Nothing waits for approval.')
      for (const approval of waiting) print(`${approvalCard(approval)}\n`)
      print(answerWith(waiting.map(({ id }) => id)))
    }),
  )
}

/** What to type: with the id where there is one only. */
export function answerWith(ids: readonly string[]): string {
  const [only = '', ...others] = ids
  if (others.length > 0) return `${colours.dim('answer with')} jit approve ID ${colours.dim('or')} jit deny ID`
  return `${colours.dim('answer with')} jit approve ${plain(only)}\n${colours.dim('         or')} jit deny ${plain(only)}`
}
