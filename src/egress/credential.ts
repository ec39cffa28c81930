import { timingSafeEqual } from 'node:crypto'

/** A header in which the placeholder stands, and how to write it with the real token. */
export interface CredentialSite {
  readonly name: string
  write(token: string): string
}

/** How headers for credentials are called: `private-token`, `x-vault-token`, `x-api-key`, `ocp-apim-subscription-key`. */
const shape =
  /(^|-)(authorization|token|secret|password|passwd|credentials?|apikey|(api|access|auth|app|application|private|secret|session|subscription|functions)-key)$/

/** End in `-token` and are none: guards against forged browser requests. */
const harmless = new Set(['x-atlassian-token', 'x-csrf-token', 'x-xsrf-token'])

/** Whether a header of this lower-case name, with `-` for every separator, is one for credentials. */
export function carriesCredential(name: string): boolean {
  return shape.test(name) && !harmless.has(name)
}

/** Finds the placeholder in such a header; undefined when anything else stands there. */
export function findSite(name: string, value: string, placeholder: string): CredentialSite | undefined {
  if (same(value, placeholder)) return { name, write: (token) => token }
  if (name.toLowerCase() !== 'authorization') return undefined
  const [, scheme = '', rest = ''] = /^([A-Za-z]+) +(\S+)$/.exec(value) ?? []
  if (/^(bearer|token)$/i.test(scheme)) return same(rest, placeholder) ? { name, write: (token) => `${scheme} ${token}` } : undefined
  if (/^basic$/i.test(scheme)) return findInPair(name, Buffer.from(rest, 'base64').toString('utf8'), placeholder)
  return undefined
}

/**
 * `user:placeholder`, `placeholder:` or `placeholder:x-oauth-basic`. The other half may be no credential of its own: upstreams
 * differ in which half they look at first.
 */
function findInPair(name: string, pair: string, placeholder: string): CredentialSite | undefined {
  const colon = pair.indexOf(':')
  if (colon === -1) return undefined
  const user = pair.slice(0, colon)
  const password = pair.slice(colon + 1)
  if (same(password, placeholder) && (/^[A-Za-z0-9_.-]{0,39}$/.test(user) || /^[^\s@:]{1,64}@[A-Za-z0-9.-]{1,190}$/.test(user))) {
    return { name, write: (token) => basic(user, token) }
  }
  if (same(user, placeholder) && /^(x-oauth-basic)?$/.test(password)) return { name, write: (token) => basic(token, password) }
  return undefined
}

function basic(user: string, password: string): string {
  return `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}`
}

/** Compares without telling by its time how much was right. */
export function same(given: string, expected: string): boolean {
  const [left, right] = [Buffer.from(given), Buffer.from(expected)]
  return left.length === right.length && timingSafeEqual(left, right)
}
