import colours from 'picocolors'
import type { Command } from 'commander'
import { explainView, routes } from '../../api/schema.ts'
import { JitError } from '../../core/errors.ts'
import { action, command } from '../context.ts'
import { card, plain, print, printJson, scopeText, span } from '../output.ts'

export function explainCommand(): Command {
  return command(
    'explain',
    'what a call would get, without making it',
    'jit explain github get_issue --args \'{"owner":"acme","repo":"web","issue_number":42}\'',
  )
    .argument('<server>', 'name of the server')
    .argument('<tool>', 'name of the tool')
    .option('--args <json>', 'the arguments of the call', '{}')
    .action(
      action(async ({ client, json }, server: string, tool: string, options: Record<string, unknown>) => {
        const view = explainView.parse(
          await client.call(routes.explain, { body: { server, tool, args: parseArguments(String(options['args'])) } }),
        )
        if (json) return printJson(view)
        const colour = { allow: colours.green, ask: colours.yellow, deny: colours.red }[view.effect]
        const { grant } = view
        print(
          card([
            ['decision', colour(view.effect)],
            ['rule', plain(`${view.rule.path} (${view.rule.source})`)],
            ['reason', plain(view.reason)],
            ['touches', plain(view.resource)],
            [
              'looked at',
              Object.entries(view.used)
                .map(([name, value]) => plain(`${name} = ${JSON.stringify(value)}`))
                .join('\n'),
            ],
            ...(grant === undefined
              ? []
              : grant.credential === 'none'
                ? ([['credential', 'none']] as const)
                : ([
                    ['provider', plain(grant.provider)],
                    ['scope', plain(scopeText(grant.scope))],
                    ['requests', grant.requests.map(plain).join('\n') || 'none: no upstream at all'],
                    [
                      'lives',
                      grant.lifetime === 'call'
                        ? `for the call, at most ${span(grant.ttl)}`
                        : `${span(grant.ttl)} from the mint, shared within the session`,
                    ],
                    ['lane', plain(grant.partition)],
                  ] as const)),
          ]),
        )
      }),
    )
}

function parseArguments(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch (error) {
    throw new JitError('usage', `--args is not JSON: ${error instanceof Error ? error.message : String(error)}`)
  }
}
