import { z } from 'zod'
import type { JsonObject } from '../../src/provider/index.ts'
import { isServerAddress } from './address.ts'

/** RFC 6749 §3.3, without what could mean more than one scope. */
const token = z
  .string()
  .regex(/^[\x21\x23-\x5b\x5d-\x7e]{1,256}$/, 'a scope is text without spaces, quotes and backslashes')
  .refine((text) => !text.includes('*'), 'a scope has no wildcard')

/**
 * `resource`: the server itself, so that a scope is never empty. Without `scopes`: what the person agreed to at the login; with them: a
 * token of these alone.
 */
export const mcpScope = z.strictObject({
  resource: z
    .string()
    .refine(isServerAddress, 'a resource is the address of the server')
    .refine((text) => !text.includes('*'), 'no wildcard'),
  scopes: z
    .array(token)
    .min(1)
    .max(64)
    .refine((all) => new Set(all).size === all.length, 'a scope stands there once')
    .exactOptional(),
})

export type McpScope = z.output<typeof mcpScope>

const granted = z.strictObject({ resource: z.string(), scopes: z.array(z.string()) })

/** granted ⊆ asked. Which scopes a login has is the person's decision, so asking for none in particular covers them all. */
export function covers(given: JsonObject, asked: JsonObject): boolean {
  const real = granted.safeParse(given)
  const wanted = mcpScope.safeParse(asked)
  if (!real.success || !wanted.success || real.data.resource !== wanted.data.resource) return false
  const { scopes } = wanted.data
  return scopes === undefined || (real.data.scopes.length > 0 && real.data.scopes.every((scope) => scopes.includes(scope)))
}

export function checkField(path: string, value: string): string | undefined {
  if (path === 'resource') return 'the resource is the server, which no call may name'
  if (path.startsWith('scopes')) return /^[A-Za-z0-9:._/-]{1,128}$/.test(value) ? undefined : 'not a plain scope name'
  return 'not a field that a call may fill'
}

export function describe(scope: JsonObject): string {
  const parsed = mcpScope.safeParse(scope)
  if (!parsed.success) return 'nothing'
  const { resource, scopes } = parsed.data
  return scopes === undefined ? resource : `${resource} (${scopes.join(' ')})`
}
