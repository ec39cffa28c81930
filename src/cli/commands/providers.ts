import type { Command } from 'commander'
import { z } from 'zod'
import { providerView, routes } from '../../api/schema.ts'
import { action, command } from '../context.ts'
import { print, printJson, table } from '../output.ts'

export function providersCommand(): Command {
  return command('providers', 'list the registered providers', 'jit providers').action(
    action(async ({ client, json }) => {
      const found = z.array(providerView).parse(await client.call(routes.providers))
      if (json) return printJson(found)
      if (found.length === 0) return print('No provider is registered. `jit login github-app` registers one.')
      print(
        table(
          ['name', 'kind', 'revocation', 'used by', 'upstream'],
          found.map((view) => [view.name, view.kind, view.revocation, view.servers.join(', ') || '-', view.origin]),
        ),
      )
    }),
  )
}
