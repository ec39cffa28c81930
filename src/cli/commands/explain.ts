import type { Command } from 'commander'
import { type ExplainView, explainView, routes } from '../../api/schema.ts'
import { JitError } from '../../core/errors.ts'
import { action, command } from '../context.ts'
import { card } from '../output/layout.ts'
import { isFlat, outline } from '../output/outline.ts'
import { scopeText } from '../output/scope.ts'
import { readStdin } from '../stdin.ts'
import { colours, print, printJson } from '../output/terminal.ts'
import { plain } from '../output/text.ts'
import { span } from '../output/time.ts'

/** Of jit itself: no section of the config file. */
const ownServer = 'jit'

export function explainCommand(): Command {
  return command(
    'explain',
    'what a call would get, without making it',
    'jit explain github get_issue \\\n      --args \'{"owner":"acme","repo":"web","issue_number":42}\'',
  )
    .argument('<server>', 'name of the server')
    .argument('<tool>', 'name of the tool')
    .option('--args <json>', 'the arguments of the call; - reads them from stdin', '{}')
    .action(
      action(async ({ client, json, args: [server = '', tool = ''], options }) => {
        const given = options.text('args') ?? '{}'
        const args = parseArguments(given === '-' ? await readStdin() : given)
        const view = explainView.parse(await client.call(routes.explain, { body: { server, tool, args } }))
        if (json) printJson(view)
        else print(explanation(view))
      }),
    )
}

/** The decision and all that would follow from it, as a card. */
export function explanation(view: ExplainView): string {
  const { effect, held, rule, reason, resource, used, grant } = view
  const verdict = {
    allow: colours.green('✓ allow'),
    ask: colours.yellow('? ask: a person has to approve it'),
    deny: colours.red('✗ deny'),
  }[effect]
  const now = {
    '': '',
    locked: colours.red('denied: jit is locked, and every call is, until `jit unlock`'),
    sealed: colours.red('fails: the secret store is sealed, and nothing is minted, until `jit unseal`'),
  }[held]
  return card([
    ['now', now],
    ['decision', verdict],
    ['because', plain(reason)],
    ['rule', plain(`${rule.path} (${rule.source})`)],
    ['to change', toChange(view)],
    ['touches', plain(resource)],
    [
      'looked at',
      Object.entries(used)
        .map(([name, value]) => plain(`${name} = ${JSON.stringify(value)}`))
        .join('\n'),
    ],
    ...(grant === undefined ? [] : credential(grant)),
  ])
}

/** Where no rule is the reason: what would be one is not said by it. */
function toChange({ effect, rule }: ExplainView): string {
  if (effect !== 'deny' || rule.source !== 'default' || !rule.path.startsWith('servers.')) return ''
  return rule.path === `servers.${ownServer}`
    ? '`self` in the config file says which of its own tools jit offers: those of read, or of propose; it has no others'
    : 'list it under `allow` or `ask` of the server in the config file, then run `jit config apply`'
}

function credential(grant: NonNullable<ExplainView['grant']>): readonly (readonly [string, string])[] {
  if (grant.credential === 'none') return [['credential', 'none: this tool gets no credential']]
  return [
    ['credential', plain(`from ${grant.provider}`)],
    ['scope', isFlat(grant.scope) || 'permissions' in grant.scope ? scopeText(grant.scope) : outline(grant.scope)],
    ['asks for', outline(grant.asks ?? {})],
    [
      'requests',
      grant.handedOver === true
        ? 'whatever the credential allows: the server itself holds it'
        : grant.sent === undefined
          ? grant.requests.map(plain).join('\n') || 'none: nothing goes upstream'
          : plain(`the call itself, to ${grant.sent.origin}, with the credential in ${grant.sent.header}`),
    ],
    [
      'lives',
      grant.lifetime === 'call'
        ? `for this call, at most ${span(grant.ttl)}`
        : `${span(grant.ttl)} from its mint, shared by calls of one session and scope`,
    ],
    ['lane', plain(grant.partition)],
  ]
}

function parseArguments(text: string): unknown {
  try {
    const value: unknown = JSON.parse(text)
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value
  } catch (error) {
    throw new JitError('usage', `--args is not JSON: ${error instanceof Error ? error.message : String(error)}`, {
      hint: 'Give one JSON object, in single quotes: --args \'{"owner":"acme"}\'',
    })
  }
  throw new JitError('usage', '--args is not a JSON object', { hint: 'A tool takes its arguments by name: --args \'{"owner":"acme"}\'' })
}
