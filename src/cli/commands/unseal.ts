import type { Command } from 'commander'
import { z } from 'zod'
import { routes, statusView } from '../../api/schema.ts'
import { action, command } from '../context.ts'
import { colours, printFolded, printJson } from '../output/terminal.ts'
import { plain } from '../output/text.ts'
import { readPassphrase } from '../passphrase.ts'

const view = z.object({ state: z.string(), key: z.string(), note: z.string() })

export function unsealCommand(): Command {
  return command('unseal', 'open the secret store; a passphrase is asked for, or read from stdin', 'jit unseal').action(
    action(async ({ client, json }) => {
      const { store } = statusView.parse(await client.call(routes.status))
      const passphrase = store.state === 'sealed' && store.key === 'passphrase' ? await readPassphrase('Passphrase:', false) : undefined
      const answer = view.parse(await client.call(routes.unseal, { body: passphrase === undefined ? {} : { passphrase } }))
      if (json) printJson(answer)
      else printFolded(`${colours.green('✓')} the secret store is ${plain(answer.state)}; ${plain(answer.note)}`)
    }),
  )
}
