import { type Change, diffEntries, differing, diffNumber, diffRank, diffSet } from './diff-parts.ts'
import { diffTools, diffWhere, type Judge } from './diff-tools.ts'
import { formatDuration } from './duration.ts'
import type { Config, ServerConfig } from './schema.ts'

/** Differences between two versions of one server. */
export function diffServer(path: string, before: ServerConfig, after: ServerConfig, from: Config, to: Config, judge: Judge): Change[] {
  const program = (['run', 'url', 'cwd', 'env', 'provider', 'preset', 'inject', 'scope'] as const).flatMap((key) =>
    differing(`${path}.${key}`, before[key], after[key], 'wider'),
  )
  const ownTtl = before.ttl !== undefined || after.ttl !== undefined
  const ownLifetime = before.lifetime !== undefined || after.lifetime !== undefined
  return [
    ...program,
    ...diffEffects(path, before, after),
    ...diffWhere(`${path}.where`, before.where, after.where),
    ...diffTools(`${path}.tools`, before, after, judge),
    ...(['pass', 'resources', 'prompts', 'open', 'readable', 'writable', 'methods'] as const).flatMap((key) =>
      diffSet(`${path}.${key}`, before[key], after[key], 'wider'),
    ),
    ...(['sampling', 'elicitation', 'roots'] as const).flatMap((key) =>
      diffRank(`${path}.${key}`, ['deny', 'allow'], before[key], after[key]),
    ),
    ...(ownTtl ? diffNumber(`${path}.ttl`, before.ttl ?? from.ttl, after.ttl ?? to.ttl, formatDuration) : []),
    ...(ownLifetime ? diffRank(`${path}.lifetime`, ['call', 'ttl'], lifetimeOf(before, from), lifetimeOf(after, to)) : []),
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

function startupEntry(server: ServerConfig): Record<string, unknown> {
  return server.startup === undefined ? {} : { startup: server.startup }
}

/** What its leases live for by default: a token in a child's environment lives for one call unless the server says otherwise. */
function lifetimeOf({ lifetime, inject }: ServerConfig, { lifetime: common }: Config): Config['lifetime'] {
  return lifetime ?? (inject.mode === 'env' ? 'call' : common)
}
