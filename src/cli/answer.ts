import type { Command } from 'commander'
import { z } from 'zod'
import { approvalView, routes } from '../api/schema.ts'
import { JitError, quote } from '../core/errors.ts'
import { approvalCard } from './commands/approvals.ts'
import { action, command } from './context.ts'
import { print, printJson } from './output.ts'

/** `approve` and `deny`: bound to the digest of the call that is shown. */
export function answerCommand(name: 'approve' | 'deny', answer: 'approved' | 'denied', summary: string): Command {
  return command(name, summary, `jit ${name} approval_7k2m9x0q4r8s1t5v`)
    .argument('<id>', 'id from `jit approvals`')
    .action(
      action(async ({ client, json }, id: string) => {
        const waiting = z.array(approvalView).parse(await client.call(routes.approvals))
        const found = waiting.find((approval) => approval.id === id)
        if (found === undefined)
          throw new JitError('not-found', `no call waits under ${quote(id)}`, {
            hint: '`jit approvals` lists what waits; it may have timed out.',
          })
        const done = await client.call(routes.answer, { parameters: { id }, body: { answer, digest: found.digest } })
        if (json) return printJson(done)
        print(approvalCard(found))
        print(`\n${answer}`)
      }),
    )
}
