import { z } from 'zod'
import { authOf, failed } from './shapes.ts'
import type { Answer, TokenEntry, TokenRole } from './state.ts'
import type { Tokens } from './tokens.ts'

const body = z.object({
  policies: z.array(z.string()).default([]),
  ttl: z.string().optional(),
  explicit_max_ttl: z.string().optional(),
  num_uses: z.number().default(0),
  renewable: z.boolean().default(true),
  no_default_policy: z.boolean().default(false),
  type: z.enum(['service', 'batch']).default('service'),
  meta: z.record(z.string(), z.string()).default({}),
  display_name: z.string().default('token'),
})

/** POST auth/token/create[/role]. */
export function createChild(given: unknown, role: TokenRole | undefined, parent: TokenEntry, tokens: Tokens, now: number): Answer {
  const parsed = body.safeParse(given ?? {})
  if (!parsed.success) return failed(400, 'error parsing the body')
  const asked = parsed.data
  if (parent.type === 'batch') return failed(400, 'batch tokens cannot create more tokens')
  const addsDefault = !asked.no_default_policy && role?.noDefaultPolicy !== true && role?.disallowed?.includes('default') !== true
  const policies = policiesOf(asked.policies, role, parent, addsDefault)
  if (typeof policies === 'string') return failed(400, policies)
  if (policies.includes('root') && !parent.policies.includes('root'))
    return failed(400, 'root tokens may not be created without parent token being root')
  if (role?.type === 'batch' && asked.explicit_max_ttl !== undefined) return failed(400, 'batch tokens cannot have "explicit_max_ttl" set')
  const ttl = role?.period ?? secondsOf(asked.ttl) ?? 2_764_800
  const limit = secondsOf(asked.explicit_max_ttl)
  const entry = tokens.create({
    policies: [...policies, ...(role?.alsoGrants ?? [])],
    type: role?.type === 'service' || role?.type === 'batch' ? role.type : asked.type,
    parent: role?.orphan === true ? undefined : parent.id,
    renewable: asked.renewable,
    ttl,
    ...(limit === undefined ? {} : { limit: now + limit * 1000 }),
    numUses: leastUses(asked.num_uses, role?.numUses ?? 0),
    meta: asked.meta,
    displayName: `token-${asked.display_name}`,
  })
  return { status: 200, body: authOf(entry) }
}

function policiesOf(asked: readonly string[], role: TokenRole | undefined, parent: TokenEntry, addsDefault: boolean): string[] | string {
  const extra = addsDefault ? ['default'] : []
  const wanted = [...new Set([...asked.map((name) => name.toLowerCase()), ...extra])]
  if (role === undefined) {
    if (parent.policies.includes('root')) return wanted
    const missing = wanted.filter((name) => !parent.policies.includes(name))
    return missing.length === 0 ? wanted : 'child policies must be subset of parent'
  }
  const refused = wanted.filter((name) => role.disallowed?.includes(name))
  if (refused.length > 0) return `token policies (${JSON.stringify(wanted)}) contains policy that is disallowed by the role`
  if (role.allowed === undefined && role.allowedGlob === undefined) {
    return wanted.every((name) => parent.policies.includes(name) || name === 'default') ? wanted : 'child policies must be subset of parent'
  }
  // Nothing asked: all that the role names.
  if (asked.length === 0) return [...new Set([...(role.allowed ?? []), ...extra])]
  const allowed = new Set([...(role.allowed ?? []), ...extra])
  const globs = (role.allowedGlob ?? []).map((glob) => glob.replace(/\*$/, ''))
  const outside = wanted.some((name) => !allowed.has(name) && !globs.some((start) => name.startsWith(start)))
  return outside ? `token policies (${JSON.stringify(wanted)}) must be subset of the role's allowed policies` : wanted
}

function leastUses(left: number, right: number): number {
  return left === 0 || right === 0 ? Math.max(left, right) : Math.min(left, right)
}

export function secondsOf(text: unknown): number | undefined {
  const match = /^(\d+)(s|m|h)?$/.exec(String(text ?? ''))
  return match === null ? undefined : Number(match[1]) * ({ m: 60, h: 3600 }[match[2] ?? ''] ?? 1)
}
