import type { Command } from 'commander'
import { z } from 'zod'
import { routes, statusView } from '../../api/schema.ts'
import { action, command } from '../context.ts'
import { plain, print, printJson } from '../output.ts'
import { readPassphrase } from '../passphrase.ts'

export function unsealCommand(): Command {
  return command('unseal', 'open the secret store', 'jit unseal').action(
    action(async ({ client, json }) => {
      const { store } = statusView.parse(await client.call(routes.status))
      const passphrase = store.state === 'sealed' && store.key === 'passphrase' ? await readPassphrase('Passphrase:', false) : undefined
      const answer = z
        .object({ state: z.string(), key: z.string(), note: z.string() })
        .parse(await client.call(routes.unseal, { body: passphrase === undefined ? {} : { passphrase } }))
      if (json) printJson(answer)
      else print(`the secret store is ${answer.state}; ${plain(answer.note)}`)
    }),
  )
}
