import { z } from 'zod'
import { JitError, type JsonObject, quote } from '../../src/provider/index.ts'
import { type PathsScope, type VaultScope, vaultScope } from './config.ts'
import { isPath, isPolicyName, isSegment } from './path.ts'

/** What Vault granted, in the form of a scope. Anything beside these fields is more than a scope can ask for. */
const granted = z.union([
  z.strictObject({ policies: z.array(z.string()).min(1), uses: z.number().optional() }),
  z.strictObject({ dynamic: z.string(), parameters: z.record(z.string(), z.json()).optional() }),
  z.strictObject({ paths: z.array(z.json()), uses: z.number().optional(), policy: z.string() }),
])

/** Throws `provider.scope`. */
export function parseScope(scope: JsonObject): VaultScope {
  const parsed = vaultScope.safeParse(scope)
  if (!parsed.success) throw new JitError('provider.scope', `not a scope of vault: ${quote(scope)}`)
  return parsed.data
}

export function covers(given: JsonObject, asked: JsonObject): boolean {
  const grant = granted.safeParse(given)
  const scope = vaultScope.safeParse(asked)
  if (!grant.success || !scope.success) return false
  if ('dynamic' in grant.data || 'dynamic' in scope.data)
    return (
      'dynamic' in grant.data &&
      'dynamic' in scope.data &&
      grant.data.dynamic === scope.data.dynamic &&
      sameJson(grant.data.parameters, scope.data.parameters)
    )
  const { uses } = scope.data
  if (uses !== undefined && (grant.data.uses === undefined || grant.data.uses < 1 || grant.data.uses > uses)) return false
  if ('policies' in grant.data && 'policies' in scope.data) {
    const wanted = new Set(scope.data.policies)
    return grant.data.policies.every((name) => wanted.has(name))
  }
  return 'paths' in grant.data && 'paths' in scope.data && sameJson(grant.data.paths, scope.data.paths)
}

/** What a lane must not mix. */
export function partition(scope: JsonObject): string {
  const parsed = vaultScope.safeParse(scope)
  if (!parsed.success) return 'unknown'
  if ('policies' in parsed.data) return [...new Set(parsed.data.policies)].sort().join(' ')
  if ('dynamic' in parsed.data) return `${parsed.data.dynamic} ${sortedJson(parsed.data.parameters)}`.trim()
  return [...rulesOf(parsed.data)].map(([path, capabilities]) => `${capabilities.join(',')} ${path}`).join('; ')
}

export function describe(scope: JsonObject): string {
  const parsed = vaultScope.safeParse(scope)
  if (!parsed.success) return quote(scope)
  if ('policies' in parsed.data) return `policies ${parsed.data.policies.join(', ')}`
  if ('dynamic' in parsed.data) return parsed.data.dynamic
  return parsed.data.paths.map(({ path, capabilities }) => `${capabilities.join(',')} ${textOf(path)}`).join('; ')
}

/** For `jit explain`. */
export function asks(scope: JsonObject): JsonObject {
  const asked = parseScope(scope)
  if ('policies' in asked) return { token: { policies: asked.policies, ...limits(asked.uses) } }
  if ('dynamic' in asked)
    return asked.parameters === undefined
      ? { read: asked.dynamic }
      : { write: asked.dynamic, parameters: Object.fromEntries(Object.entries(asked.parameters)) }
  const document: JsonObject = JSON.parse(policyText(asked))
  return { token: { policies: ['jit-<lease>'], ...limits(asked.uses) }, policy: document }
}

/** The policy of one lease, in JSON: nothing in it needs escaping, and a path is an exact one. */
export function policyText(scope: PathsScope): string {
  return JSON.stringify({ path: Object.fromEntries([...rulesOf(scope)].map(([path, capabilities]) => [path, { capabilities }])) })
}

/** Path → capabilities, both in order. Rules for one path are joined. */
function rulesOf({ paths }: PathsScope): Map<string, string[]> {
  const rules = new Map<string, Set<string>>()
  for (const { path, capabilities } of paths) {
    const known = rules.get(textOf(path)) ?? new Set<string>()
    for (const capability of capabilities) known.add(capability)
    rules.set(textOf(path), known)
  }
  const sorted = [...rules].sort(([left], [right]) => (left < right ? -1 : 1))
  return new Map(sorted.map(([path, capabilities]) => [path, [...capabilities].sort()]))
}

/** A value of a call for one place of a scope. Wildcards, `..`, `%` and control characters were refused before. */
export function checkField(path: string, value: string): string | undefined {
  if (/^policies\.\d+$/.test(path)) {
    if (value === 'root') return 'the policy root can do everything'
    return isPolicyName(value) ? undefined : 'not part of a policy name: lower-case letters, digits, ".", "_" and "-"'
  }
  if (/^paths\.\d+\.path(\.0)?$/.test(path) && /^(auth|sys|identity|cubbyhole)$/i.test(value)) return 'Vault itself, not a secrets engine'
  if (path === 'dynamic' || /^paths\.\d+\.path(\.0)?$/.test(path) || path.startsWith('parameters.'))
    return isSegment(value) ? undefined : 'not one segment of a path: letters, digits and ._@:~=- only'
  if (/^paths\.\d+\.path\.\d+$/.test(path))
    return isPath(value) ? undefined : 'not a path: segments of letters, digits and ._@:~=-, separated by one "/"'
  return 'only policies, dynamic, parameters and paths take values from a call'
}

function limits(uses: number | undefined): JsonObject {
  return { renewable: false, ...(uses === undefined ? {} : { num_uses: uses }) }
}

function textOf(path: string | readonly string[]): string {
  return typeof path === 'string' ? path : path.join('/')
}

function sameJson(left: unknown, right: unknown): boolean {
  return sortedJson(left) === sortedJson(right)
}

/** Keys in order, at every depth. */
function sortedJson(value: unknown): string {
  return (
    JSON.stringify(value, (_, inner: unknown) =>
      typeof inner === 'object' && inner !== null && !Array.isArray(inner)
        ? Object.fromEntries(Object.entries(inner).sort(([left], [right]) => (left < right ? -1 : 1)))
        : inner,
    ) ?? ''
  )
}
