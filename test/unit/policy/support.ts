import { resolve } from 'node:path'
import { z } from 'zod'
import { loadConfig } from '../../../src/config/load.ts'
import { loadPresets } from '../../../src/config/presets.ts'
import type { ConfigProblem, PresetSource } from '../../../src/config/types.ts'
import { JitError } from '../../../src/core/errors.ts'
import type { Json, JsonObject } from '../../../src/core/json.ts'
import type { Decision, LeaseGrant, Operation, Permission } from '../../../src/core/types.ts'
import { compilePolicy } from '../../../src/policy/compile.ts'
import { makeOperation } from '../../../src/policy/operation.ts'
import type { CompiledPolicy, ProviderFacts } from '../../../src/policy/types.ts'

export const presets: PresetSource = loadPresets(resolve(import.meta.dirname, '../../../config/presets'))

const scope = z.strictObject({
  repositories: z.array(z.string().regex(/^[A-Za-z0-9_.-]+\/[A-Za-z0-9_.-]+$/)).min(1),
  permissions: z.record(z.string(), z.enum(['read', 'write'])).refine((value) => Object.keys(value).length > 0, 'no permissions'),
})

/** Facts in the shape of the github-app kind: strict scope, GitHub's grammar for names. */
export const githubFacts: ProviderFacts = {
  kind: 'github-app',
  origin: 'https://api.github.com',
  authentication: 'token',
  parseScope(value) {
    const result = scope.safeParse(value)
    if (!result.success) throw new JitError('provider.scope', `the scope is refused: ${result.error.issues[0]?.message ?? ''}`)
    return result.data
  },
  checkField(path, value) {
    if (!path.startsWith('repositories.')) return undefined
    return /^[A-Za-z0-9_.-]+(\/[A-Za-z0-9_.-]+)?$/.test(value) ? undefined : 'is no GitHub name'
  },
}

/** Facts of some other kind, whose scope is any map. */
export const plainFacts: ProviderFacts = {
  kind: 'plain',
  origin: 'https://api.plain.dev',
  authentication: 'token',
  parseScope: (value) => value,
  checkField: (path, value) => (path.startsWith('digits') && !/^\d+$/.test(value) ? 'takes digits' : undefined),
  checkTemplate: (template) => ('never' in template ? 'nothing is ever that' : undefined),
}

const kinds = new Map<string, z.ZodType>([
  ['github-app', z.strictObject({})],
  ['plain', z.strictObject({})],
])
/** Facts of a kind whose secret outlives every lease. */
export const keyFacts: ProviderFacts = { ...plainFacts, longLived: true }

const facts = new Map<string, ProviderFacts>([
  ['acme', githubFacts],
  ['plain', plainFacts],
])

/** Compiles the `servers:` part of a config (YAML, indented by two); providers `acme` (github-app) and `plain` exist. */
export function policyOf(servers: string, head = '', known: ReadonlyMap<string, ProviderFacts> = facts): CompiledPolicy {
  const text = `version: 1\n${head}providers:\n  acme: { kind: github-app }\n  plain: { kind: plain }\nservers:\n${servers}`
  return compilePolicy(loadConfig('jit.yaml', text, { kinds, presets }), known, presets)
}

/** What is wrong with that part, as `line:column path: message`. */
export function problemsOf(servers: string, known: ReadonlyMap<string, ProviderFacts> = facts): string[] {
  try {
    policyOf(servers, '', known)
    return []
  } catch (error) {
    if (!(error instanceof JitError) || error.code !== 'config.invalid') throw error
    const problems = z.array(z.custom<ConfigProblem>()).parse(error.details['problems'])
    return problems.map(
      (problem) =>
        `${problem.line}:${problem.column} ${problem.path}: ${problem.message}${problem.suggestion === undefined ? '' : ` ${problem.suggestion}`}`,
    )
  }
}

export function toolCall(server: string, name: string, args: Readonly<Record<string, Json>>, kind: Operation['kind'] = 'tool'): Operation {
  return makeOperation({ server, kind, name, args: structuredClone<JsonObject>(args), definition: '' })
}

export function permitted(decision: Decision): Permission {
  if (decision.effect === 'deny') throw new Error(`denied: ${decision.reason}`)
  return decision
}

export function leaseOf(decision: Decision): LeaseGrant {
  const { grant } = permitted(decision)
  if (grant.credential !== 'lease') throw new Error('no lease')
  return grant
}

/** The reason of a denial; throws when it is none. */
export function reasonOf(decision: Decision): string {
  if (decision.effect !== 'deny') throw new Error(`${decision.effect} by ${decision.rule.path}`)
  return decision.reason
}

/** A tool's row of a config that a property makes. */
export interface MadeRow {
  readonly when?: string
  readonly where?: 'none' | Record<string, Json>
  readonly scope?: Record<string, Json>
  readonly requests?: readonly string[]
  readonly credential?: 'none'
  readonly arguments: readonly string[]
}

/** A server of such a config. */
export interface MadeServer {
  readonly run: readonly string[]
  readonly provider: string
  readonly inject: { readonly env: string }
  readonly where: Record<string, Json>
  readonly allow: readonly string[]
  readonly ask: readonly string[]
  readonly deny: readonly string[]
  readonly tools: Record<string, MadeRow | readonly MadeRow[]>
}
