import type { Command } from 'commander'
import { z } from 'zod'
import { type KindView, kindView, providerView, routes } from '../../api/schema.ts'
import { JitError, quote } from '../../core/errors.ts'
import { action, command } from '../context.ts'
import { builtInKinds } from '../kinds.ts'
import { flagOf, readLogin } from '../login-fields.ts'
import { followLogin } from '../login-browser.ts'
import { kindList, loginPage } from '../login-page.ts'
import { fillLogin, type Login } from '../login-values.ts'
import { card } from '../output/layout.ts'
import { withProgress } from '../output/progress.ts'
import { pairs } from '../output/scope.ts'
import { colours, isInteractive, note, print, printJson } from '../output/terminal.ts'
import { plain } from '../output/text.ts'

const deadline = 90_000
const widestPage = 100

export function loginCommand(): Command {
  return withPages(generalCommand())
}

/** `jit login KIND --help` is the page of that kind. */
function withPages(general: Command): Command {
  const help = general.outputHelp.bind(general)
  const outputHelp = (): void => {
    const kind = builtInKinds().find((known) => known.kind === general.args[0])
    if (kind === undefined) return help()
    general.configureOutput().writeOut?.(loginPage(kind, widthOf(general)))
  }
  return Object.assign(general, { outputHelp })
}

function widthOf(used: Command): number {
  return Math.min(widestPage, used.configureOutput().getOutHelpWidth?.() ?? 80)
}

function generalCommand(): Command {
  return command(
    'login',
    'register once where credentials come from: a real mint proves it, the secret is sealed',
    'jit login github-app acme --app-id 123456 --installation acme \\\n      --private-key key.pem',
    'jit login mcp https://mcp.linear.app/mcp',
    'jit login github-app        # asks for what is missing',
  )
    .argument('[kind]', 'kind of provider, e.g. github-app')
    .argument('[name]', 'name of this registration; the account, the host or the kind when absent')
    .option('--replace', 'register anew under a name that exists')
    .option('--no-browser', 'where a login goes through the browser: only print the address')
    .addHelpText('after', ({ command: used }) => `\n${kindList(builtInKinds(), widthOf(used))}`)
    .allowUnknownOption()
    .allowExcessArguments()
    .action(
      action(async ({ client, json, args: [given, ...words], options }) => {
        const kinds = z.array(kindView).parse(await client.call(routes.kinds))
        const kind = await chooseKind(kinds, given)
        const login = readLogin(kind, words)
        const { config, secrets, account, files } = await fillLogin(kind, login.values)
        const name = login.name ?? account ?? kind.kind
        const body = { kind: kind.kind, name, config, secrets, replace: options.flag('replace') }
        const work =
          kind.browser === true
            ? client.stream(routes.login, {}, body).then((events) => followLogin(events, options.flag('browser')))
            : withProgress(
                kind.longLived === true ? 'sealing the key' : 'proving it with a real mint',
                client.call(routes.registerProvider, { body, deadline }),
              )
        const answer = await work.catch((error: unknown) => {
          throw withGiven(error, kind, config)
        })
        if (json) return printJson(answer)
        const view = providerView.parse(answer)
        print(
          `${colours.green('✓')} ${plain(view.name)} is registered: ${kind.longLived === true ? 'its key is sealed; nothing proved that it is good' : 'a real mint proved it, and its secret is sealed'}`,
        )
        print(card(Object.entries(view.proof ?? {}).map(([label, value]) => [`  ${plain(label)}`, plain(proofText(value))] as const)))
        const { url } = config
        if (kind.browser === true && typeof url === 'string')
          print(`\nNext: jit add ${plain(view.name)} --url ${plain(url)}   # lists its tools; --allow TOOL,TOOL allows some`)
        for (const file of files) note(`${plain(file)} is not needed any more; delete it, or keep it where no program reads it`)
      }),
    )
}

/** What the provider says of a wrong App id holds no App id: the person sees what was given, and by which option. */
export function withGiven(error: unknown, kind: KindView, config: Login['config']): unknown {
  if (!(error instanceof JitError) || !['usage', 'provider.login', 'provider.refused'].includes(error.code)) return error
  const given = kind.login.flatMap((field) => {
    const value = config[field.name]
    return value === undefined ? [] : [`${flagOf(field)} ${typeof value === 'number' ? value : quote(value)}`]
  })
  if (given.length === 0) return error
  return new JitError(error.code, error.message, {
    hint: `${error.hint} It was tried with ${given.join(', ')}.`.trim(),
    details: error.details,
    cause: error,
  })
}

async function chooseKind(kinds: readonly KindView[], given: string | undefined): Promise<KindView> {
  const found = kinds.find((kind) => kind.kind === given)
  if (found !== undefined) return found
  const known = kinds.map((kind) => kind.kind).join(', ')
  if (given !== undefined) throw new JitError('usage', `there is no kind of provider ${quote(given)}`, { hint: `There is ${known}.` })
  if (!isInteractive())
    throw new JitError('usage', 'which kind of provider?', { hint: `There is ${known}: jit login ${kinds[0]?.kind ?? 'KIND'}` })
  const { select } = await import('@inquirer/prompts')
  return select(
    {
      message: 'Where do credentials come from?',
      choices: kinds.map((kind) => ({ name: kind.kind, value: kind, description: kind.summary })),
    },
    { output: process.stderr },
  )
}

function proofText(value: unknown): string {
  if (typeof value !== 'object' || value === null) return String(value)
  return Array.isArray(value) ? value.map(proofText).join(', ') : pairs(value)
}
