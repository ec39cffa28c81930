import type { Command } from 'commander'
import { routes } from '../../api/schema.ts'
import { action, command } from '../context.ts'
import { print, printJson } from '../output.ts'

export function unlockCommand(): Command {
  return command('unlock', 'end `jit lock`', 'jit unlock').action(
    action(async ({ client, json }) => {
      const answer = await client.call(routes.unlock)
      if (json) printJson(answer)
      else print('unlocked: the policy decides again')
    }),
  )
}
