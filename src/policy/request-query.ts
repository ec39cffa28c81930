import { quote } from '../core/errors.ts'
import type { Json, JsonObject } from '../core/json.ts'
import type { QueryParameter } from '../core/types.ts'
import { refuseMetacharacters } from './argument.ts'
import { fillText, requirePlain } from './fill.ts'
import { Refusal, RuleError } from './refusal.ts'
import { constantText, parseTemplate, namesIn } from './template.ts'

type FillQuery = (args: JsonObject, used: Record<string, Json>) => readonly QueryParameter[]

/**
 * Compiles `page&state=${args.state}`. A parameter that is bound to an argument which the call lacks is left out, so a
 * request that carries it is refused. Throws RuleError.
 */
export function compileQuery(text: string | undefined, names: Set<string>): FillQuery {
  if (text === undefined) return () => []
  const known = new Set<string>()
  const parameters = text.split('&').map((parameter) => {
    const [name = '', value] = splitOnce(parameter)
    if (!/^[A-Za-z0-9_.[\]-]+$/.test(name))
      throw new RuleError(`${quote(parameter)} is no query parameter: write NAME or NAME=VALUE, joined by "&"`)
    if (known.has(name)) throw new RuleError(`the query parameter ${quote(name)} stands there twice`)
    known.add(name)
    return compileParameter(name, value, names)
  })
  return (args, used) => parameters.flatMap((fill) => fill(args, used) ?? [])
}

function compileParameter(
  name: string,
  template: string | undefined,
  names: Set<string>,
): (args: JsonObject, used: Record<string, Json>) => QueryParameter | undefined {
  if (template === undefined) return () => ({ name })
  const parts = parseTemplate(template)
  for (const name of namesIn(parts)) names.add(name)
  const fixed = constantText(parts)
  if (fixed !== undefined) {
    if (/[%+#*\s]/.test(fixed)) throw new RuleError(`${quote(fixed)}: write query values decoded, without "%", "+", "#", "*" or spaces`)
    return () => ({ name, value: fixed })
  }
  requirePlain(parts, 'a query value')
  return (args, used) => {
    const text = fillText(parts, args, 'requests', (printed, argument, value) => {
      refuseMetacharacters(printed, argument, 'requests')
      used[argument.text] = value
    })
    if (text === undefined) return undefined
    if (text.length > 8192) throw new Refusal(`the query parameter ${name} would be too long`, 'requests')
    return { name, value: text }
  }
}

function splitOnce(text: string): [name: string, value: string | undefined] {
  const at = text.indexOf('=')
  return at < 0 ? [text, undefined] : [text.slice(0, at), text.slice(at + 1)]
}
