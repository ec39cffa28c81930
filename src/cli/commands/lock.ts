import type { Command } from 'commander'
import { receipts, routes } from '../../api/schema.ts'
import { action, command } from '../context.ts'
import { colours, print, printFolded, printJson } from '../output/terminal.ts'
import { receiptSummary, receiptTable } from '../receipts.ts'

export function lockCommand(): Command {
  return command('lock', 'deny every call and revoke every credential: for a panic; it stays through restarts', 'jit lock').action(
    action(async ({ client, json }) => {
      const answer = await client.call(routes.lock)
      if (json) return printJson(answer)
      const ended = receipts.parse(answer).receipts
      if (ended.length > 0) print(`${receiptTable(ended)}\n`)
      printFolded(`${colours.red('locked')}: every call is denied until \`jit unlock\`; ${receiptSummary(ended)}`)
    }),
  )
}
