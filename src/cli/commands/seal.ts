import type { Command } from 'commander'
import { routes } from '../../api/schema.ts'
import { action, command } from '../context.ts'
import { colours, print, printJson } from '../output/terminal.ts'
import { readPassphrase } from '../passphrase.ts'
import { printReceipts } from '../receipts.ts'

export function sealCommand(): Command {
  return command('seal', 'close the secret store: no credential can be minted until `jit unseal`', 'jit seal', 'jit seal --passphrase')
    .option('--passphrase', 'from now on the store opens with a passphrase only (asked for, or the first line of stdin)')
    .action(
      action(async ({ client, json, options }) => {
        const passphrase = options.flag('passphrase') ? await readPassphrase('New passphrase:', true) : undefined
        const answer = await client.call(routes.seal, { body: passphrase === undefined ? {} : { passphrase } })
        if (json) return printJson(answer)
        print(`${colours.green('✓')} the secret store is sealed; \`jit unseal\` opens it`)
        printReceipts(answer)
      }),
    )
}
