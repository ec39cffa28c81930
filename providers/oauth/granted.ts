import { z } from 'zod'
import { canonicalJson, type Json, type JsonObject } from '../../src/provider/index.ts'
import { type OauthScope, oauthScope } from './scope.ts'

/** What the server said it granted, with every field: an absent one is something that was not understood, and covers nothing. */
const grantedForm = z.strictObject({
  scopes: z.array(z.string()),
  resource: z.array(z.string()),
  audience: z.array(z.string()),
  authorization_details: z.array(z.record(z.string(), z.json())),
})

export interface TokenAnswer {
  readonly scope?: string | undefined
  readonly authorization_details?: readonly JsonObject[] | undefined
}

/**
 * The grant as the answer says it. No `scope` in it means the scope that was asked for (RFC 6749 §5.1); resource and audience
 * have no answer of their own. Details are never presumed: a server that does not know the parameter ignores it, and its
 * token then knows no such limits (RFC 9396 §7 has every other server say them).
 */
export function grantedBy(answer: TokenAnswer, asked: OauthScope): JsonObject {
  return {
    scopes: answer.scope === undefined ? [...(asked.scopes ?? [])] : answer.scope.split(' ').filter((token) => token !== ''),
    resource: [...(asked.resource ?? [])],
    audience: [...(asked.audience ?? [])],
    authorization_details: [...(answer.authorization_details ?? [])],
  }
}

export function covers(granted: JsonObject, asked: JsonObject): boolean {
  return widening(granted, asked) === undefined
}

/** In which way a grant goes beyond what was asked; undefined when it does not. Errs towards a reason. */
export function widening(granted: JsonObject, asked: JsonObject): string | undefined {
  const real = grantedForm.safeParse(granted)
  const wanted = oauthScope.safeParse(asked)
  if (!real.success || !wanted.success) return 'the grant cannot be compared with what was asked'
  const { scopes, authorization_details: details } = real.data
  for (const field of ['scopes', 'resource', 'audience'] as const) {
    const more = real.data[field].find((value) => !(wanted.data[field] ?? []).includes(value))
    if (more !== undefined) return `${field} has ${more}, which was not asked for`
  }
  const allowed = wanted.data.authorization_details ?? []
  if (allowed.length > 0 && details.length === 0)
    return 'the answer says no authorization_details: the server did not apply those that were asked for'
  const wider = details.find((detail) => !allowed.some((one) => isWithin(detail, one)))
  if (wider !== undefined) return `an authorization detail of type ${String(wider['type'])} is not one that was asked for`
  const lacking = ['resource', 'audience'].find((field) => (wanted.data[field] !== undefined) !== hasValues(granted[field]))
  if (lacking !== undefined) return `${lacking} is not what was asked for`
  if ((wanted.data.scopes ?? []).length > 0 && scopes.length === 0)
    return 'the answer grants no scope: what such a token may do is not said'
  return undefined
}

/** RFC 9396 §2.2: lists whose items each permit something, so that fewer of them are less. In any other list fewer may be more. */
const permitting = new Set(['locations', 'actions', 'datatypes', 'privileges'])

/** Whether a granted detail is the asked one, or that with fewer permitting items. A field that came or went is not understood. */
function isWithin(granted: JsonObject, asked: JsonObject): boolean {
  const keys = Object.keys(granted)
  if (keys.length !== Object.keys(asked).length) return false
  return keys.every((key) => {
    if (!Object.hasOwn(asked, key)) return false
    const [value, limit] = [granted[key], asked[key]]
    if (value === undefined || limit === undefined) return false
    if (permitting.has(key) && isTexts(value) && isTexts(limit)) return value.length > 0 && value.every((item) => limit.includes(item))
    return canonicalJson(value) === canonicalJson(limit)
  })
}

function isTexts(value: Json): value is readonly string[] {
  return Array.isArray(value) && value.every((item) => typeof item === 'string')
}

function hasValues(value: Json | undefined): boolean {
  return Array.isArray(value) && value.length > 0
}
