import { LRUCache } from 'lru-cache'
import { JitError, quote } from '../core/errors.ts'
import { deepFreeze, isJsonObject, type Json, type JsonObject } from '../core/json.ts'
import { type ArgumentName, needArgument, printScalar, refuseMetacharacters, topOf } from './argument.ts'
import { Refusal, RuleError, within } from './refusal.ts'
import { constantText, parseTemplate, type TemplatePart, namesIn } from './template.ts'
import type { ProviderFacts } from './types.ts'

type Used = Record<string, Json>
type Fill = (args: JsonObject, used: Used) => Json

export interface ScopeTemplate {
  /** Names of the arguments in it, `target.repo` for one within an object. */
  readonly names: readonly string[]
  /** The scope of one call, parsed by the provider's own schema. Throws Refusal. */
  bind(args: JsonObject, used: Used): JsonObject
}

/** Compiles a scope template; one without arguments is parsed by the provider here and now. Throws RuleError. */
export function compileScope(template: JsonObject, facts: ProviderFacts): ScopeTemplate {
  const names = new Set<string>()
  const fields = compileObject(template, '', facts, names)
  const refused = facts.checkTemplate?.(template)
  if (refused !== undefined) throw new RuleError(refused)
  if (names.size === 0) {
    const scope = deepFreeze(parseConstant(template, facts))
    return { names: [], bind: () => scope }
  }
  return { names: [...names], bind: remembering([...names], (args, used) => parseFilled(fields(args, used), facts)) }
}

const remembered = 1000
const longestKey = 1000

/**
 * A scope is a pure function of the arguments that its template names, and an agent stays with a few repositories or buckets
 * for long: the same values get the same, frozen scope without being checked again.
 */
function remembering(names: readonly string[], bind: ScopeTemplate['bind']): ScopeTemplate['bind'] {
  const known = new LRUCache<string, { scope: JsonObject; used: Used }>({ max: remembered })
  const tops = [...new Set(names.map(topOf))]
  return (args, used) => {
    const key = JSON.stringify(tops.map((name) => (Object.hasOwn(args, name) ? args[name] : undefined)))
    let made = key.length > longestKey ? undefined : known.get(key)
    if (made === undefined) {
      const read: Used = {}
      made = { scope: deepFreeze(bind(args, read)), used: read }
      if (key.length <= longestKey) known.set(key, made)
    }
    Object.assign(used, made.used)
    return made.scope
  }
}

function parseConstant(template: JsonObject, facts: ProviderFacts): JsonObject {
  try {
    return facts.parseScope(template)
  } catch (error) {
    throw new RuleError(error instanceof Error ? error.message : String(error))
  }
}

function parseFilled(scope: JsonObject, facts: ProviderFacts): JsonObject {
  try {
    return facts.parseScope(scope)
  } catch (error) {
    if (error instanceof JitError) throw new Refusal(error.message, 'scope', error.code)
    throw error
  }
}

function compileObject(
  template: JsonObject,
  path: string,
  facts: ProviderFacts,
  names: Set<string>,
): (args: JsonObject, used: Used) => JsonObject {
  const fields: [string, Fill][] = Object.entries(template).map(([key, value]) => {
    if (key.includes('${')) throw new RuleError(`the key ${quote(key)} holds a template; only values may`, [key])
    return [key, within([key], () => compileValue(value, join(path, key), facts, names))]
  })
  return (args, used) => Object.fromEntries(fields.map(([key, fill]) => [key, fill(args, used)]))
}

function compileValue(template: Json, path: string, facts: ProviderFacts, names: Set<string>): Fill {
  if (typeof template === 'string') return compileText(template, path, facts, names)
  if (isList(template)) return compileList(template, path, facts, names)
  if (isJsonObject(template)) return compileObject(template, path, facts, names)
  return () => template
}

/** A list item that is only `${args.NAME}` takes the place of all items when the argument is a list. */
function compileList(template: readonly Json[], path: string, facts: ProviderFacts, names: Set<string>): Fill {
  const items = template.map((item, index): ((args: JsonObject, used: Used, at: number) => readonly Json[]) =>
    within([index], () => {
      const whole = typeof item === 'string' ? wholeArgument(parseTemplate(item)) : undefined
      if (whole === undefined) {
        const fill = compileValue(item, join(path, String(index)), facts, names)
        return (args, used) => [fill(args, used)]
      }
      names.add(whole.text)
      return (args, used, at) => fillItems(whole, path, facts, args, used, at)
    }),
  )
  return (args, used) => {
    const filled: Json[] = []
    for (const item of items) filled.push(...item(args, used, filled.length))
    return filled
  }
}

function fillItems(name: ArgumentName, path: string, facts: ProviderFacts, args: JsonObject, used: Used, at: number): Json[] {
  const value = needArgument(args, name, 'scope')
  const values = isList(value) ? value : [value]
  if (values.length === 0 || values.length > 500)
    throw new Refusal(`${name.text} has ${values.length} items; a scope takes 1 to 500`, 'scope')
  const texts = values.map((item, index) => checkedText(item, name, join(path, String(at + index)), facts))
  used[name.text] = value
  return texts
}

function compileText(template: string, path: string, facts: ProviderFacts, names: Set<string>): Fill {
  const parts = parseTemplate(template)
  const constant = constantText(parts)
  if (constant !== undefined) return () => constant
  for (const part of parts) {
    if (part.kind === 'seen') throw new RuleError('${seen.…} stands in a scope, but the scope is asked for before any answer was seen')
    if (part.kind === 'argument' && (part.form === 'base64' || part.form === 'encoded'))
      throw new RuleError(`\${args.${part.name.text}} takes no "|${part.form}" in a scope`)
  }
  for (const name of namesIn(parts)) names.add(name)
  return (args, used) => {
    let text = ''
    for (const part of parts) text += fillPart(part, parts.length > 1, path, facts, args, used)
    return text
  }
}

function fillPart(part: TemplatePart, among: boolean, path: string, facts: ProviderFacts, args: JsonObject, used: Used): string {
  if (part.kind === 'text') return part.text
  if (part.kind === 'seen') throw new Refusal('a captured value cannot stand in a scope', 'scope')
  const value = needArgument(args, part.name, 'scope')
  const text = checkedText(value, part.name, path, facts)
  // Beside other text a separator would let one value take the place of two: owner "evil/web" before "/repo".
  if (among && part.form === 'plain' && text.includes('/')) throw new Refusal(`${part.name.text} ${quote(text, 60)} contains "/"`, 'scope')
  if (part.form === 'segments' && text.split('/').some((segment) => segment === '' || segment === '.' || segment === '..'))
    throw new Refusal(`${part.name.text} ${quote(text, 60)} has a segment that is empty, "." or ".."`, 'scope')
  used[part.name.text] = value
  return text
}

function checkedText(value: Json, name: ArgumentName, path: string, facts: ProviderFacts): string {
  const text = printScalar(value, name, 'scope')
  if (text === '') throw new Refusal(`${name.text} is empty`, 'scope')
  refuseMetacharacters(text, name, 'scope')
  const refused = facts.checkField(path, text)
  if (refused !== undefined) throw new Refusal(`${name.text} ${quote(text, 60)}: ${refused}`, 'scope')
  return text
}

function wholeArgument(parts: readonly TemplatePart[]): ArgumentName | undefined {
  const [part] = parts
  return parts.length === 1 && part?.kind === 'argument' && part.form === 'plain' ? part.name : undefined
}

function join(path: string, step: string): string {
  return path === '' ? step : `${path}.${step}`
}

function isList(value: Json): value is readonly Json[] {
  return Array.isArray(value)
}
