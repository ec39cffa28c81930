import { quote } from '../core/errors.ts'
import type { Json, JsonObject } from '../core/json.ts'
import type { QueryParameter } from '../core/types.ts'
import { maxArgumentLength, refuseMetacharacters } from './argument.ts'
import { fillText, requirePlain } from './fill.ts'
import { RuleError, within } from './refusal.ts'
import { constantText, parseTemplate, namesIn } from './template.ts'
import type { ProviderFacts } from './types.ts'

type FormConfig = Readonly<Record<string, string | number | boolean | null>>
type FillForm = (args: JsonObject, used: Record<string, Json>) => readonly QueryParameter[]

const fieldName = /^[A-Za-z0-9_.[\]:-]{1,128}$/

/**
 * Compiles `form`: field → the value that it must have, or nothing where any will do. A field that is bound to an argument
 * which the call lacks is left out, so that a body which carries it is refused, as are all fields that do not stand here.
 * Throws RuleError.
 */
export function compileForm(form: FormConfig, facts: ProviderFacts, names: Set<string>): FillForm {
  // AWS's Query services tell their operations apart by it alone.
  if (facts.authentication === 'aws-sigv4' && (typeof form['Action'] !== 'string' || form['Action'].includes('${')))
    throw new RuleError('a form of AWS names its operation: write `Action` with a fixed value', ['Action'])
  const fields = Object.entries(form).map(([name, template]) => within([name], () => compileField(name, template, names)))
  if (fields.length === 0) throw new RuleError('a form without fields would take none; leave `form` out')
  return (args, used) => fields.flatMap((fill) => fill(args, used) ?? [])
}

function compileField(
  name: string,
  template: FormConfig[string],
  names: Set<string>,
): (args: JsonObject, used: Record<string, Json>) => QueryParameter | undefined {
  if (!fieldName.test(name)) throw new RuleError(`${quote(name)} is no name of a form's field`)
  if (template === null || template === undefined) return () => ({ name })
  if (typeof template !== 'string') return () => ({ name, value: String(template) })
  const parts = parseTemplate(template)
  for (const name of namesIn(parts)) names.add(name)
  const fixed = constantText(parts)
  if (fixed !== undefined) return () => ({ name, value: fixed })
  requirePlain(parts, 'a field of a form')
  const whole = parts.length === 1
  return (args, used) => {
    const text = fillText(parts, args, 'requests', (printed, argument, value) => {
      // Alone it is compared as data, like a value in a JSON body; beside other text it could take the place of two.
      if (!whole) refuseMetacharacters(printed, argument, 'requests')
      if (printed.length <= maxArgumentLength) used[argument.text] = value
    })
    return text === undefined ? undefined : { name, value: text }
  }
}
