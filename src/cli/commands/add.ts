import type { Command } from 'commander'
import { applyView, routes, serverView } from '../../api/schema.ts'
import { errorTable, JitError, quote } from '../../core/errors.ts'
import { action, collect, command, type Options } from '../context.ts'
import { clientBlock } from '../client-block.ts'
import { agreeToDial, askerAtTerminal } from '../dial-question.ts'
import { problemText } from '../output/failure.ts'
import { card } from '../output/layout.ts'
import { pinText } from '../output/pin.ts'
import { registryEnvironment } from '../registry.ts'
import { withProgress } from '../output/progress.ts'
import { colours, note, print, printFolded, printJson } from '../output/terminal.ts'
import { count, plain } from '../output/text.ts'
import { absolute } from '../server-command.ts'
import { pathNotes } from '../server-paths.ts'
import { doubts, listTools, offer } from '../server-tools.ts'

/** A package may have to be installed. */
const deadline = 240_000
const npx = 'npx -y @modelcontextprotocol/server-github@2025.4.8'

export function addCommand(): Command {
  return command(
    'add',
    'put an MCP server behind jit',
    `jit add github --preset server-github --provider acme \\
      --env GITHUB_PERSONAL_ACCESS_TOKEN \\
      --where owner=acme --where repo=web,api \\
      --allow get_issue,list_issues --ask create_issue \\
      -- ${npx}`,
    `jit add files --allow read_text_file,list_directory \\
      -- npx -y @modelcontextprotocol/server-filesystem@2026.8.31 ~/notes`,
    `jit add linear --url https://mcp.linear.app/mcp --allow list_issues
      # after \`jit login mcp\` of that address; without --allow it lists tools`,
    `jit add tracker --url https://mcp.acme.dev/mcp --provider tracker \\
      --scope '{"scopes":["issues:read"]}' --allow list_issues,get_issue`,
  )
    .argument('<server>', 'name of the server')
    .argument('[command...]', 'behind "--": the command that starts it')
    .option('--preset <name>', 'what is known of this program: scope and requests of each of its tools')
    .option('--provider <name>', 'where its credentials come from; of a remote server: the login at its address when absent')
    .option('--env <name>', 'the variable in which it expects its credential')
    .option('--mode <mode>', 'how it gets the credential: egress, endpoint, credentials, env, or header (remote)')
    .option('--allow <tools>', 'tools that are allowed, with commas', collect)
    .option('--ask <tools>', 'tools that a person must approve, each time', collect)
    .option('--where <argument=values>', 'what an argument must be in every call; values with commas', collect)
    .option('--lifetime <lifetime>', 'call: a token for each call; ttl: shared by calls of one session and scope')
    .option('--ttl <duration>', 'life of a token, e.g. 5m')
    .option('--url <address>', 'address of a remote server, instead of a command')
    .option('--transport <transport>', 'of a remote server: streamable-http or sse; streamable-http when absent')
    .option('--scope <json>', 'of a remote server: scope of its handshake, lists, and tools without one of their own')
    .option('--header <name: value>', 'of a remote server: the header for the credential, e.g. "X-Api-Key: ${token}"')
    .option('--replace', 'replace the whole entry of that name')
    .action(
      action(async ({ client, json, args: [name = '', ...run], options }) => {
        const body = { name, entry: entryOf(run, options), replace: options.flag('replace'), registry: registryEnvironment() }
        const send = (more: object): Promise<unknown> =>
          withProgress(
            run.length === 0 ? `adding ${plain(name)}` : `pinning ${plain(name)}; a package is installed first`,
            client.call(routes.addServer, { body: { ...body, ...more }, deadline }),
          )
        const answer = await send({})
          .catch(async (error: unknown) => send({ dial: await agreeToDial(error, askerAtTerminal(json)) }))
          .catch((error: unknown) => {
            throw withoutLines(error, name)
          })
        const block = clientBlock(name)
        const view = serverView.parse(answer)
        if (json) return printJson({ ...view, client: block })
        print(
          `${colours.green('✓')} ${plain(view.name)} is behind jit: ${count(view.allow.length, 'tool')} allowed, ${view.ask.length === 0 ? '' : `${view.ask.length} to approve each time, `}all others denied`,
        )
        print(
          card([
            view.url === '' ? ['  pinned', pinText(view.pin)] : ['  remote', plain(view.url)],
            ['  login', view.url === '' || view.provider === '' ? '' : loginText(view.provider, options.text('provider'))],
          ]),
        )
        const chosen = [...view.allow, ...view.ask]
        const listed = await listTools(client, name)
        if (chosen.length === 0) printFolded(offer(listed))
        else for (const line of doubts(name, chosen, listed)) note(line)
        for (const line of pathNotes(view, chosen, listed)) note(line)
        print('\nPut this into your MCP client’s configuration:\n')
        print(JSON.stringify({ mcpServers: { [name]: block } }, null, 2))
        if (view.http !== '') printFolded(`\nA client that speaks HTTP reaches it at ${view.http}; \`jit token add NAME\` makes its token.`)
      }),
    )
}

function loginText(provider: string, given: string | undefined): string {
  return `${plain(provider)}${given === undefined ? ', found by its address: for calls, lists and handshake' : ''}`
}

/** The server's entry in the config file; what was not given is left to its default. */
export function entryOf(run: readonly string[], options: Options): Record<string, unknown> {
  const url = options.text('url')
  if (run.length === 0 && url === undefined)
    throw new JitError('usage', 'the command of the server is missing', { hint: `Put it behind "--": jit add github … -- ${npx}` })
  if (run.length > 0 && url !== undefined) throw new JitError('usage', 'a server has either a command or --url, not both')
  const where = whereOf(options.list('where'))
  const ask = names(options.list('ask'))
  const scope = scopeOf(options.text('scope'))
  const provider = options.text('provider')
  const inject = present({
    mode: options.text('mode') ?? (url === undefined || provider === undefined ? undefined : 'header'),
    env: options.text('env'),
    header: headerOf(options.text('header')),
  })
  return present({
    run: run.length === 0 ? undefined : absolute(run, process.cwd()),
    url,
    transport: options.text('transport'),
    provider,
    preset: options.text('preset'),
    inject: Object.keys(inject).length === 0 ? undefined : inject,
    where: Object.keys(where).length === 0 ? undefined : where,
    allow: names(options.list('allow')),
    ask: ask.length === 0 ? undefined : ask,
    lifetime: options.text('lifetime'),
    ttl: options.text('ttl'),
    scope,
    startup: scope === undefined ? undefined : { scope },
  })
}

/** Whether it is one of the provider's is for the daemon to say. */
function scopeOf(given: string | undefined): unknown {
  if (given === undefined) return undefined
  try {
    return JSON.parse(given)
  } catch (error) {
    throw new JitError('usage', `--scope is not JSON: ${error instanceof Error ? error.message : String(error)}`, {
      hint: 'Give one JSON object, in single quotes: --scope \'{"scopes":["issues:read"]}\'',
    })
  }
}

function headerOf(given: string | undefined): { name: string; value: string } | undefined {
  if (given === undefined) return undefined
  const at = given.indexOf(':')
  if (at < 1)
    throw new JitError('usage', `--header takes "Name: value", not ${quote(given)}`, { hint: "For example --header 'X-Api-Key: ${token}'" })
  return { name: given.slice(0, at).trim(), value: given.slice(at + 1).trim() }
}

function names(given: readonly string[]): string[] {
  const all = given.flatMap((value) => value.split(',')).map((value) => value.trim())
  return [...new Set(all.filter((value) => value !== ''))]
}

/** `owner=acme`, `repo=web,api`; the same argument twice adds to what it may be. */
function whereOf(given: readonly string[]): Record<string, string | string[]> {
  const found = new Map<string, string[]>()
  for (const pair of given) {
    const at = pair.indexOf('=')
    const values = names([pair.slice(at + 1)])
    if (at < 1 || values.length === 0)
      throw new JitError('usage', `--where takes argument=value, not ${quote(pair)}`, {
        hint: 'For example --where owner=acme --where repo=web,api',
      })
    found.set(pair.slice(0, at), [...(found.get(pair.slice(0, at)) ?? []), ...values])
  }
  return Object.fromEntries([...found].map(([argument, values]) => [argument, values.length === 1 ? (values[0] ?? '') : values]))
}

function present<T>(entry: Readonly<Record<string, T | undefined>>): Record<string, T> {
  return Object.fromEntries(Object.entries(entry).flatMap(([key, value]) => (value === undefined ? [] : [[key, value]])))
}

const correct = 'Correct the command; nothing was changed.'

/** Nothing was written: no line of the file, and no `run` in it, is anything that a person can see; the command is. */
export function withoutLines(error: unknown, name: string): unknown {
  if (error instanceof JitError && error.code === 'server.start' && error.hint === errorTable['server.start'].hint)
    return new JitError(error.code, error.message, { details: error.details, hint: correct, cause: error })
  if (!(error instanceof JitError) || error.code !== 'config.invalid') return error
  const problems = applyView.shape.problems.safeParse(error.details['problems']).data ?? []
  const own = `servers.${name}`
  if (!problems.every(({ path }) => path === own || path.startsWith(`${own}.`))) return error
  const bare = problems.map((problem) => ({ ...problem, file: '', line: 0, column: 0 }))
  const [first] = bare
  if (first === undefined) return error
  return new JitError('config.invalid', problemText(first), {
    details: { problems: bare },
    hint: correct,
    cause: error,
  })
}
