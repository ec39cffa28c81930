import type { Command } from 'commander'
import { z } from 'zod'
import { routes } from '../../api/schema.ts'
import { action, command } from '../context.ts'
import { card } from '../output/layout.ts'
import { pinText } from '../output/pin.ts'
import { registryEnvironment } from '../registry.ts'
import { withProgress } from '../output/progress.ts'
import { colours, print, printFolded, printJson } from '../output/terminal.ts'
import { plain } from '../output/text.ts'

const view = z.object({ name: z.string(), before: z.string(), pin: z.string() })
/** A package may have to be installed. */
const deadline = 240_000

export function updateCommand(): Command {
  return command('update', 'install a server’s program anew, and pin it', 'jit update github')
    .argument('<server>', 'name of the server')
    .action(
      action(async ({ client, json, args: [name = ''] }) => {
        const work = client.call(routes.updateServer, { parameters: { name }, body: { registry: registryEnvironment() }, deadline })
        const { before, pin, ...rest } = view.parse(await withProgress(`installing and pinning ${plain(name)}`, work))
        if (json) return printJson({ ...rest, before, pin })
        if (before === pin) return print(`unchanged: ${pinText(pin)}`)
        printFolded(`${colours.green('✓')} ${plain(name)} is pinned anew; what runs of it goes on until its client reconnects`)
        print(
          card([
            ['was', pinText(before)],
            ['is', pinText(pin)],
          ]),
        )
      }),
    )
}
