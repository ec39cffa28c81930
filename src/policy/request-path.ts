import { quote } from '../core/errors.ts'
import type { Json, JsonObject } from '../core/json.ts'
import type { PathSegment } from '../core/types.ts'
import { type ArgumentName, needArgument, printScalar, refuseMetacharacters } from './argument.ts'
import { Refusal, RuleError } from './refusal.ts'
import { constantText, parseTemplate, type TemplatePart, namesIn } from './template.ts'
import type { ProviderFacts } from './types.ts'
import { ignoresCase } from './where.ts'

type Used = Record<string, Json>
type FillSegments = (args: JsonObject, used: Used) => readonly PathSegment[]

const maxSegments = 64

/**
 * Compiles the path of a request rule into decoded segments. `*` and `**` count only as whole segments of the rule's own text;
 * a value from a call is always a literal. `/` alone has no segments; an empty last one stands for a slash at the end.
 * Throws RuleError.
 */
export function compilePath(text: string, facts: ProviderFacts, captured: ReadonlySet<string>, names: Set<string>): FillSegments {
  const texts = text === '/' ? [] : text.slice(1).split('/')
  const fills = texts.map((segment, index) => compileSegment(segment, index === texts.length - 1, facts, captured, names))
  return (args, used) => {
    const segments: PathSegment[] = []
    for (const fill of fills) for (const segment of fill(args, used)) segments.push(segment)
    return segments
  }
}

function compileSegment(
  text: string,
  last: boolean,
  facts: ProviderFacts,
  captured: ReadonlySet<string>,
  names: Set<string>,
): FillSegments {
  if (text === '*') return constant({ kind: 'one' })
  if (text === '**') {
    if (!last) throw new RuleError('"**" stands for the rest of the path and must be its end')
    return constant({ kind: 'rest' })
  }
  const parts = parseTemplate(text)
  for (const name of namesIn(parts)) names.add(name)
  const fixed = constantText(parts)
  if (fixed !== undefined) return constant({ kind: 'literal', value: checkedLiteral(fixed, last), ignoreCase: false })
  for (const part of parts) if (part.kind === 'text') checkedLiteral(part.text, true)
  const [only] = parts
  if (parts.length === 1 && only?.kind === 'seen') return compileSeen(only.name, captured)
  if (parts.length === 1 && only?.kind === 'argument' && only.form === 'segments')
    return (args, used) => splitSegments(args, only.name, used)
  if (parts.length === 1 && only?.kind === 'argument' && only.form === 'encoded')
    return (args, used) => encodedSegment(args, only.name, used)
  return compileOne(parts, facts)
}

function compileSeen(name: string, captured: ReadonlySet<string>): FillSegments {
  if (!captured.has(name)) throw new RuleError(`\${seen.${name}} is captured by no request before this one`)
  return constant({ kind: 'seen', name })
}

/** One segment of text and arguments. */
function compileOne(parts: readonly TemplatePart[], facts: ProviderFacts): FillSegments {
  for (const part of parts) {
    if (part.kind === 'seen') throw new RuleError('${seen.…} must be a whole path segment')
    if (part.kind === 'argument' && part.form === 'segments')
      throw new RuleError(`\${args.${part.name.text}...} must stand alone between slashes`)
    if (part.kind === 'argument' && part.form === 'encoded')
      throw new RuleError(`\${args.${part.name.text}|encoded} must stand alone between slashes`)
    if (part.kind === 'argument' && part.form === 'base64') throw new RuleError(`\${args.${part.name.text}|base64} belongs to a body`)
  }
  const ignoreCase = parts.every((part) => part.kind === 'argument' && ignoresCase(part.name, facts))
  return (args, used) => {
    let value = ''
    for (const part of parts) {
      if (part.kind === 'argument') value += segmentValue(args, part.name, used)
      else if (part.kind === 'text') value += part.text
    }
    if (value === '.' || value === '..') throw new Refusal(`${quote(value)} cannot be part of a path`, 'requests')
    return [{ kind: 'literal', value, ignoreCase }]
  }
}

function segmentValue(args: JsonObject, name: ArgumentName, used: Used): string {
  const value = needArgument(args, name, 'requests')
  const text = printScalar(value, name, 'requests')
  if (text === '') throw new Refusal(`${name.text} is empty`, 'requests')
  refuseMetacharacters(text, name, 'requests')
  if (text.includes('/')) throw new Refusal(`${name.text} ${quote(text, 60)} contains "/"`, 'requests')
  used[name.text] = value
  return text
}

/** `${args.path...}`: `src/main.ts` is two segments, each under the rules of one. */
function splitSegments(args: JsonObject, name: ArgumentName, used: Used): PathSegment[] {
  return plainPath(args, name, used).map((segment) => ({ kind: 'literal', value: segment, ignoreCase: false }))
}

/**
 * `${args.project|encoded}`: `acme/web` is one segment, `acme%2Fweb`. Its parts are under the same rules as those of a path, so
 * that an upstream which reads the escaped slash as a separator gets no further than with `${args.project...}`.
 */
function encodedSegment(args: JsonObject, name: ArgumentName, used: Used): PathSegment[] {
  return [{ kind: 'literal', value: plainPath(args, name, used).join('/'), ignoreCase: false, encoded: true }]
}

function plainPath(args: JsonObject, name: ArgumentName, used: Used): string[] {
  const value = needArgument(args, name, 'requests')
  const text = printScalar(value, name, 'requests')
  refuseMetacharacters(text, name, 'requests')
  const texts = text.split('/')
  if (texts.length > maxSegments) throw new Refusal(`${name.text} has ${texts.length} path segments; ${maxSegments} are read`, 'requests')
  if (texts.some((segment) => segment === '' || segment === '.')) {
    throw new Refusal(`${name.text} ${quote(text, 60)} must be a plain path: no empty or "." part, no "/" at either end`, 'requests')
  }
  used[name.text] = value
  return texts
}

function checkedLiteral(text: string, last: boolean): string {
  if (text === '' && !last) throw new RuleError('the path has an empty part ("//")')
  if (text === '.' || text === '..') throw new RuleError(`the path has a ${quote(text)} part`)
  if (text.includes('*')) throw new RuleError('"*" must be a whole part of the path')
  if (/[%#\\\s\p{Cc}]/u.test(text)) throw new RuleError(`${quote(text)}: write paths decoded, without "%", "#", spaces or backslashes`)
  return text
}

function constant(segment: PathSegment): FillSegments {
  const segments = [segment]
  return () => segments
}
