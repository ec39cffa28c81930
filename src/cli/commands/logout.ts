import type { Command } from 'commander'
import { receipts, routes } from '../../api/schema.ts'
import { action, command } from '../context.ts'
import { plain, print, printJson } from '../output.ts'
import { receiptLines } from '../receipts.ts'

export function logoutCommand(): Command {
  return command('logout', 'forget a provider: its leases are revoked, its sealed secret is deleted', 'jit logout acme')
    .argument('<name>', 'name of the provider')
    .action(
      action(async ({ client, json }, name: string) => {
        const answer = await client.call(routes.removeProvider, { parameters: { name } })
        if (json) return printJson(answer)
        print(`${plain(name)} is forgotten`)
        const ended = receipts.parse(answer).receipts
        if (ended.length > 0) print(receiptLines(ended))
      }),
    )
}
