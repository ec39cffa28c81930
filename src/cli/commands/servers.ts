import type { Command } from 'commander'
import { z } from 'zod'
import { routes, serverView } from '../../api/schema.ts'
import { action, command } from '../context.ts'
import { print, printJson, table } from '../output.ts'

export function serversCommand(): Command {
  return command('servers', 'list the MCP servers behind jit', 'jit servers').action(
    action(async ({ client, json }) => {
      const found = z.array(serverView).parse(await client.call(routes.servers))
      if (json) return printJson(found)
      if (found.length === 0) return print('No server is behind jit. `jit add` puts one there.')
      print(
        table(
          ['name', 'provider', 'mode', 'allow', 'ask', 'command'],
          found.map((view) => [
            view.name,
            view.provider || '-',
            view.mode || '-',
            String(view.allow.length),
            String(view.ask.length),
            view.url || view.run.join(' '),
          ]),
        ),
      )
    }),
  )
}
