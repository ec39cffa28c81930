import colours from 'picocolors'
import type { Command } from 'commander'
import { doctorView, routes } from '../../api/schema.ts'
import { action, command } from '../context.ts'
import { plain, print, printJson } from '../output.ts'

export function doctorCommand(): Command {
  return command('doctor', 'what on this machine weakens or breaks it', 'jit doctor').action(
    action(async ({ client, json }) => {
      const { checks } = doctorView.parse(await client.call(routes.doctor))
      if (json) return printJson({ checks })
      const marks = { ok: colours.green('✓'), warn: colours.yellow('!'), fail: colours.red('✗') }
      const width = Math.max(...checks.map((check) => check.name.length))
      for (const check of checks) {
        print(`${marks[check.state]} ${check.name.padEnd(width)}  ${plain(check.found)}`)
        if (check.advice !== '') print(`  ${' '.repeat(width)}  ${colours.dim(plain(check.advice))}`)
      }
      if (checks.some((check) => check.state === 'fail')) process.exitCode = 1
    }),
  )
}
