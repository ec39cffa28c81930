import { formatDuration } from '../config/duration.ts'
import type { ServerConfig, ToolCase } from '../config/schema.ts'
import { JitError, quote } from '../core/errors.ts'
import { canonicalJson, isJsonObject, type Json, type JsonObject } from '../core/json.ts'
import type { ProposedChange } from './change.ts'

const effects = ['allow', 'ask', 'deny'] as const

/** What is known of the server beside its entry in the file. */
export interface Surrounding {
  readonly server: ServerConfig
  /** The rows that policy reads for a tool: the server's own, or the preset's. */
  rows(tool: string): readonly ToolCase[]
}

/**
 * The server's entry of the config file, as it would be with the proposal. Throws `conflict` when the proposal does not fit
 * what stands there.
 */
export function proposedEntry(entry: JsonObject, change: ProposedChange, surrounding: Surrounding): JsonObject {
  let next = entry
  if (change.tool !== undefined && change.effect !== undefined) next = withEffect(next, change.tool, change.effect)
  if (change.tool !== undefined && change.when !== undefined) next = withCondition(next, change.tool, change.when, surrounding)
  if (change.argument !== undefined) next = withValues(next, change.argument, change.admit ?? [], change.refuse ?? [])
  if (change.ttl !== undefined) next = { ...next, ttl: change.ttl }
  if (change.lifetime !== undefined) next = { ...next, lifetime: change.lifetime }
  return next
}

/** The tool stands in the one list that is meant, and in no other. */
function withEffect(entry: JsonObject, tool: string, effect: (typeof effects)[number]): JsonObject {
  const lists: Record<string, Json> = {}
  for (const name of effects) {
    const list = listIn(entry[name])
    if (name === effect) lists[name] = list.includes(tool) ? list : [...list, tool]
    else if (list.includes(tool)) lists[name] = list.filter((item) => item !== tool)
  }
  return { ...entry, ...lists }
}

/** Every case of the tool gets the condition beside its own, so that none lets more through than before. */
function withCondition(entry: JsonObject, tool: string, when: string, { server, rows }: Surrounding): JsonObject {
  const found = rows(tool)
  if (found.length === 0 && server.provider !== undefined && server.scope === undefined)
    throw new JitError('conflict', `the tool ${quote(tool)} has no row that a condition could stand in`)
  const narrowed = (found.length === 0 ? [firstRow(server)] : found).map((one: ToolCase) => ({
    ...asJson(one),
    when: one.when === undefined ? when : `(${one.when}) && (${when})`,
  }))
  const [only, ...others] = narrowed
  const row: Json = only !== undefined && others.length === 0 ? only : narrowed
  return { ...entry, tools: { ...objectIn(entry['tools']), [tool]: row } }
}

/** A row says which arguments its tool has, or those that `where` binds would be missing in it. */
function firstRow({ where }: ServerConfig): ToolCase {
  const bound = [...new Set(Object.keys(where).map((key) => key.replace(/\..*$/, '')))]
  return bound.length === 0 ? {} : { arguments: bound }
}

/** The values that the server's `where` lets through. */
function withValues(entry: JsonObject, argument: string, admit: readonly Json[], refuse: readonly Json[]): JsonObject {
  const where = objectIn(entry['where'])
  const before = Object.hasOwn(where, argument) ? where[argument] : undefined
  if (before === undefined && refuse.length > 0)
    throw new JitError('conflict', `\`where\` says nothing about ${quote(argument)}, so there is no value to refuse`)
  const added = admit.filter((value) => !holds(listIn(before), value))
  const next = [...listIn(before), ...added].filter((value) => !holds(refuse, value))
  if (next.length === 0) throw new JitError('conflict', `no value of ${quote(argument)} would be left`)
  const [only, ...others] = next
  const wanted: Json = only !== undefined && others.length === 0 && !Array.isArray(before) ? only : next
  return { ...entry, where: { ...where, [argument]: wanted } }
}

function holds(list: readonly Json[], value: Json): boolean {
  return list.some((item) => canonicalJson(item) === canonicalJson(value))
}

/** One value counts as a list of it. */
function listIn(value: Json | undefined): readonly Json[] {
  if (value === undefined || value === null) return []
  return isList(value) ? value : [value]
}

function objectIn(value: Json | undefined): JsonObject {
  return value !== undefined && isJsonObject(value) ? value : {}
}

function isList(value: Json): value is readonly Json[] {
  return Array.isArray(value)
}

/** By way of its text: what is absent stays absent. A duration, which is milliseconds by now, is written as one. */
function asJson(one: ToolCase): JsonObject {
  const { ttl, ...rest } = one
  const json: JsonObject = JSON.parse(JSON.stringify(rest))
  return ttl === undefined ? json : { ...json, ttl: formatDuration(ttl) }
}
