import colours from 'picocolors'
import { Command } from 'commander'
import { type ApplyView, applyView, routes, statusView } from '../../api/schema.ts'
import { JitError } from '../../core/errors.ts'
import { action, command } from '../context.ts'
import { plain, print, printJson, problemText } from '../output.ts'

export function configCommand(): Command {
  const config = new Command('config').description('check the config file, and let it take effect')
  config.addCommand(checkCommand())
  config.addCommand(applyCommand())
  config.addCommand(pathCommand())
  return config
}

function checkCommand(): Command {
  return command('check', 'try the config file without effect', 'jit config check').action(
    action(async ({ client, json }) => {
      const view = applyView.parse(await client.call(routes.checkConfig, { body: {} }))
      if (json) printJson(view)
      if (view.problems.length > 0) return refuse(view, json)
      if (!json)
        print(view.changes.length === 0 ? 'the file is good, and in force' : `the file is good; not in force yet:\n${changeLines(view)}`)
    }),
  )
}

function applyCommand(): Command {
  return command('apply', 'let the config file take effect; shows what gets wider', 'jit config apply')
    .option('--yes', 'do not ask')
    .action(
      action(async ({ client, json }, options: Record<string, unknown>) => {
        const preview = applyView.parse(await client.call(routes.applyConfig, { body: { dryRun: true } }))
        if (preview.problems.length > 0) {
          if (json) printJson(preview)
          return refuse(preview, json)
        }
        if (!json) print(preview.changes.length === 0 ? 'no change in meaning' : changeLines(preview))
        if (options['yes'] !== true && !(await confirmed(preview)))
          throw new JitError('cancelled', 'not applied', { hint: 'Nothing changed.' })
        const view = applyView.parse(await client.call(routes.applyConfig, { body: { digest: preview.digest } }))
        if (json) printJson(view)
        else print(colours.green('applied'))
      }),
    )
}

function pathCommand(): Command {
  return command('path', 'where the config file is', 'jit config path').action(
    action(async ({ client, json }) => {
      const { config } = statusView.parse(await client.call(routes.status))
      if (json) printJson({ path: config.file })
      else print(config.file)
    }),
  )
}

async function confirmed(view: ApplyView): Promise<boolean> {
  if (!view.changes.some((change) => change.effect === 'wider')) return true
  if (!process.stdin.isTTY)
    throw new JitError('usage', 'something gets wider, and there is nobody to ask', { hint: 'Look at the changes, then give --yes.' })
  const { confirm } = await import('@inquirer/prompts')
  return confirm({ message: 'Something gets wider. Apply?', default: false })
}

function changeLines(view: ApplyView): string {
  const mark = { wider: colours.red('wider   '), narrower: colours.green('narrower'), other: colours.dim('other   ') }
  return view.changes
    .map(
      (change) =>
        `  ${mark[change.effect]} ${plain(change.path)}: ${plain(change.before || '(none)')} → ${plain(change.after || '(none)')}`,
    )
    .join('\n')
}

function refuse(view: ApplyView, json: boolean): void {
  process.exitCode = new JitError('config.invalid', '').exitCode
  if (json) return
  for (const problem of view.problems) process.stderr.write(`${colours.red('error:')} ${plain(problemText(problem))}\n`)
  process.stderr.write(`${colours.yellow('hint:')} nothing changed; the config in force goes on\n`)
}
