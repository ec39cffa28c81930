import { Kind, OperationTypeNode, parse as parseGraphql } from 'graphql'
import { isJsonObject, type Json, canonicalJson } from '../core/json.ts'
import type { GraphqlRule, PathSegment, RequestRule } from '../core/types.ts'

/** A request as the egress took it apart: decoded segments, in order; query parameters as they came. */
export interface WireRequest {
  readonly method: string
  readonly origin: string
  readonly segments: readonly string[]
  readonly query: readonly (readonly [string, string])[]
}

/**
 * Takes a request target apart; undefined when two readers could read it differently (encoded slashes or dots, empty or dot
 * segments, backslashes, control characters, fragments, absolute form).
 */
export function readTarget(method: string, origin: string, target: string): WireRequest | undefined {
  if (!target.startsWith('/') || /[\\#\u0000-\u0020\u007f-\uffff]/.test(target)) return undefined
  const cut = target.indexOf('?')
  const path = cut === -1 ? target : target.slice(0, cut)
  const segments: string[] = []
  const raws = path === '/' ? [] : path.slice(1).split('/')
  for (const [index, raw] of raws.entries()) {
    const segment = decode(raw)
    // A path may end in a slash: the root of a listing. An empty segment elsewhere is ambiguous.
    if (
      segment === undefined ||
      (segment === '' && index < raws.length - 1) ||
      segment === '.' ||
      segment === '..' ||
      /[/\\%\u0000-\u001f\u007f]/.test(segment)
    )
      return undefined
    segments.push(segment)
  }
  const query: [string, string][] = []
  if (cut !== -1) {
    for (const part of target.slice(cut + 1).split('&')) {
      if (part === '') continue
      const [name = '', value = ''] = [part.split('=', 1)[0] ?? '', part.includes('=') ? part.slice(part.indexOf('=') + 1) : '']
      const decoded = [decode(name.replaceAll('+', ' ')), decode(value.replaceAll('+', ' '))] as const
      if (decoded[0] === undefined || decoded[1] === undefined) return undefined
      query.push([decoded[0], decoded[1]])
    }
  }
  return { method, origin, segments, query }
}

/** Whether the rule admits the request, its body aside. Errs towards false. */
export function matchRequest(rule: RequestRule, request: WireRequest, seen: ReadonlyMap<string, string>): boolean {
  return (
    rule.method === request.method &&
    rule.origin === request.origin &&
    matchSegments(rule.segments, request.segments, seen) &&
    matchQuery(rule, request)
  )
}

export function bindsBody(rule: RequestRule): boolean {
  return rule.graphql !== undefined || (rule.body !== undefined && rule.body.length > 0)
}

/** Whether the rule admits the body; call it for rules that bind one. */
export function matchBody(rule: RequestRule, body: Buffer): boolean {
  let value: Json
  try {
    value = JSON.parse(body.toString('utf8'))
  } catch {
    return false
  }
  const fields = rule.body ?? []
  if (!fields.every((field) => equal(atPointer(value, field.pointer), field.value))) return false
  return rule.graphql === undefined || matchGraphql(rule.graphql, value)
}

/** RFC 6901. */
export function atPointer(value: Json, pointer: string): Json | undefined {
  let found: Json | undefined = value
  for (const token of pointer.split('/').slice(1)) {
    const key = token.replaceAll('~1', '/').replaceAll('~0', '~')
    if (Array.isArray(found)) found = found[Number(key)]
    else if (isJsonObject(found)) found = Object.hasOwn(found, key) ? found[key] : undefined
    else return undefined
  }
  return found
}

function matchSegments(pattern: readonly PathSegment[], segments: readonly string[], seen: ReadonlyMap<string, string>): boolean {
  for (const [index, part] of pattern.entries()) {
    if (part.kind === 'rest') return segments.length >= index
    const segment = segments[index]
    if (segment === undefined) return false
    if (part.kind === 'seen' && seen.get(part.name) !== segment) return false
    if (part.kind === 'literal' && part.value !== segment && !(part.ignoreCase && part.value.toLowerCase() === segment.toLowerCase()))
      return false
  }
  return segments.length === pattern.length
}

function matchQuery(rule: RequestRule, request: WireRequest): boolean {
  const names = new Set<string>()
  for (const [name, value] of request.query) {
    // A parameter that is bound to a value may be left out (clients drop empty ones), never changed.
    const parameter = rule.query.find((known) => known.name === name)
    if (parameter === undefined || names.has(name)) return false
    if (parameter.value !== undefined && parameter.value !== value) return false
    names.add(name)
  }
  return true
}

/** One operation of the stated kind, root fields among those listed, variables equal; nothing that hides a root field. */
function matchGraphql(rule: GraphqlRule, body: Json): boolean {
  if (!isJsonObject(body) || typeof body['query'] !== 'string') return false
  const variables = isJsonObject(body['variables']) ? body['variables'] : {}
  try {
    const { definitions } = parseGraphql(body['query'], { maxTokens: 5000 })
    const operations = definitions.filter((definition) => definition.kind === Kind.OPERATION_DEFINITION)
    const [operation] = operations
    if (operation === undefined || operations.length > 1) return false
    if (operation.operation !== (rule.operation === 'query' ? OperationTypeNode.QUERY : OperationTypeNode.MUTATION)) return false
    const fields = operation.selectionSet.selections
    if (!fields.every((field) => field.kind === Kind.FIELD && rule.fields.includes(field.name.value))) return false
  } catch {
    return false
  }
  return Object.entries(rule.variables).every(([name, value]) => equal(variables[name], value))
}

function equal(left: Json | undefined, right: Json): boolean {
  return left !== undefined && canonicalJson(left) === canonicalJson(right)
}

function decode(text: string): string | undefined {
  try {
    return decodeURIComponent(text)
  } catch {
    return undefined
  }
}
