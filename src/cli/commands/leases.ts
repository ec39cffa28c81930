import type { Command } from 'commander'
import { z } from 'zod'
import { leaseView, routes } from '../../api/schema.ts'
import { action, command } from '../context.ts'
import { table } from '../output/layout.ts'
import { scopeText } from '../output/scope.ts'
import { colours, print, printJson } from '../output/terminal.ts'
import { plain } from '../output/text.ts'
import { since, until } from '../output/time.ts'

const paints: Readonly<Record<string, (text: string) => string>> = { live: colours.green, lost: colours.red, irrevocable: colours.red }

export function leasesCommand(): Command {
  return command('leases', 'list the credentials that are live, or may be', 'jit leases').action(
    action(async ({ client, json }) => {
      const found = z.array(leaseView).parse(await client.call(routes.leases))
      if (json) return printJson(found)
      if (found.length === 0) return print('No credential is live.')
      const rows = found.map(({ id, state, server, tool, startedAt, expiresAt, validUntil, scope }) => [
        id,
        { text: state, paint: paints[state] ?? colours.yellow },
        since(startedAt),
        until(state === 'live' ? expiresAt : validUntil),
        `${server}/${tool}`,
        scopeText(scope),
      ])
      print(table(['lease', 'state', 'age', 'left', 'for', 'scope'], rows))
      for (const { id, error } of found) if (error !== '') print(`${colours.red('✗')} ${id}: ${plain(error)}`)
    }),
  )
}
