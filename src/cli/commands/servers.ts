import type { Command } from 'commander'
import { z } from 'zod'
import { routes, serverView } from '../../api/schema.ts'
import { action, command } from '../context.ts'
import { table } from '../output/layout.ts'
import { sandboxNotes, sandboxWord } from '../output/sandbox.ts'
import { print, printJson } from '../output/terminal.ts'
import { plain } from '../output/text.ts'

export function serversCommand(): Command {
  return command('servers', 'list the MCP servers behind jit', 'jit servers').action(
    action(async ({ client, json }) => {
      const found = z.array(serverView).parse(await client.call(routes.servers))
      if (json) return printJson(found)
      if (found.length === 0) return print('No server is behind jit. `jit add --help` says how to put one there.')
      const rows = found.map(({ name, provider, mode, allow, ask, url, run, sandbox, transport }) => [
        name,
        provider || '-',
        mode || '-',
        String(allow.length),
        String(ask.length),
        sandboxWord(sandbox),
        url === '' ? run.join(' ') : `${url}${transport === 'sse' ? ' (sse)' : ''}`,
      ])
      print(table(['name', 'provider', 'mode', 'allowed', 'ask', 'sandbox', 'command or address'], rows))
      const notes = sandboxNotes(found)
      if (notes !== '') print(`\n${notes}`)
      const [first] = found
      if (first !== undefined && first.http !== '') print(`\nBy HTTP: ${plain(first.http.replace(/[^/]+$/, 'NAME'))}`)
    }),
  )
}
