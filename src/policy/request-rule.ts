import { quote } from '../core/errors.ts'
import type { Json, JsonObject } from '../core/json.ts'
import type { PathSegment, QueryParameter, RequestRule } from '../core/types.ts'
import type { RequestRuleConfig } from '../config/schema.ts'
import { compileBody, compileVariables } from './body.ts'
import { compileForm } from './request-form.ts'
import { compileHeaders } from './request-header.ts'
import { compilePath } from './request-path.ts'
import { compileQuery } from './request-query.ts'
import { RuleError, within } from './refusal.ts'
import type { ProviderFacts } from './types.ts'

export type Used = Record<string, Json>

export interface RequestTemplate {
  readonly origin: string
  /** Names of the arguments in it, `target.repo` for one within an object. */
  readonly names: readonly string[]
  /** The rule for one call. Throws Refusal. */
  bind(args: JsonObject, used: Used): RequestRule
}

const methods = new Set(['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE'])

/** Compiles the request rules of one case, in order: `${seen.NAME}` may stand only after the rule that captures it. Throws RuleError. */
export function compileRequests(rules: readonly RequestRuleConfig[], facts: ProviderFacts): RequestTemplate[] {
  const captured = new Set<string>()
  return rules.map((rule, index) =>
    within([index], () => {
      const compiled = compileRequest(rule, facts, captured)
      if (typeof rule !== 'string') for (const name of Object.keys(rule.capture ?? {})) captured.add(name)
      return compiled
    }),
  )
}

function compileRequest(rule: RequestRuleConfig, facts: ProviderFacts, captured: ReadonlySet<string>): RequestTemplate {
  const details = typeof rule === 'string' ? { request: rule } : rule
  const { method, origin, path: pathText, query: queryText } = splitRule(details.request, facts)
  const names = new Set<string>()
  const path = compilePath(pathText, facts, captured, names)
  const query = compileQuery(queryText, names)
  const body = details.body === undefined ? undefined : within(['body'], () => compileBody(details.body ?? {}, names))
  const graphql = details.graphql
  const variables = graphql === undefined ? undefined : within(['graphql', 'variables'], () => compileVariables(graphql.variables, names))
  const { form: fields } = details
  const form = fields === undefined ? undefined : within(['form'], () => compileForm(fields, facts, names))
  if (form !== undefined && (body !== undefined || graphql !== undefined))
    throw new RuleError('a body is a form or JSON, not both', ['form'])
  if (form !== undefined && method !== 'POST' && method !== 'PUT' && method !== 'PATCH')
    throw new RuleError(`a ${method} request has no form`, ['form'])
  if (graphql !== undefined && method !== 'POST') throw new RuleError('a GraphQL request is a POST', ['graphql'])
  if (body !== undefined && (method === 'GET' || method === 'HEAD'))
    throw new RuleError(`a ${method} request has no body to bind`, ['body'])
  const headers = details.headers === undefined ? undefined : within(['headers'], () => compileHeaders(details.headers ?? {}, names))
  const bind = (args: JsonObject, used: Used): RequestRule => {
    const segments = path(args, used)
    const parameters = query(args, used)
    const fixed = headers?.(args, used)
    const filled = form?.(args, used)
    return {
      text: ruleText(method, origin, segments, parameters, fixed, filled),
      method,
      origin,
      segments,
      query: parameters,
      ...(graphql === undefined || variables === undefined
        ? {}
        : { graphql: { operation: graphql.operation, fields: graphql.fields, variables: variables(args) } }),
      ...(body === undefined ? {} : { body: body(args) }),
      ...(filled === undefined ? {} : { form: filled }),
      ...(fixed === undefined ? {} : { headers: fixed }),
      ...(details.payload === 'unsigned' ? { unsignedPayload: true as const } : {}),
      ...(details.capture === undefined ? {} : { capture: details.capture }),
    }
  }
  if (names.size > 0) return { origin, names: [...names], bind }
  const constant = bind({}, {})
  return { origin, names: [], bind: () => constant }
}

interface RuleText {
  readonly method: string
  readonly origin: string
  readonly path: string
  readonly query: string | undefined
}

function splitRule(text: string, facts: ProviderFacts): RuleText {
  const match = /^(\S+) (https?:\/\/[^/?\s]*)?(\/[^?]*)(?:\?(.*))?$/.exec(text)
  const [, method = '', host, path, query] = match ?? []
  if (path === undefined) throw new RuleError(`${quote(text)} is no request rule: write METHOD [https://host]/path[?query]`)
  if (!methods.has(method)) throw new RuleError(`${quote(method)} is no method; write one of ${[...methods].join(', ')}`)
  return { method, origin: host === undefined ? canonicalOrigin(facts.origin) : ruleOrigin(host), path, query }
}

function ruleOrigin(text: string): string {
  if (!text.startsWith('https://')) throw new RuleError(`${quote(text)} is not https: a credential would travel in the clear`)
  if (text.includes('$') || text.includes('*') || text.includes('@') || !URL.canParse(text))
    throw new RuleError(`${quote(text)} is no https://host[:port]`)
  return canonicalOrigin(text)
}

/** Lower case, without a default port. */
function canonicalOrigin(text: string): string {
  return URL.canParse(text) ? new URL(text).origin : text
}

function ruleText(
  method: string,
  origin: string,
  segments: readonly PathSegment[],
  query: readonly QueryParameter[],
  headers: Readonly<Record<string, string>> = {},
  form: readonly QueryParameter[] = [],
): string {
  let text = `${method} ${origin}`
  for (const segment of segments) text += `/${segmentText(segment)}`
  if (segments.length === 0) text += '/'
  let separator = ' ?'
  for (const { name, value } of query) {
    text += value === undefined ? `${separator}${name}` : `${separator}${name}=${value}`
    separator = '&'
  }
  if (form.length > 0) text += ` [${form.map(({ name, value }) => (value === undefined ? name : `${name}=${value}`)).join('&')}]`
  for (const [name, value] of Object.entries(headers)) text += ` [${name}: ${value}]`
  return text
}

function segmentText(segment: PathSegment): string {
  switch (segment.kind) {
    case 'literal':
      return segment.encoded === true ? segment.value.replaceAll('/', '%2F') : segment.value
    case 'one':
      return '*'
    case 'rest':
      return '**'
    case 'seen':
      return `\${seen.${segment.name}}`
  }
}
