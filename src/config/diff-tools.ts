import { type Change, diffEntries, differing, diffNumber, diffSet, show, showValue, withoutEmpty } from './diff-parts.ts'
import { formatDuration } from './duration.ts'
import type { RequestRuleConfig, ServerConfig, ToolCase } from './schema.ts'
import type { PresetSource } from './types.ts'

/** What it takes beside the two configs to say what a change of a tool's row means. */
export interface Judge {
  readonly presets: PresetSource
  /**
   * What a condition demands beside all that another did, in one spelling (`[]`: nothing); undefined when it demands less, or when
   * it cannot be told.
   */
  addedCondition(before: string | undefined, after: string | undefined): string | undefined
}

const nothingAdded = '[]'

/**
 * Rows are compared as policy reads them: a tool without one of its own has the preset's, or needs none. Where it cannot be told what
 * a row takes the place of, it counts as wider.
 */
export function diffTools(path: string, before: ServerConfig, after: ServerConfig, judge: Judge): Change[] {
  const names = new Set([before, after].flatMap(({ tools }) => Object.keys(tools)))
  return [...names].flatMap((name) => {
    const [own, ownNow] = [ownRow(before, name), ownRow(after, name)]
    const place = `${path}.${name}`
    if (own !== undefined && ownNow !== undefined) return diffRow(place, own, ownNow, judge)
    const [from, to] = before.preset === after.preset ? [rowOf(before, name, judge), rowOf(after, name, judge)] : []
    if (from === undefined || to === undefined)
      return [{ path: place, before: show(withoutEmpty(own)), after: show(withoutEmpty(ownNow)), effect: 'wider' as const }]
    return [...diffRow(place, from, to, judge), ...diffSource(place, before, after, name, judge)]
  })
}

type Row = ServerConfig['tools'][string]

function ownRow({ tools }: ServerConfig, name: string): Row | undefined {
  return Object.hasOwn(tools, name) ? tools[name] : undefined
}

function presetRow({ preset }: ServerConfig, name: string, { presets }: Judge): Row | undefined {
  const tools = preset === undefined ? undefined : presets(preset)?.tools
  return tools !== undefined && Object.hasOwn(tools, name) ? tools[name] : undefined
}

/** What policy reads for the tool; undefined where it takes a row and has none. */
function rowOf(server: ServerConfig, name: string, judge: Judge): Row | undefined {
  const needsNone = server.provider === undefined || server.scope !== undefined
  return ownRow(server, name) ?? presetRow(server, name, judge) ?? (needsNone ? {} : undefined)
}

/** A row of its own does not change any more when the preset does. */
function diffSource(path: string, before: ServerConfig, after: ServerConfig, name: string, judge: Judge): Change[] {
  if (presetRow(after, name, judge) === undefined) return []
  const say = (server: ServerConfig): string =>
    ownRow(server, name) === undefined ? `row of preset ${server.preset ?? ''}` : 'row in this file'
  return differing(path, say(before), say(after), 'other')
}

function diffRow(path: string, before: Row, after: Row, judge: Judge): Change[] {
  const [from, to] = [list(before), list(after)]
  if (from.length !== to.length) return differing(path, before, after, 'wider')
  const place = (index: number): string => (from.length === 1 ? path : `${path}[${index}]`)
  return from.flatMap((old, index) => {
    const now = to[index]
    if (now === undefined) return []
    return [
      ...differing(`${place(index)}.when`, old.when, now.when, conditionEffect(from, to, index, judge)),
      ...diffCase(place(index), old, now),
    ]
  })
}

/**
 * A call that a case does not cover any more goes on to the next one, which may grant more. So a condition narrows a case only where
 * every case from the first that changed demands the very same besides: then no call falls through to another.
 */
function conditionEffect(from: readonly ToolCase[], to: readonly ToolCase[], index: number, judge: Judge): Change['effect'] {
  const added = from.map((old, at) => judge.addedCondition(old.when, to[at]?.when))
  if (added[index] === nothingAdded) return 'other'
  const first = added.findIndex((one) => one !== nothingAdded)
  const isSame = added.slice(first).every((one) => one !== undefined && one === added[first])
  return isSame ? 'narrower' : 'wider'
}

function diffCase(path: string, before: ToolCase, after: ToolCase): Change[] {
  return [
    ...diffRowWhere(`${path}.where`, before.where, after.where),
    ...differing(`${path}.credential`, before.credential, after.credential, 'wider'),
    ...differing(`${path}.scope`, before.scope, after.scope, 'wider'),
    ...diffRequests(`${path}.requests`, requests(before.requests), requests(after.requests)),
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

/** A constraint that goes, or admits more values, is wider. */
export function diffWhere(path: string, before: ServerConfig['where'], after: ServerConfig['where']): Change[] {
  return diffEntries(path, before, after, (keyPath, from, to) => diffSet(keyPath, list(from), list(to), 'wider', showValue), {
    added: 'narrower',
    removed: 'wider',
  })
}

function diffOptional(path: string, before: number | undefined, after: number | undefined): Change[] {
  if (before === undefined || after === undefined) return differing(path, before, after, 'wider')
  return diffNumber(path, before, after, formatDuration)
}

/**
 * A rule that goes is narrower. But it had its arguments looked at: a call without them, or with others than a request can hold, was
 * denied. Where no path that stays names one of them, such calls are let through.
 */
function diffRequests(path: string, before: readonly string[], after: readonly string[]): Change[] {
  const asked = new Set(after.flatMap((rule) => argumentsIn(pathOf(rule))))
  return diffSet(path, before, after, 'wider').map((change) =>
    change.effect === 'narrower' && argumentsIn(change.before).some((name) => !asked.has(name)) ? { ...change, effect: 'wider' } : change,
  )
}

/** With their modifiers: one that takes slashes is looked at in another way. */
function argumentsIn(rule: string): string[] {
  return [...rule.matchAll(/\$\{args\.[^}]*\}/g)].map(([name]) => name)
}

/** Of the rule as it is shown; the rest of it takes more than a path does. */
function pathOf(rule: string): string {
  const text = rule.startsWith('{') ? (/"request":"((?:[^"\\]|\\.)*)"/.exec(rule)?.[1] ?? '') : rule
  return text.split('?', 1)[0] ?? ''
}

function requests(rules: readonly RequestRuleConfig[] | undefined): string[] {
  return (rules ?? []).map(show)
}

function list<T>(value: T | readonly T[]): readonly T[] {
  return isList(value) ? value : [value]
}

function isList<T>(value: T | readonly T[]): value is readonly T[] {
  return Array.isArray(value)
}
