import type { z } from 'zod'
import type { approvalView } from '../api/schema.ts'
import { card } from './output/layout.ts'
import { scopeText } from './output/scope.ts'
import { colours } from './output/terminal.ts'
import { plain } from './output/text.ts'
import { since, until } from './output/time.ts'

export type Approval = z.infer<typeof approvalView>

const longest = 400

/** Everything the answer is bound to, one argument a line; a stranger's words are shown as text, and what is cut is said. */
export function approvalCard(approval: Approval, now = Date.now()): string {
  const { id, server, tool, resource, args, scope, requests, agent, human, askedAt, expiresAt } = approval
  return card([
    ['id', colours.bold(plain(id))],
    ['call', plain(`${server} → ${tool}`)],
    ['touches', plain(resource)],
    [
      'arguments',
      Object.entries(args)
        .map(([name, value]) => argument(name, value))
        .join('\n') || 'none',
    ],
    ['scope', scope === undefined ? 'no credential' : scopeText(scope)],
    ['requests', requests.map(plain).join('\n')],
    ['asked by', plain(`${JSON.stringify(agent)}, for ${human}`)],
    ['asked', `${since(askedAt, now)} ago; denied by itself in ${until(expiresAt, now)}`],
  ])
}

function argument(name: string, value: unknown): string {
  const text = plain(JSON.stringify(value))
  return `${plain(name)} = ${text.length <= longest ? text : `${text.slice(0, longest)}${colours.yellow(`… ${text.length - longest} more characters: see --json`)}`}`
}
