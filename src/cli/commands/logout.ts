import type { Command } from 'commander'
import { z } from 'zod'
import { routes } from '../../api/schema.ts'
import { action, command } from '../context.ts'
import { colours, print, printFolded, printJson } from '../output/terminal.ts'
import { plain } from '../output/text.ts'
import { printReceipts } from '../receipts.ts'

/** Where the registration was a login of its own: what became of it upstream. */
const withLogin = z.object({ login: z.looseObject({ outcome: z.string(), detail: z.string().optional() }).optional() })

export function logoutCommand(): Command {
  return command('logout', 'forget a provider: its credentials are revoked, its sealed secret is deleted', 'jit logout acme')
    .argument('<name>', 'name of the provider')
    .action(
      action(async ({ client, json, args: [name = ''] }) => {
        const answer = await client.call(routes.removeProvider, { parameters: { name } })
        if (json) return printJson(answer)
        print(`${colours.green('✓')} ${plain(name)} is forgotten`)
        printReceipts(answer)
        const { login } = withLogin.parse(answer)
        if (login !== undefined) printFolded(`  ${loginText(login)}`, 2)
      }),
    )
}

function loginText({ outcome, detail = '' }: { readonly outcome: string; readonly detail?: string | undefined }): string {
  if (outcome === 'revoked') return 'the login is over upstream too'
  return colours.yellow(`the login may live on upstream${detail === '' ? '' : `: ${plain(detail)}`}`)
}
