import type { Command } from 'commander'
import { routes } from '../../api/schema.ts'
import { action, command } from '../context.ts'
import { colours, print, printJson } from '../output/terminal.ts'
import { plain } from '../output/text.ts'
import { printReceipts } from '../receipts.ts'

export function removeCommand(): Command {
  return command('remove', 'take a server out: what runs of it ends, its credentials are revoked', 'jit remove github')
    .argument('<server>', 'name of the server')
    .action(
      action(async ({ client, json, args: [name = ''] }) => {
        const answer = await client.call(routes.removeServer, { parameters: { name } })
        if (json) return printJson(answer)
        print(`${colours.green('✓')} ${plain(name)} is removed`)
        printReceipts(answer)
      }),
    )
}
