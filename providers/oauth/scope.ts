import { z } from 'zod'
import { holdsInvisible, type Json, type JsonObject } from '../../src/provider/index.ts'

/** RFC 6749 §3.3, without what some servers read as "all". */
const scopeToken = z.string().regex(/^[!#-)+-[\]-~]{1,256}$/, 'a scope has no spaces, quotes, backslashes and "*"')

const resource = z
  .string()
  .max(1024)
  .refine(
    (text) => URL.canParse(text) && !/[#*\s]/u.test(text) && !holdsInvisible(text),
    'a resource is an absolute address without "#" and "*"',
  )

const audience = z
  .string()
  .regex(/^[^*\s]{1,1024}$/u, 'an audience has no spaces and no "*"')
  .refine((text) => !holdsInvisible(text), 'an audience has no invisible characters')

const maxDepth = 6
const maxValues = 200

/** RFC 9396 §2. Nothing in it may be empty or a wildcard: what that means is each server's own affair. */
const detail = z
  .record(z.string(), z.json())
  .refine((value) => typeof value['type'] === 'string' && value['type'] !== '', 'an authorization detail has a type')
  .superRefine((value, context) => {
    const reason = unusable(value, 0, { left: maxValues })
    if (reason !== undefined) context.addIssue({ code: 'custom', message: reason })
  })
  .transform((value): JsonObject => value)

/** What one operation may ask for. Nothing in it may mean "everything". */
export const oauthScope = z
  .strictObject({
    scopes: z.array(scopeToken).min(1).max(100).optional(),
    resource: z.array(resource).min(1).max(20).optional(),
    audience: z.array(audience).min(1).max(20).optional(),
    authorization_details: z.array(detail).min(1).max(20).optional(),
  })
  .refine(
    (scope) => Object.values(scope).some((value) => value !== undefined),
    'at least one of scopes, resource, audience, authorization_details',
  )
  .transform((scope): OauthScope & JsonObject => {
    // By way of its text: an absent field is absent, not undefined.
    const plain: OauthScope & JsonObject = JSON.parse(JSON.stringify(scope))
    return plain
  })

export interface OauthScope {
  readonly scopes?: readonly string[]
  readonly resource?: readonly string[]
  readonly audience?: readonly string[]
  readonly authorization_details?: readonly JsonObject[]
}

/** A value from a call is a name: no separator that would make two of it, or another host. */
const name = /^[A-Za-z0-9][A-Za-z0-9._~-]{0,255}$/

/** Why a call's value may not stand in the field at `path`. */
export function checkField(path: string, value: string): string | undefined {
  const [field, , key] = path.split('.')
  if (field === 'authorization_details') {
    if (key === 'type') return 'the type of an authorization detail says what a server checks, and does not come from a call'
    if (holdsInvisible(value)) return 'it holds an invisible character'
    return value.length <= 512 ? undefined : 'longer than 512 characters'
  }
  return name.test(value) ? undefined : 'not a plain name: letters, digits, ".", "_", "~" and "-"'
}

function unusable(value: Json, depth: number, budget: { left: number }): string | undefined {
  budget.left -= 1
  if (depth > maxDepth || budget.left < 0) return 'an authorization detail is nested too deeply, or has too many values'
  if (value === '' || value === null) return 'an authorization detail has an empty value'
  if (typeof value === 'string')
    return value.includes('*') || holdsInvisible(value) ? 'an authorization detail has a "*" or an invisible character' : undefined
  if (typeof value !== 'object') return undefined
  const parts = Object.values(value)
  if (parts.length === 0) return 'an authorization detail has an empty value'
  if (Object.keys(value).some(holdsInvisible)) return 'an authorization detail has a field with an invisible character'
  for (const part of parts) {
    const reason = unusable(part, depth + 1, budget)
    if (reason !== undefined) return reason
  }
  return undefined
}
