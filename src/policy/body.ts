import { quote } from '../core/errors.ts'
import { isJsonObject, type Json, type JsonObject } from '../core/json.ts'
import { needArgument, printScalar, readArgument, refuseMetacharacters } from './argument.ts'
import { Refusal, RuleError, within } from './refusal.ts'
import { constantText, parseTemplate, type TemplatePart, namesIn } from './template.ts'

/** Answers undefined when the argument is absent and its place may stay empty. */
type Fill = (args: JsonObject, optional: boolean) => Json | undefined

type BoundBody = readonly { readonly pointer: string; readonly value: Json }[]

/** Compiles `body`: JSON pointer → what must stand there. Throws RuleError. */
export function compileBody(body: JsonObject, names: Set<string>): (args: JsonObject) => BoundBody {
  const bindings = Object.entries(body).map(([pointer, template]) => ({
    pointer,
    fill: within([pointer], () => compileValue(template, names)),
  }))
  return (args) => bindings.map(({ pointer, fill }) => ({ pointer, value: fill(args, false) ?? null }))
}

/** Compiles the variables of a GraphQL request: name → what it must be. Throws RuleError. */
export function compileVariables(variables: JsonObject, names: Set<string>): (args: JsonObject) => JsonObject {
  const bindings = Object.entries(variables).map(([name, template]) => ({
    name,
    fill: within([name], () => compileValue(template, names)),
  }))
  return (args) => Object.fromEntries(bindings.map(({ name, fill }) => [name, fill(args, false) ?? null]))
}

/**
 * A body is compared as data, not parsed as text, so an argument may stand in it as it is, of any type and length. A member
 * whose argument the call lacks is left out of its object, which then must lack it too.
 */
function compileValue(template: Json, names: Set<string>): Fill {
  if (typeof template === 'string') return compileText(template, names)
  if (Array.isArray(template)) {
    const items = template.map((item: Json, index) => within([index], () => compileValue(item, names)))
    return (args) => items.map((fill) => fill(args, false) ?? null)
  }
  if (!isJsonObject(template)) return () => template
  const members = Object.entries(template).map(([key, value]) => ({ key, fill: within([key], () => compileValue(value, names)) }))
  return (args) =>
    Object.fromEntries(
      members.flatMap(({ key, fill }) => {
        const value = fill(args, true)
        return value === undefined ? [] : [[key, value]]
      }),
    )
}

function compileText(template: string, names: Set<string>): Fill {
  const parts = parseTemplate(template)
  for (const name of namesIn(parts)) names.add(name)
  const fixed = constantText(parts)
  if (fixed !== undefined) return () => fixed
  for (const part of parts) {
    if (part.kind === 'seen') throw new RuleError('${seen.…} belongs to paths; a body is bound before any answer was seen')
    if (part.kind === 'argument' && part.form === 'segments') throw new RuleError(`\${args.${part.name.text}...} belongs to paths`)
    if (part.kind === 'argument' && part.form === 'encoded') throw new RuleError(`\${args.${part.name.text}|encoded} belongs to paths`)
  }
  const [only] = parts
  if (parts.length === 1 && only?.kind === 'argument') return compileWhole(only)
  return (args, optional) => fillText(parts, args, optional)
}

function compileWhole(part: Extract<TemplatePart, { kind: 'argument' }>): Fill {
  return (args, optional) => {
    const value = optional ? readArgument(args, part.name) : needArgument(args, part.name, 'requests')
    if (part.form !== 'base64' || value === undefined) return value
    if (typeof value !== 'string') throw new Refusal(`${part.name.text} ${quote(value, 60)} is no text`, 'requests')
    return Buffer.from(value, 'utf8').toString('base64')
  }
}

function fillText(parts: readonly TemplatePart[], args: JsonObject, optional: boolean): string | undefined {
  let text = ''
  for (const part of parts) {
    if (part.kind === 'text') text += part.text
    if (part.kind !== 'argument') continue
    const value = optional ? readArgument(args, part.name) : needArgument(args, part.name, 'requests')
    if (value === undefined || value === null) return undefined
    const printed = printScalar(value, part.name, 'requests')
    refuseMetacharacters(printed, part.name, 'requests')
    text += part.form === 'base64' ? Buffer.from(printed, 'utf8').toString('base64') : printed
  }
  return text
}
