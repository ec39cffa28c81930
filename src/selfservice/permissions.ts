import { formatDuration } from '../config/duration.ts'
import type { ServerConfig, ToolCase } from '../config/schema.ts'
import { quote } from '../core/errors.ts'
import { knowsTool } from './reach.ts'
import type { SelfServiceDeps } from './types.ts'

type Where = ServerConfig['where']

/** What an agent may do with one server, in words. All of it comes from the person's own config and the presets. */
export function describeServer(name: string, deps: Pick<SelfServiceDeps, 'config' | 'policy' | 'presets'>): string {
  const server = deps.config().servers[name]
  if (server === undefined) return name
  const tools = [...new Set([...server.allow, ...server.ask])].filter((tool) => knowsTool(deps, name, tool))
  const lines = tools.flatMap((tool) => describeTool(tool, server, deps))
  return [
    `${name}:`,
    ...conditions(server.where).map((condition) => `  every call: ${condition}`),
    ...(lines.length === 0 ? ['  no tool'] : lines),
    ...described('resources', server.resources),
    ...described('prompts', server.prompts),
  ].join('\n')
}

function describeTool(tool: string, server: ServerConfig, { config, presets }: Pick<SelfServiceDeps, 'config' | 'presets'>): string[] {
  const effect = server.ask.includes(tool) ? 'a person approves each call' : 'allowed'
  const cases = casesOf(tool, server, presets)
  const ttl = (one: ToolCase): number => one.ttl ?? server.ttl ?? config().ttl
  const parts = cases.map((one) => describeCase(one, server, ttl(one)))
  if (cases.length <= 1) return [`  ${tool}: ${[effect, ...(parts[0] ?? [])].join('; ')}`]
  return [`  ${tool}: ${effect}; one of`, ...parts.map((part) => `    - ${part.join('; ') || 'any arguments'}`)]
}

function describeCase({ when, where, credential, lifetime }: ToolCase, server: ServerConfig, ttl: number): string[] {
  const own = where === undefined || where === 'none' ? [] : conditions(where)
  const leased = server.provider !== undefined && credential !== 'none'
  const ends = (lifetime ?? server.lifetime) === 'call' ? 'for that call only' : `for ${formatDuration(ttl)}`
  return [
    ...(where === 'none' && Object.keys(server.where).length > 0 ? ['not bound by the conditions of every call'] : []),
    ...own,
    ...(when === undefined ? [] : [`only when ${when}`]),
    ...(leased ? [`gets a credential ${ends}`] : []),
  ]
}

/** The rows that policy reads: the server's own, or else the preset's. */
export function casesOf(tool: string, server: ServerConfig, presets: SelfServiceDeps['presets']): readonly ToolCase[] {
  const preset = server.preset === undefined ? undefined : presets(server.preset)
  const row = Object.hasOwn(server.tools, tool)
    ? server.tools[tool]
    : preset !== undefined && Object.hasOwn(preset.tools, tool)
      ? preset.tools[tool]
      : undefined
  if (row === undefined) return []
  return Array.isArray(row) ? row : [row]
}

function conditions(where: Where): string[] {
  return Object.entries(where).map(([argument, wanted]) => {
    const values = (Array.isArray(wanted) ? wanted : [wanted]).map((value) => quote(value))
    return `${argument} is ${values.join(' or ')}`
  })
}

function described(what: string, patterns: readonly string[]): string[] {
  return patterns.length === 0 ? [] : [`  ${what}: ${patterns.map((pattern) => quote(pattern)).join(', ')}`]
}
