import type { Command } from 'commander'
import { receipts, routes } from '../../api/schema.ts'
import { action, command } from '../context.ts'
import { print, printJson } from '../output.ts'
import { receiptLines } from '../receipts.ts'

export function lockCommand(): Command {
  return command('lock', 'panic: deny every call and revoke every credential, also after a restart', 'jit lock').action(
    action(async ({ client, json }) => {
      const answer = await client.call(routes.lock)
      if (json) return printJson(answer)
      print('locked: every call is denied until `jit unlock`')
      print(receiptLines(receipts.parse(answer).receipts))
    }),
  )
}
