import type { Command } from 'commander'
import { z } from 'zod'
import { receipts, routes } from '../../api/schema.ts'
import { JitError, quote } from '../../core/errors.ts'
import type { Client } from '../client.ts'
import { action, command, type Options } from '../context.ts'
import { withProgress } from '../output/progress.ts'
import { print, printFolded, printJson } from '../output/terminal.ts'
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
        if (answer.receipts.length === 0) await refuseUnknown(client, options)
        if (json) return printJson(answer)
        if (answer.receipts.length > 0) print(`${receiptTable(answer.receipts)}\n`)
        printFolded(receiptSummary(answer.receipts))
      }),
    )
}

/** Nothing was live under a name that nothing has: in a hurry, that would read as if something had been cut. */
async function refuseUnknown(client: Client, options: Options): Promise<void> {
  for (const kind of ['server', 'provider'] as const) {
    const name = options.text(kind)
    if (name === undefined) continue
    const list = await client.call(kind === 'server' ? routes.servers : routes.providers)
    const known = z.array(z.object({ name: z.string() })).parse(list)
    if (known.some((each) => each.name === name)) continue
    const names = known.map((each) => each.name).join(', ')
    throw new JitError('not-found', `nothing was revoked: there is no ${kind} ${quote(name)}`, {
      hint: `${names === '' ? '' : `There is ${names}. `}\`jit revoke --all\` cuts everything.`,
    })
  }
}
