import type { Command } from 'commander'
import { z } from 'zod'
import { routes } from '../../api/schema.ts'
import { action, command } from '../context.ts'
import { plain, print, printJson } from '../output.ts'

export function updateCommand(): Command {
  return command('update', 'install a server’s package anew, and pin what it is now', 'jit update github')
    .argument('<server>', 'name of the server')
    .action(
      action(async ({ client, json }, name: string) => {
        const answer = z
          .object({ name: z.string(), before: z.string(), pin: z.string() })
          .parse(await client.call(routes.updateServer, { parameters: { name } }))
        if (json) return printJson(answer)
        print(answer.before === answer.pin ? `unchanged: ${plain(answer.pin)}` : `was  ${plain(answer.before)}\nis   ${plain(answer.pin)}`)
      }),
    )
}
