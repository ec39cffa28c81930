import type { Command } from 'commander'
import { receipts, routes } from '../../api/schema.ts'
import { JitError } from '../../core/errors.ts'
import { action, command } from '../context.ts'
import { print, printJson } from '../output.ts'
import { receiptLines } from '../receipts.ts'

export function revokeCommand(): Command {
  return command('revoke', 'cut credentials off at once, here and upstream, with receipts', 'jit revoke --all')
    .argument('[lease]', 'one lease')
    .option('--all', 'every lease')
    .option('--server <name>', 'those of one server')
    .option('--provider <name>', 'those of one provider')
    .option('--session <id>', 'those of one session')
    .action(
      action(async ({ client, json }, lease: string | undefined, options: Record<string, unknown>) => {
        const selectors = [
          ...(options['all'] === true ? [{ all: true }] : []),
          ...['server', 'provider', 'session'].flatMap((key) => (options[key] === undefined ? [] : [{ [key]: options[key] }])),
          ...(lease === undefined ? [] : [{ lease }]),
        ]
        if (selectors.length !== 1) throw new JitError('usage', 'say which: --all, --server, --provider, --session, or one lease')
        const answer = receipts.parse(await client.call(routes.revoke, { body: selectors[0] }))
        if (json) printJson(answer)
        else print(receiptLines(answer.receipts))
      }),
    )
}
