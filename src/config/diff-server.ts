import { type Change, diffEntries, differing, diffNumber, diffRank, diffSet, show, showValue } from './diff-parts.ts'
import { formatDuration } from './duration.ts'
import type { Config, RequestRuleConfig, ServerConfig, ToolCase } from './schema.ts'

/** Differences between two versions of one server. */
export function diffServer(path: string, before: ServerConfig, after: ServerConfig, from: Config, to: Config): Change[] {
  const program = (['run', 'url', 'cwd', 'env', 'provider', 'preset', 'inject', 'scope'] as const).flatMap((key) =>
    differing(`${path}.${key}`, before[key], after[key], 'wider'),
  )
  const ownTtl = before.ttl !== undefined || after.ttl !== undefined
  const ownLifetime = before.lifetime !== undefined || after.lifetime !== undefined
  return [
    ...program,
    ...diffEffects(path, before, after),
    ...diffWhere(`${path}.where`, before.where, after.where),
    // With or without a row of its own, a tool falls back on the preset's: which of the two is wider cannot be told.
    ...diffEntries(`${path}.tools`, before.tools, after.tools, diffRow, { added: 'wider', removed: 'wider' }),
    ...(['pass', 'resources', 'prompts', 'open', 'readable', 'writable', 'methods'] as const).flatMap((key) =>
      diffSet(`${path}.${key}`, before[key], after[key], 'wider'),
    ),
    ...(['sampling', 'elicitation', 'roots'] as const).flatMap((key) =>
      diffRank(`${path}.${key}`, ['deny', 'allow'], before[key], after[key]),
    ),
    ...(ownTtl ? diffNumber(`${path}.ttl`, before.ttl ?? from.ttl, after.ttl ?? to.ttl, formatDuration) : []),
    ...(ownLifetime ? diffRank(`${path}.lifetime`, ['call', 'ttl'], before.lifetime ?? from.lifetime, after.lifetime ?? to.lifetime) : []),
    ...diffNumber(`${path}.lanes`, before.lanes, after.lanes, String),
    ...diffRank(`${path}.isolation`, ['partition', 'none'], before.isolation, after.isolation),
    ...diffRank(`${path}.sandbox`, ['on', 'auto', 'off'], before.sandbox, after.sandbox),
    ...differing(`${path}.transport`, before.transport, after.transport, 'other'),
    ...differing(`${path}.queueTimeout`, before.queueTimeout, after.queueTimeout, 'other'),
    ...diffEntries(path, startupEntry(before), startupEntry(after), (startupPath, old, now) => differing(startupPath, old, now, 'wider')),
  ]
}

type ToolEffect = 'deny' | 'unlisted' | 'ask' | 'allow'
const effectOrder: readonly ToolEffect[] = ['deny', 'unlisted', 'ask', 'allow']

/** allow, ask and deny together say what happens to a tool: a tool that moves from `allow` to `ask` is one narrower change. */
function diffEffects(path: string, before: ServerConfig, after: ServerConfig): Change[] {
  const names = new Set([before, after].flatMap((server) => [...server.allow, ...server.ask, ...server.deny]))
  const changes: Change[] = []
  for (const name of names) {
    const from = effectOf(before, name)
    const to = effectOf(after, name)
    if (from === to) continue
    const effect = effectOrder.indexOf(to) > effectOrder.indexOf(from) ? 'wider' : 'narrower'
    const list = to === 'unlisted' ? from : to
    changes.push({ path: `${path}.${list}`, before: `${name}: ${from}`, after: `${name}: ${to}`, effect })
  }
  return changes
}

function effectOf(server: ServerConfig, tool: string): ToolEffect {
  if (server.deny.includes(tool)) return 'deny'
  if (server.ask.includes(tool)) return 'ask'
  return server.allow.includes(tool) ? 'allow' : 'unlisted'
}

/** A constraint that goes, or admits more values, is wider. */
function diffWhere(path: string, before: ServerConfig['where'], after: ServerConfig['where']): Change[] {
  return diffEntries(path, before, after, (keyPath, from, to) => diffSet(keyPath, list(from), list(to), 'wider', showValue), {
    added: 'narrower',
    removed: 'wider',
  })
}

function diffRow(path: string, before: ServerConfig['tools'][string], after: ServerConfig['tools'][string]): Change[] {
  const [from, to] = [list(before), list(after)]
  if (from.length !== to.length) return differing(path, before, after, 'wider')
  return from.flatMap((old, index) => {
    const now = to[index]
    return now === undefined ? [] : diffCase(from.length === 1 ? path : `${path}[${index}]`, old, now)
  })
}

function diffCase(path: string, before: ToolCase, after: ToolCase): Change[] {
  return [
    ...differing(`${path}.when`, before.when, after.when, 'wider'),
    ...diffRowWhere(`${path}.where`, before.where, after.where),
    ...differing(`${path}.credential`, before.credential, after.credential, 'wider'),
    ...differing(`${path}.scope`, before.scope, after.scope, 'wider'),
    ...diffSet(`${path}.requests`, requests(before.requests), requests(after.requests), 'wider'),
    ...diffOptional(`${path}.ttl`, before.ttl, after.ttl),
    ...differing(`${path}.lifetime`, before.lifetime, after.lifetime, after.lifetime === 'call' ? 'narrower' : 'wider'),
    ...differing(`${path}.resource`, before.resource, after.resource, 'other'),
    ...differing(`${path}.arguments`, before.arguments, after.arguments, 'other'),
  ]
}

function diffRowWhere(path: string, before: ToolCase['where'], after: ToolCase['where']): Change[] {
  if (before === 'none' || after === 'none') return differing(path, before, after, after === 'none' ? 'wider' : 'narrower')
  return diffWhere(path, before ?? {}, after ?? {})
}

function diffOptional(path: string, before: number | undefined, after: number | undefined): Change[] {
  if (before === undefined || after === undefined) return differing(path, before, after, 'wider')
  return diffNumber(path, before, after, formatDuration)
}

function requests(rules: readonly RequestRuleConfig[] | undefined): string[] {
  return (rules ?? []).map(show)
}

function startupEntry(server: ServerConfig): Record<string, unknown> {
  return server.startup === undefined ? {} : { startup: server.startup }
}

function list<T>(value: T | readonly T[]): readonly T[] {
  return isList(value) ? value : [value]
}

function isList<T>(value: T | readonly T[]): value is readonly T[] {
  return Array.isArray(value)
}
