import type { Command } from 'commander'
import { routes } from '../../api/schema.ts'
import { action, command } from '../context.ts'
import { colours, print, printJson } from '../output/terminal.ts'

export function unlockCommand(): Command {
  return command('unlock', 'end `jit lock`; the policy decides again', 'jit unlock').action(
    action(async ({ client, json }) => {
      const answer = await client.call(routes.unlock)
      if (json) printJson(answer)
      else print(`${colours.green('✓')} unlocked: the policy decides again`)
    }),
  )
}
