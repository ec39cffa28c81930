import type { Command } from 'commander'
import { z } from 'zod'
import { approvalView, routes } from '../api/schema.ts'
import { JitError, quote } from '../core/errors.ts'
import { type Approval, approvalCard } from './approval-card.ts'
import { action, command } from './context.ts'
import { colours, print, printJson } from './output/terminal.ts'

/** Shorter, and the id could be of a call that came in between. */
const shortestPrefix = 4

/** `approve` and `deny`: bound to the digest of the call that is shown. */
export function answerCommand(name: 'approve' | 'deny', answer: 'approved' | 'denied', summary: string): Command {
  return command(name, summary, `jit ${name} approval_7k2m9x0q4r8s1t5v`, `jit ${name} 7k2m`)
    .argument('<id>', 'id from `jit approvals`, or its first letters')
    .action(
      action(async ({ client, json, args: [id = ''] }) => {
        const found = pick(z.array(approvalView).parse(await client.call(routes.approvals)), id)
        if (!json) print(`${approvalCard(found)}\n`)
        const done = await client.call(routes.answer, { parameters: { id: found.id }, body: { answer, digest: found.digest } })
        if (json) printJson(done)
        else print(answer === 'approved' ? `${colours.green('✓')} approved, this once` : `${colours.yellow('✗')} denied`)
      }),
    )
}

/** The one that is meant; never a guess among several. */
export function pick(waiting: readonly Approval[], id: string): Approval {
  const exact = waiting.find((approval) => approval.id === id)
  if (exact !== undefined) return exact
  const bare = id.replace(/^approval_/, '')
  const near = bare.length < shortestPrefix ? [] : waiting.filter((approval) => approval.id.replace(/^approval_/, '').startsWith(bare))
  const [only, ...others] = near
  if (others.length > 0)
    throw new JitError('usage', `${quote(id)} is the beginning of ${near.length} ids`, {
      hint: 'Give more of it: `jit approvals` lists them.',
    })
  if (only === undefined)
    throw new JitError('not-found', `no call waits under ${quote(id)}`, {
      hint: '`jit approvals` lists what waits; this one may have been answered, or timed out.',
    })
  return only
}
