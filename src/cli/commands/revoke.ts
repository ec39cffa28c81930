import type { Command } from 'commander'
import { receipts, routes } from '../../api/schema.ts'
import { JitError } from '../../core/errors.ts'
import { action, command } from '../context.ts'
import { withProgress } from '../output/progress.ts'
import { print, printJson } from '../output/terminal.ts'
import { receiptSummary, receiptTable } from '../receipts.ts'

const selectors = ['server', 'provider', 'session'] as const

export function revokeCommand(): Command {
  return command(
    'revoke',
    'cut credentials off at once, here and upstream; prints what the upstream confirmed',
    'jit revoke --all',
    'jit revoke --server github',
  )
    .argument('[lease]', 'one credential, by its id in `jit leases`')
    .option('--all', 'every one')
    .option('--server <name>', 'those of one server')
    .option('--provider <name>', 'those of one provider')
    .option('--session <id>', 'those of one session of an agent')
    .action(
      action(async ({ client, json, args: [lease], options }) => {
        const chosen = [
          ...(options.flag('all') ? [{ all: true }] : []),
          ...selectors.flatMap((key) => (options.text(key) === undefined ? [] : [{ [key]: options.text(key) }])),
          ...(lease === undefined ? [] : [{ lease }]),
        ]
        const [body, ...more] = chosen
        if (body === undefined)
          throw new JitError('usage', 'which credentials?', {
            hint: 'Say --all, --server NAME, --provider NAME, --session ID, or one lease.',
          })
        if (more.length > 0) throw new JitError('usage', 'only one of --all, --server, --provider, --session and a lease can be given')
        const answer = receipts.parse(await withProgress('revoking upstream', client.call(routes.revoke, { body })))
        if (json) return printJson(answer)
        if (answer.receipts.length > 0) print(`${receiptTable(answer.receipts)}\n`)
        print(receiptSummary(answer.receipts))
      }),
    )
}
