import type { ProposalEffectView, ProposalView } from '../api/schema.ts'
import { card } from './output/layout.ts'
import { colours } from './output/terminal.ts'
import { plain } from './output/text.ts'
import { since } from './output/time.ts'

/** What an agent would like. Its words stand in quotes: they are not jit's, and not a reason to believe them. */
export function proposalCard({ id, state, server, change, reason, agent, human, at }: ProposalView, now = Date.now()): string {
  return card([
    ['id', colours.bold(plain(id))],
    ['server', plain(server)],
    ['wants', wishes(change).join('\n')],
    ['it says', colours.yellow(plain(JSON.stringify(reason)))],
    ['made by', plain(`${JSON.stringify(agent)}, for ${human}, ${since(at, now)} ago`)],
    ['state', state === 'waiting' ? '' : state],
  ])
}

/**
 * What accepting would shut off beside what was asked for: an argument that nothing bound before is bound for all tools of the
 * server, those too that have no such argument. Empty where it is not so.
 */
export function bindsAll({ proposal: { server, change }, effect }: ProposalEffectView): string {
  const { argument, admit } = change
  const path = `servers.${server}.where.${String(argument)}`
  const isNew = effect.changes.some((one) => one.path === path && one.before === '' && one.effect === 'narrower')
  if (admit === undefined || !isNew) return ''
  const name = plain(JSON.stringify(argument))
  return `Nothing bound ${name} before: every call of ${plain(server)} that has another ${name}, or none, will be denied.`
}

/** The proposal as jit understood it. */
export function wishes(change: ProposalView['change']): string[] {
  const { tool, effect, when, argument, admit, refuse, ttl, lifetime } = change
  const quoted = (value: unknown): string => plain(JSON.stringify(value))
  const list = (values: unknown): string => (Array.isArray(values) ? values.map(quoted).join(', ') : quoted(values))
  return [
    ...(effect === undefined ? [] : [`${plain(String(effect))} the tool ${quoted(tool)}`]),
    ...(when === undefined ? [] : [`${effect === undefined ? `the tool ${quoted(tool)}` : 'it'} only when ${quoted(when)}`]),
    ...(admit === undefined ? [] : [`${quoted(argument)} may be ${list(admit)}`]),
    ...(refuse === undefined ? [] : [`${quoted(argument)} may no longer be ${list(refuse)}`]),
    ...(ttl === undefined ? [] : [`credentials live ${quoted(ttl)}`]),
    ...(lifetime === undefined ? [] : [lifetime === 'call' ? 'credentials end with their call' : 'equal calls share a credential']),
  ]
}
