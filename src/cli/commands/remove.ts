import type { Command } from 'commander'
import { receipts, routes } from '../../api/schema.ts'
import { action, command } from '../context.ts'
import { plain, print, printJson } from '../output.ts'
import { receiptLines } from '../receipts.ts'

export function removeCommand(): Command {
  return command('remove', 'take a server out: what runs of it ends, its leases are revoked', 'jit remove github')
    .argument('<server>', 'name of the server')
    .action(
      action(async ({ client, json }, name: string) => {
        const answer = await client.call(routes.removeServer, { parameters: { name } })
        if (json) return printJson(answer)
        print(`${plain(name)} is removed`)
        const ended = receipts.parse(answer).receipts
        if (ended.length > 0) print(receiptLines(ended))
      }),
    )
}
