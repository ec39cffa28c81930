import type { Command } from 'commander'
import { z } from 'zod'
import { leaseView, routes } from '../../api/schema.ts'
import { action, command } from '../context.ts'
import { ago, inFuture, print, printJson, scopeText, table } from '../output.ts'

export function leasesCommand(): Command {
  return command('leases', 'credentials that are live, being ended, or of which that is not known', 'jit leases').action(
    action(async ({ client, json }) => {
      const found = z.array(leaseView).parse(await client.call(routes.leases))
      if (json) return printJson(found)
      if (found.length === 0) return print('No credential is live.')
      print(
        table(
          ['lease', 'state', 'server', 'minted', 'ends', 'scope'],
          found.map((lease) => [
            lease.id,
            lease.state,
            `${lease.server}/${lease.tool}`,
            ago(lease.startedAt),
            inFuture(lease.state === 'live' ? lease.expiresAt : lease.validUntil),
            scopeText(lease.scope),
          ]),
        ),
      )
    }),
  )
}
