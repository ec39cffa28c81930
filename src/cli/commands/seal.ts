import type { Command } from 'commander'
import { receipts, routes } from '../../api/schema.ts'
import { action, command } from '../context.ts'
import { print, printJson } from '../output.ts'
import { readPassphrase } from '../passphrase.ts'
import { receiptLines } from '../receipts.ts'

export function sealCommand(): Command {
  return command('seal', 'close the secret store: no credential can be minted until `jit unseal`', 'jit seal --passphrase')
    .option('--passphrase', 'from now on the store opens with a passphrase only (asked for, or the first line of stdin)')
    .action(
      action(async ({ client, json }, options: Record<string, unknown>) => {
        const passphrase = options['passphrase'] === true ? await readPassphrase('New passphrase:', true) : undefined
        const answer = await client.call(routes.seal, { body: passphrase === undefined ? {} : { passphrase } })
        if (json) return printJson(answer)
        print('the secret store is sealed')
        const ended = receipts.parse(answer).receipts
        if (ended.length > 0) print(receiptLines(ended))
      }),
    )
}
