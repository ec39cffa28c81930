import type { ToolCase } from '../config/schema.ts'
import type { Json, JsonObject } from '../core/json.ts'
import type { Grant, Lifetime, RuleReference } from '../core/types.ts'
import { refuseMetacharacters, topOf } from './argument.ts'
import { type Condition } from './condition.ts'
import { collect, formatRead } from './condition-reads.ts'
import { fillText, requirePlain } from './fill.ts'
import type { Steps } from './reads.ts'
import { Refusal, RuleError, within } from './refusal.ts'
import { compileRequests, type RequestTemplate } from './request-rule.ts'
import { compileScope } from './scope.ts'
import { constantText, parseTemplate, namesIn } from './template.ts'
import type { ProviderFacts } from './types.ts'
import { compileWhere, type Constraint } from './where.ts'

type Used = Record<string, Json>

/** What a case needs to know of the server it stands in. */
export interface CaseContext {
  readonly provider: { readonly name: string; readonly facts: ProviderFacts } | undefined
  readonly ttl: number
  readonly lifetime: Lifetime
  /** True where requests go through the broker, so that a scope without requests could reach nothing. */
  readonly needsRequests: boolean
  /** A remote server: the call itself is the request, and there is no other to bind. */
  readonly remote: boolean
  /** Of the server: for cases that name none themselves. */
  readonly scope: ToolCase['scope']
  readonly condition: (source: string) => Condition
}

export const unboundRequests = 'a remote server gets the call itself, and `requests` have nothing to bind there: leave them out'

/** One case of a tool's row, ready to decide. */
export interface CompiledCase {
  readonly rule: RuleReference
  readonly when: string | undefined
  readonly where: readonly Constraint[]
  /** The row says `where: none`: the server's own `where` does not count. */
  readonly free: boolean
  readonly reads: readonly Steps[]
  /** Top-level names of those, and of the ones that the row says the tool has. */
  readonly known: ReadonlySet<string>
  readonly origins: readonly string[]
  holds(args: JsonObject, used: Used): boolean
  /** Throws Refusal. */
  grant(args: JsonObject, used: Used): Grant
  /** What the row says is touched; else what the provider says of the scope. */
  resource(args: JsonObject, grant: Grant): string | undefined
}

/** Compiles one case; `rule` says where it stands. Throws RuleError. */
export function compileCase(row: ToolCase, rule: RuleReference, context: CaseContext): CompiledCase {
  const condition = row.when === undefined ? undefined : within(['when'], () => context.condition(row.when ?? ''))
  const free = row.where === 'none'
  const constraints = row.where === undefined || row.where === 'none' ? {} : row.where
  const where = within(['where'], () => compileWhere(constraints, context.provider?.facts, `${rule.path}.where`))
  const grant = compileGrant(row, context)
  const resource = within(['resource'], () => compileResource(row.resource))
  const reads = [
    ...where.map((constraint) => constraint.name.steps),
    ...(condition?.reads ?? []).map((read) => read.steps),
    ...grant.names.map((name) => name.split('.')),
  ]
  return {
    rule,
    when: row.when,
    where,
    free,
    reads,
    known: new Set([...reads.map(([top = '']) => top), ...resource.names.map(topOf), ...(row.arguments ?? [])]),
    origins: grant.origins,
    holds(args, used) {
      if (condition === undefined) return true
      const holds = condition.holds(args)
      for (const read of condition.reads) {
        const value = collect(args, read, 20)
        if (value !== undefined) used[formatRead(read)] = value
      }
      return holds
    },
    grant: grant.bind,
    resource: (args, granted) => resource.fill(args) ?? (row.resource === undefined ? described(granted, context) : undefined),
  }
}

interface CompiledGrant {
  readonly names: readonly string[]
  readonly origins: readonly string[]
  readonly bind: (args: JsonObject, used: Used) => Grant
}

function compileGrant(row: ToolCase, context: CaseContext): CompiledGrant {
  const without: Grant = { credential: 'none' }
  if (row.credential === 'none' || context.provider === undefined) {
    const reason = row.credential === 'none' ? '`credential: none` says that the tool needs none' : 'the server has no `provider`'
    if (row.scope !== undefined) throw new RuleError(`a scope asks for a credential, but ${reason}`, ['scope'])
    if (row.requests !== undefined) throw new RuleError(`requests need a credential, but ${reason}`, ['requests'])
    return { names: [], origins: [], bind: () => without }
  }
  const { name, facts } = context.provider
  const template = row.scope ?? context.scope
  if (template === undefined) throw new RuleError('needs a `scope`, or `credential: none` when the tool needs no credential')
  const scope = within(['scope'], () => compileScope(template, facts))
  if (context.remote && row.requests !== undefined) throw new RuleError(unboundRequests, ['requests'])
  const requests: readonly RequestTemplate[] = within(['requests'], () => compileRequests(row.requests ?? [], facts))
  if (row.requests === undefined && context.needsRequests)
    throw new RuleError('needs `requests`: without them the credential could be used for nothing; `requests: []` says that this is meant')
  const ttl = row.ttl ?? context.ttl
  const lifetime = row.lifetime ?? context.lifetime
  return {
    names: [...scope.names, ...requests.flatMap((request) => request.names)],
    origins: requests.map((request) => request.origin),
    bind: (args, used) => ({
      credential: 'lease',
      provider: name,
      scope: scope.bind(args, used),
      requests: requests.map((request) => request.bind(args, used)),
      ttl,
      lifetime,
    }),
  }
}

function described(grant: Grant, { provider }: CaseContext): string | undefined {
  const text = grant.credential === 'none' ? '' : (provider?.facts.describe?.(grant.scope) ?? '')
  return text === '' ? undefined : shortened(text)
}

function shortened(text: string): string {
  return text.length <= 300 ? text : `${text.slice(0, 299)}…`
}

/** For people: what cannot be shown plainly is not shown. */
function compileResource(template: string | undefined): {
  readonly names: readonly string[]
  readonly fill: (args: JsonObject) => string | undefined
} {
  if (template === undefined) return { names: [], fill: () => undefined }
  const parts = parseTemplate(template)
  const fixed = constantText(parts)
  if (fixed !== undefined) return { names: [], fill: () => fixed }
  requirePlain(parts, 'a resource')
  return { names: namesIn(parts), fill: (args) => fillResource(parts, args) }
}

function fillResource(parts: ReturnType<typeof parseTemplate>, args: JsonObject): string | undefined {
  try {
    const text = fillText(parts, args, 'resource', (printed, name) => refuseMetacharacters(printed, name, 'resource'))
    return text === undefined ? undefined : shortened(text)
  } catch (error) {
    if (error instanceof Refusal) return undefined
    throw error
  }
}
