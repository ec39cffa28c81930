import type { Command } from 'commander'
import { routes } from '../../api/schema.ts'
import { action, command } from '../context.ts'
import { colours, print, printJson } from '../output/terminal.ts'
import { plain } from '../output/text.ts'
import { printReceipts } from '../receipts.ts'

export function logoutCommand(): Command {
  return command('logout', 'forget a provider: its credentials are revoked, its sealed secret is deleted', 'jit logout acme')
    .argument('<name>', 'name of the provider')
    .action(
      action(async ({ client, json, args: [name = ''] }) => {
        const answer = await client.call(routes.removeProvider, { parameters: { name } })
        if (json) return printJson(answer)
        print(`${colours.green('✓')} ${plain(name)} is forgotten`)
        printReceipts(answer)
      }),
    )
}
