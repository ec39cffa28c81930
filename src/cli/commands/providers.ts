import type { Command } from 'commander'
import { z } from 'zod'
import { providerView, routes } from '../../api/schema.ts'
import { action, command } from '../context.ts'
import { table } from '../output/layout.ts'
import { print, printJson } from '../output/terminal.ts'

export function providersCommand(): Command {
  return command('providers', 'list where credentials come from', 'jit providers').action(
    action(async ({ client, json }) => {
      const found = z.array(providerView).parse(await client.call(routes.providers))
      if (json) return printJson(found)
      if (found.length === 0) return print('No provider is registered. `jit login github-app` registers one.')
      const rows = found.map(({ name, kind, origin, revocation, servers }) => [
        name,
        kind,
        origin,
        servers.join(', ') || '-',
        truth(revocation),
      ])
      print(table(['name', 'kind', 'upstream', 'used by', 'can be revoked'], rows))
    }),
  )
}

const truths: Readonly<Record<string, string>> = {
  immediate: 'at once',
  policy: 'by a policy',
  expiry: 'no: it expires',
  never: 'here only: the key lives on there',
}

function truth(revocation: string): string {
  return truths[revocation] ?? revocation
}
