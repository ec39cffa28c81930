import { canonicalJson, isJsonObject, type Json } from '../core/json.ts'
import type { PathSegment, QueryParameter, RequestRule } from '../core/types.ts'
import type { BoundBody } from './body.ts'
import { matchGraphql } from './graphql.ts'
import type { WireRequest } from './target.ts'

type Seen = ReadonlyMap<string, string>

const jsonOfAws = /^application\/x-amz-json-1\.[01]$/i

/** Whether the rule admits the request, its body aside. Pure; errs towards false. */
export function matchRequest(rule: RequestRule, request: WireRequest, seen: Seen): boolean {
  return (
    rule.method === request.method &&
    rule.origin === request.origin &&
    matchSegments(rule.segments, request.segments, seen) &&
    matchQuery(rule.query, request.query) &&
    matchHeaders(rule, request)
  )
}

/** Whether the rule says something about a header of this name. */
export function namesHeader(rule: RequestRule, name: string): boolean {
  return rule.headers !== undefined && Object.hasOwn(rule.headers, name)
}

function matchHeaders(rule: RequestRule, { headers, steering }: WireRequest): boolean {
  if (rule.headers === undefined) return steering === undefined || steering.size === 0
  // Some services also take a form that names the operation, in a body that no rule binds.
  if (namesHeader(rule, 'x-amz-target') && !namesHeader(rule, 'content-type') && !jsonOfAws.test(headers.get('content-type') ?? ''))
    return false
  return (
    Object.entries(rule.headers).every(([name, value]) => headers.get(name) === value) &&
    [...(steering ?? [])].every((name) => namesHeader(rule, name))
  )
}

/** Whether the rule can only be judged with the body at hand. */
export function bindsBody(rule: RequestRule): boolean {
  return rule.graphql !== undefined || rule.form !== undefined || (rule.body !== undefined && rule.body.length > 0)
}

/** Whether a rule that binds the body admits it. Pure; errs towards false. */
export function matchBody(rule: RequestRule, body: BoundBody): boolean {
  if (rule.form !== undefined) return body.kind === 'form' && matchForm(rule.form, body.fields)
  if (body.kind !== 'json') return false
  const fields = rule.body ?? []
  return (
    fields.every((field) => equal(boundAt(body.value, field.pointer), field.value)) &&
    (rule.graphql === undefined || matchGraphql(rule.graphql, body.value))
  )
}

/** Like a query, but that a field which is bound to a value stands there, also where that is empty. */
function matchForm(listed: readonly QueryParameter[], fields: ReadonlyMap<string, string>): boolean {
  return (
    [...fields.keys()].every((name) => listed.some((known) => known.name === name)) &&
    listed.every(({ name, value }) => value === undefined || fields.get(name) === value)
  )
}

/** RFC 6901; undefined where nothing stands. */
export function atPointer(value: Json, pointer: string): Json | undefined {
  return walk(value, pointer, false)
}

/** The same, but a key that some reader could take for another beside it stands for nothing. */
function boundAt(value: Json, pointer: string): Json | undefined {
  return walk(value, pointer, true)
}

function walk(value: Json, pointer: string, strict: boolean): Json | undefined {
  let found: Json | undefined = value
  for (const token of pointer.split('/').slice(1)) {
    const key = token.replaceAll('~1', '/').replaceAll('~0', '~')
    if (isJsonObject(found)) found = Object.hasOwn(found, key) && !(strict && hasVariant(found, key)) ? found[key] : undefined
    else if (Array.isArray(found)) found = /^(0|[1-9]\d{0,9})$/.test(key) ? found[Number(key)] : undefined
    else return undefined
  }
  return found
}

/** `Title` beside `title`, `display_name` beside `displayName`: Go's decoder, for one, or protobuf's reads both into the same field. */
function hasVariant(object: object, key: string): boolean {
  const folded = fold(key)
  return Object.keys(object).some((other) => other !== key && fold(other) === folded)
}

/** Upper case first: so `ſ` and the Kelvin sign fold to `s` and `k`. */
function fold(key: string): string {
  return key.normalize('NFKC').toUpperCase().toLowerCase().replaceAll(/[_-]/g, '')
}

function matchSegments(pattern: readonly PathSegment[], segments: readonly string[], seen: Seen): boolean {
  // An escaped slash is a part of one segment for some readers and a separator for others: only a rule that says so takes it.
  if (segments.some((segment, index) => segment.includes('/') && !takesSlashes(pattern[index]))) return false
  for (const [index, part] of pattern.entries()) {
    if (part.kind === 'rest') return segments.length >= index
    const segment = segments[index]
    if (segment === undefined || !matchSegment(part, segment, seen)) return false
  }
  return segments.length === pattern.length
}

/** Whether some segment had a slash that was escaped. */
export function hasEscapedSlash(request: WireRequest): boolean {
  return request.segments.some((segment) => segment.includes('/'))
}

/** Whether the rule binds a segment to a value whose slashes are escaped. */
export function takesEscapedSlash(rule: RequestRule): boolean {
  return rule.segments.some(takesSlashes)
}

function takesSlashes(part: PathSegment | undefined): boolean {
  return part?.kind === 'literal' && part.encoded === true
}

function matchSegment(part: Exclude<PathSegment, { kind: 'rest' }>, segment: string, seen: Seen): boolean {
  switch (part.kind) {
    case 'one':
      return segment !== ''
    case 'seen':
      return segment !== '' && seen.get(part.name) === segment
    case 'literal':
      return part.value === segment || (part.ignoreCase && lowerAscii(part.value) === lowerAscii(segment))
  }
}

/** GitHub's names are ASCII; other letters have case rules of their own. */
function lowerAscii(text: string): string {
  return text.replace(/[A-Z]+/g, (letters) => letters.toLowerCase())
}

/**
 * Each parameter at most once and among those listed. One that is bound to a value stands there with that value: left out, it
 * could be the filter that narrows the answer. Bound to nothing, it is empty or left out (clients drop empty ones).
 */
function matchQuery(parameters: readonly QueryParameter[], query: WireRequest['query']): boolean {
  const given = new Map(query)
  return (
    given.size === query.length &&
    query.every(([name]) => parameters.some((known) => known.name === name)) &&
    parameters.every(({ name, value }) => value === undefined || (given.get(name) ?? '') === value)
  )
}

function equal(left: Json | undefined, right: Json): boolean {
  return left !== undefined && canonicalJson(left) === canonicalJson(right)
}
