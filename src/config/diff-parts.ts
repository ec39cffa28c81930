import { canonicalJson, type Json } from '../core/json.ts'

/** One difference between two configs, for a person who decides whether it takes effect. */
export interface Change {
  readonly path: string
  /** What stood there; empty when nothing did. */
  readonly before: string
  readonly after: string
  /** `wider`: more may be done than before, or it cannot be told. */
  readonly effect: Effect
}

export type Effect = 'wider' | 'narrower' | 'other'

/** Entries by name: new ones are wider and removed ones narrower unless said otherwise; others go to `compare`. */
export function diffEntries<T>(
  path: string,
  before: Readonly<Record<string, T>>,
  after: Readonly<Record<string, T>>,
  compare: (path: string, before: T, after: T) => Change[],
  effects: { readonly added: Effect; readonly removed: Effect } = { added: 'wider', removed: 'narrower' },
): Change[] {
  const changes: Change[] = []
  for (const name of new Set([...Object.keys(before), ...Object.keys(after)])) {
    const from = Object.hasOwn(before, name) ? before[name] : undefined
    const to = Object.hasOwn(after, name) ? after[name] : undefined
    if (from === undefined && to !== undefined)
      changes.push({ path: `${path}.${name}`, before: '', after: show(withoutEmpty(to)), effect: effects.added })
    else if (from !== undefined && to === undefined)
      changes.push({ path: `${path}.${name}`, before: show(withoutEmpty(from)), after: '', effect: effects.removed })
    else if (from !== undefined && to !== undefined) changes.push(...compare(`${path}.${name}`, from, to))
  }
  return changes
}

/** One change of a fixed direction when the two differ. */
export function differing(path: string, before: unknown, after: unknown, effect: Effect): Change[] {
  return canonical(before) === canonical(after) ? [] : [{ path, before: show(before), after: show(after), effect }]
}

/** A larger number is wider. */
export function diffNumber(path: string, before: number, after: number, format: (value: number) => string): Change[] {
  return before === after ? [] : [{ path, before: format(before), after: format(after), effect: after > before ? 'wider' : 'narrower' }]
}

/** Later in `order` is wider. */
export function diffRank<T extends string>(path: string, order: readonly T[], before: T, after: T): Change[] {
  return before === after ? [] : [{ path, before, after, effect: order.indexOf(after) > order.indexOf(before) ? 'wider' : 'narrower' }]
}

/** One change for each item that came (`whenAdded`) or went (the opposite). */
export function diffSet(
  path: string,
  before: readonly Json[],
  after: readonly Json[],
  whenAdded: 'wider' | 'narrower',
  say: (item: Json) => string = show,
): Change[] {
  const opposite = whenAdded === 'wider' ? 'narrower' : 'wider'
  const from = new Set(before.map(canonical))
  const to = new Set(after.map(canonical))
  return [
    ...after
      .filter((item) => !from.has(canonical(item)))
      .map((item): Change => ({ path, before: '', after: say(item), effect: whenAdded })),
    ...before.filter((item) => !to.has(canonical(item))).map((item): Change => ({ path, before: say(item), after: '', effect: opposite })),
  ]
}

/** What is new or gone as a whole is shown without the lists and maps in it that say nothing. */
export function withoutEmpty(entry: unknown): unknown {
  if (typeof entry !== 'object' || entry === null || Array.isArray(entry)) return entry
  return Object.fromEntries(Object.entries(entry).filter(([, value]) => !isEmpty(value)))
}

function isEmpty(value: unknown): boolean {
  return typeof value === 'object' && value !== null && Object.keys(value).length === 0
}

/** A value that a stranger may have chosen: in quotes, unless it is one plain word. */
export function showValue(item: Json): string {
  return typeof item === 'string' && !/^[\w./:@+-]+$/.test(item) ? JSON.stringify(item) : show(item)
}

/** A config value for people: text as it is, anything else as JSON; empty for one that is absent. */
export function show(value: unknown): string {
  return typeof value === 'string' ? value : canonical(value)
}

/** Canonical JSON; `undefined` is empty, and a text differs from a number that looks like it. */
function canonical(value: unknown): string {
  if (value === undefined) return ''
  const json: Json = JSON.parse(JSON.stringify(value))
  return canonicalJson(json)
}
