import { userInfo } from 'node:os'
import { Command } from 'commander'
import { type ApplyView, applyView, routes } from '../../api/schema.ts'
import { JitError } from '../../core/errors.ts'
import { findPlaces } from '../../shim/paths.js'
import { changeTable, confirmWider } from '../changes.ts'
import { action, command } from '../context.ts'
import { problemText } from '../output/failure.ts'
import { colours, errorColours, note, print, printJson } from '../output/terminal.ts'
import { count, plain } from '../output/text.ts'

export function configCommand(): Command {
  return new Command('config')
    .description('check the config file, and let it take effect')
    .addHelpText('after', '\nExample:\n  $ jit config check && jit config apply')
    .addCommand(checkCommand())
    .addCommand(applyCommand())
    .addCommand(pathCommand())
}

function checkCommand(): Command {
  return command('check', 'try the config file without effect; says what would change', 'jit config check').action(
    action(async ({ client, json }) => {
      const view = applyView.parse(await client.call(routes.checkConfig, { body: {} }))
      if (json) printJson(view)
      if (view.problems.length > 0) return refuse(view, json)
      if (json) return
      if (view.changes.length > 0) print(`${changeTable(view)}\n`)
      warn(view)
      print(
        `${colours.green('✓')} the file is good${view.changes.length === 0 ? ', and says what is in force' : '; `jit config apply` lets it take effect'}`,
      )
    }),
  )
}

function applyCommand(): Command {
  return command('apply', 'let the config file take effect; shows what gets wider, and asks', 'jit config apply', 'jit config apply --yes')
    .option('--yes', 'do not ask')
    .action(
      action(async ({ client, json, options }) => {
        const preview = applyView.parse(await client.call(routes.applyConfig, { body: { dryRun: true } }))
        if (preview.problems.length > 0) {
          if (json) printJson(preview)
          return refuse(preview, json)
        }
        if (!json && preview.changes.length > 0) print(`${changeTable(preview)}\n`)
        if (!json) warn(preview)
        if (!options.flag('yes')) await confirmWider(preview, 'Apply?')
        // The digest binds the answer to the file that was shown.
        const view = applyView.parse(await client.call(routes.applyConfig, { body: { digest: preview.digest } }))
        if (json) return printJson(view)
        if (view.problems.length > 0) return refuse(view, json)
        print(
          `${colours.green('✓')} ${view.changes.length === 0 ? 'nothing changed in meaning' : `${count(view.changes.length, 'change')} in force`}`,
        )
      }),
    )
}

function pathCommand(): Command {
  return command('path', 'where the config file is', 'jit config path').action(
    action(async ({ json }) => {
      const { configFile } = await findPlaces(process.env['JIT_HOME'], userInfo().homedir)
      if (json) printJson({ path: configFile })
      else print(configFile)
    }),
  )
}

function warn({ warnings = [] }: ApplyView): void {
  for (const warning of warnings) note(plain(problemText(warning)))
}

/** The problems are the answer, so they are printed as errors even where the command asked a question. */
function refuse(view: ApplyView, json: boolean): void {
  process.exitCode = new JitError('config.invalid', '').exitCode
  if (json) return
  for (const problem of view.problems) process.stderr.write(`${errorColours.red('error:')} ${plain(problemText(problem))}\n`)
  const now =
    view.broken === true ? 'Every call is denied until it is corrected and `jit config apply` was run.' : 'The config in force goes on.'
  process.stderr.write(`${errorColours.yellow('hint:')}  Nothing changed. ${now}\n`)
}
