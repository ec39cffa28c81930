import { quote } from '../core/errors.ts'
import type { Json, JsonObject } from '../core/json.ts'
import { needArgument, printScalar, refuseMetacharacters } from './argument.ts'
import { Refusal, RuleError, within } from './refusal.ts'
import { constantText, parseTemplate, type TemplatePart, namesIn } from './template.ts'

type Used = Record<string, Json>
type FillHeaders = (args: JsonObject, used: Used) => Readonly<Record<string, string>>

/**
 * What a value of a call may be in a header: nothing that begins another item, parameter or field of it (`,` `;` `=` `&`, quotes,
 * spaces), nor what some service decodes (`%`, `+`).
 */
const fromCall = /^[A-Za-z0-9._~:@/-]{1,1024}$/

/** Compiles `headers`: name → the value that must stand there. Throws RuleError. */
export function compileHeaders(headers: Readonly<Record<string, string>>, names: Set<string>): FillHeaders {
  const fields = Object.entries(headers).map(([name, value]) => [name, within([name], () => compileValue(name, value, names))] as const)
  return (args, used) => Object.fromEntries(fields.map(([name, fill]) => [name, fill(args, used)]))
}

function compileValue(header: string, template: string, names: Set<string>): (args: JsonObject, used: Used) => string {
  const parts = parseTemplate(template)
  for (const name of namesIn(parts)) names.add(name)
  for (const part of parts) {
    if (part.kind === 'seen') throw new RuleError('${seen.…} belongs to paths')
    if (part.kind === 'argument' && (part.form === 'base64' || part.form === 'encoded'))
      throw new RuleError(`\${args.${part.name.text}} takes no "|${part.form}" in a header`)
  }
  // With a letter in the place of each argument it must be a header's value already: no space at its ends, nothing invisible.
  const sample = parts.map((part) => (part.kind === 'text' ? part.text : 'x')).join('')
  if (!/^[\x21-\x7e]([\x20-\x7e]*[\x21-\x7e])?$/.test(sample)) throw new RuleError(`${quote(template)} is no header's value`)
  const constant = constantText(parts)
  if (constant !== undefined) return () => constant
  return (args, used) => parts.map((part) => fillPart(part, parts.length > 1, header, args, used)).join('')
}

function fillPart(part: TemplatePart, among: boolean, header: string, args: JsonObject, used: Used): string {
  if (part.kind === 'text') return part.text
  if (part.kind === 'seen') throw new Refusal('a captured value cannot stand in a header', 'requests')
  const { name, form } = part
  const value = needArgument(args, name, 'requests')
  const text = printScalar(value, name, 'requests')
  refuseMetacharacters(text, name, 'requests')
  if (!fromCall.test(text))
    throw new Refusal(`${name.text} ${quote(text, 60)} is nothing for the header ${header}: letters, digits and ._~:@/- only`, 'requests')
  // Beside other text a slash would let one value take the place of two: bucket "a/b" before "/key".
  if (among && form === 'plain' && text.includes('/')) throw new Refusal(`${name.text} ${quote(text, 60)} contains "/"`, 'requests')
  if (form === 'segments' && text.split('/').some((segment) => segment === '' || segment === '.'))
    throw new Refusal(`${name.text} ${quote(text, 60)} has a segment that is empty or "."`, 'requests')
  used[name.text] = value
  return text
}
