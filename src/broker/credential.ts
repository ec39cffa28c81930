import { z } from 'zod'
import { JitError, quote } from '../core/errors.ts'
import { canonicalJson, type JsonObject } from '../core/json.ts'
import { Secret } from '../core/secret.ts'
import type { LeaseGrant, Lifetime } from '../core/types.ts'
import type { Credential, Provider } from '../provider/contract.ts'

export interface Sealing {
  seal(secret: Secret, purpose: string): Promise<string>
  /** Throws `store.sealed` while the store is sealed. */
  open(sealed: string, purpose: string): Promise<Secret>
  readonly fingerprintKey: Uint8Array
}

/** The upstream's clock and the way there: a lease ends this much before the upstream would end it. */
export const expirySkew = 5000
/** Longer than any header that servers take. */
const longestToken = 16_384
const lastDate = 8.64e15

/** Whether it is a time at all: an upstream may say that its credential lives longer than any date goes. */
export function isDate(time: number): boolean {
  return Number.isFinite(time) && Math.abs(time) <= lastDate
}

/** The parts that nobody but who may use them should see. */
export function secretParts({ secrets, notSecret = [] }: Pick<Credential, 'secrets' | 'notSecret'>): Secret[] {
  return Object.entries(secrets).flatMap(([name, part]) => (notSecret.includes(name) ? [] : [part]))
}

/** Never more than asked, never without an end, never a value that would break a header. Throws `provider.scope`. */
export function checkCredential(provider: Provider, credential: Credential, grant: LeaseGrant, now: number): void {
  const refuse = (what: string): never => {
    throw new JitError('provider.scope', `provider ${grant.provider} ${what}`)
  }
  const parts = Object.entries(credential.secrets)
  if (secretParts(credential).length === 0 || parts.some(([, part]) => part.length === 0)) refuse('answered without a credential')
  for (const [name, part] of parts) {
    if (!part.seal((value) => isHeaderSafe(name, value)))
      refuse(`answered a ${quote(name)} with characters or a length that no header carries`)
  }
  const { expiresAt } = credential
  if (!isDate(expiresAt)) refuse(`answered a credential without an end: ${quote(String(expiresAt))}`)
  if (expiresAt <= now + expirySkew) {
    refuse(
      `answered a credential that is over already: ${new Date(expiresAt).toISOString()}, and here it is ${new Date(now).toISOString()}`,
    )
  }
  if (!provider.covers(credential.granted, grant.scope)) {
    refuse(`granted more than was asked: ${quote(canonicalJson(credential.granted))} for ${quote(canonicalJson(grant.scope))}`)
  }
}

/** A token is visible ASCII without a space; other parts may be any printable latin-1. */
function isHeaderSafe(name: string, value: string): boolean {
  return (name === 'token' ? /^[\x21-\x7e]+$/ : /^[\x20-\x7e\xa0-\xff]+$/).test(value) && value.length <= longestToken
}

/** The first secret's fingerprint stands for the credential in logs and trail. */
export function fingerprintOf(credential: Credential, key: Uint8Array): string {
  return (credential.secrets['token'] ?? secretParts(credential)[0])?.fingerprint(key) ?? ''
}

/** What a restart needs to end a credential, or to keep it. */
export interface SealedCredential extends Credential {
  readonly lifetime: Lifetime
}

/** One sealed value (JWE) bound to this lease. */
export function sealCredential(sealing: Sealing, lease: string, { secrets, ...facts }: SealedCredential): Promise<string> {
  const values: Record<string, string> = {}
  for (const [name, secret] of Object.entries(secrets)) secret.seal((value) => (values[name] = value))
  return sealing.seal(new Secret(JSON.stringify({ ...facts, secrets: values })), purposeOf(lease))
}

const sealedForm = z.object({
  secrets: z.record(
    z.string(),
    z.string().transform((value) => new Secret(value)),
  ),
  notSecret: z.array(z.string()).optional(),
  expiresAt: z.number(),
  granted: z.record(z.string(), z.json()).transform((granted): JsonObject => granted),
  upstreamHash: z.string().optional(),
  lifetime: z.enum(['call', 'ttl']),
})

/** Throws `store.sealed`, `store.wrong-key` or `store.corrupt`. */
export async function openCredential(sealing: Sealing, lease: string, sealed: string): Promise<SealedCredential> {
  const opened = await sealing.open(sealed, purposeOf(lease))
  const parsed = opened.seal((text) => sealedForm.safeParse(parseJson(text)))
  if (!parsed.success) throw new JitError('store.corrupt', `the sealed credential of ${lease} cannot be read`)
  const { upstreamHash, notSecret, ...rest } = parsed.data
  return { ...rest, ...(upstreamHash === undefined ? {} : { upstreamHash }), ...(notSecret === undefined ? {} : { notSecret }) }
}

function purposeOf(lease: string): string {
  return `lease/${lease}`
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
