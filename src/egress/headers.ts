import type { Authentication } from './types.ts'
import { carriesCredential, type CredentialSite, findSite } from './credential.ts'
import { readSignature, type SigningScope } from './sigv4.ts'

export type HeaderReading =
  | {
      readonly ok: true
      /** What travels on, flat like `rawHeaders`; credentials, length and hop headers are not among them. */
      readonly headers: readonly string[]
      readonly sites: readonly CredentialSite[]
      /** Of an AWS lane: what the request was signed for with the placeholder. */
      readonly signature: SigningScope | undefined
      /** Of the headers that travel on, those that stand there once, by their names in lower case. */
      readonly named: ReadonlyMap<string, string>
      /** Names, in lower case, of those that only a rule which names them lets through. */
      readonly steering: ReadonlySet<string>
      readonly host: string
      /** How the body is delimited. */
      readonly body: 'none' | 'chunked' | number
      readonly contentType: string
    }
  | { readonly ok: false; readonly status: number; readonly reason: string }

/** As many as the parser is set to keep: there may have been more. */
export const headerCap = 100

/** Headers that end with this hop, that would tell the upstream of another one, or that would have it read another request. */
const dropped = words(
  'connection keep-alive te trailer transfer-encoding content-length host expect accept-encoding cookie cookie2 via forwarded x-real-ip',
  'true-client-ip client-ip x-client-ip x-http-method x-http-method-override x-method-override x-original-url x-rewrite-url',
  'x-csrf-token x-xsrf-token http2-settings',
  // Vault would answer with a token that opens the answer elsewhere, past the scrubber and the end of the call.
  'x-vault-wrap-ttl x-vault-wrap-format',
)

/**
 * Of an answer that comes in pieces the scrubber would never see a token that it echoes whole. Requests to AWS keep theirs: what is secret there never
 * comes back, and its clients put large objects together from pieces, which nothing else than pieces may be taken for.
 */
const pieces = words('range if-range request-range x-range x-ms-range x-goog-range')
const droppedShape = /^(proxy-|x-forwarded-)/

/**
 * Have the upstream read or write something else than the address says, or as somebody else: GitLab, WebDAV, the clouds' stores, Vault,
 * Kubernetes, Elasticsearch, Couchbase and SendGrid, Redmine, Stripe, Dropbox, Swift, PostgREST, Hasura, Loki and Mimir, Grafana, Xero.
 */
const steers = oneOf(
  'sudo',
  'destination',
  'x-[a-z]+-(copy|rename)-source(-.+)?',
  'x-vault-(recover-.+|inline-auth-.+|policy-override|mfa)',
  'impersonate-.+',
  'es-security-runas-user',
  '(.+-)?on-behalf-of(-.+)?',
  '.+-switch-user',
  'stripe-(account|context)',
  'dropbox-api-(arg|path-root|select-.+)',
  'x-(copy-from|symlink-target)(-account)?',
  'x-object-manifest',
  '(accept|content)-profile',
  'x-hasura-.+',
  'x-scope-orgid',
  'x-grafana-org-id',
  'xero-tenant-id',
)

/**
 * Of AWS's own headers those that clients send by themselves and that only describe the request. Any other may choose the
 * operation, copy another object, open one to the world or encrypt it with a key of the server's.
 */
const descriptive =
  /^x-amz-(date|content-sha256|user-agent|te|trailer|decoded-content-length|sha256-tree-hash|expected-bucket-owner|sdk-checksum-algorithm|checksum-.+|meta-.+)$/

/** Headers of which a second one means that two readers could read two requests. */
const single = words('host content-length transfer-encoding authorization content-type content-encoding expect upgrade')

/**
 * Checks what Node's parser lets through and two readers could read differently, leaves out what must not travel on, and finds
 * where the placeholder stands. Any other credential refuses the request.
 */
export function readHeaders(rawHeaders: readonly string[], placeholder: string, authentication: Authentication = 'token'): HeaderReading {
  if (rawHeaders.length >= headerCap * 2) return refused(431, `${headerCap} headers or more`)
  const headers: string[] = []
  const sites: CredentialSite[] = []
  let signature: SigningScope | undefined
  const named = new Map<string, string>()
  const repeated = new Set<string>()
  const seen = new Map<string, string>()
  const spellings = new Map<string, string>()
  const steering = new Set<string>()
  const hop = namedByConnection(rawHeaders)
  const left = (name: string): boolean => dropped.has(name) || droppedShape.test(name) || (authentication === 'token' && pieces.has(name))
  for (let index = 0; index + 1 < rawHeaders.length; index += 2) {
    const name = rawHeaders[index] ?? ''
    const value = rawHeaders[index + 1] ?? ''
    const lower = name.toLowerCase()
    if (single.has(lower) && seen.has(lower)) return refused(400, `two ${lower} headers`)
    if (seen.has(lower)) repeated.add(lower)
    seen.set(lower, value)
    const plain = lower.replaceAll(/[_.]/g, '-')
    if (plain !== lower && (carriesCredential(plain) || left(plain))) return refused(400, `the header ${lower} in an odd spelling`)
    if ((spellings.get(plain) ?? lower) !== lower) return refused(400, `the header ${lower} in two spellings`)
    spellings.set(plain, lower)
    if (left(lower)) continue
    if (authentication === 'aws-sigv4' && !/^[\t\x20-\x7e]*$/.test(value))
      return refused(400, `characters beyond ASCII in the header ${lower}, which two readers could sign differently`)
    if (carriesCredential(plain)) {
      const site = authentication === 'token' ? findSite(name, value, placeholder) : undefined
      signature = authentication === 'aws-sigv4' && lower === 'authorization' ? readSignature(value, placeholder) : undefined
      if ((site ?? signature) === undefined || hop.has(lower))
        return refused(403, `another credential than this lane’s placeholder in the header ${lower}`)
      if (site !== undefined) sites.push(site)
    } else if (hop.has(lower)) continue
    else if (value.includes(placeholder)) return refused(403, `the placeholder in the header ${lower}, where no credential belongs`)
    else {
      headers.push(name, value)
      named.set(lower, value)
      if (mustBeNamed(plain, authentication)) steering.add(lower)
    }
  }
  for (const name of repeated) named.delete(name)
  const framing = readFraming(seen)
  if (typeof framing === 'string') return refused(400, framing)
  return {
    ok: true,
    headers,
    sites,
    signature,
    named,
    steering,
    host: (seen.get('host') ?? '').toLowerCase(),
    body: framing.body,
    contentType: seen.get('content-type') ?? '',
  }
}

function mustBeNamed(name: string, authentication: Authentication): boolean {
  return steers.test(name) || (authentication === 'aws-sigv4' && name.startsWith('x-amz-') && !descriptive.test(name))
}

function readFraming(seen: ReadonlyMap<string, string>): { body: 'none' | 'chunked' | number } | string {
  const coding = seen.get('transfer-encoding')
  const length = seen.get('content-length')
  if (seen.has('upgrade') || seen.has('http2-settings')) return 'an upgrade of the protocol'
  if (coding !== undefined && coding.toLowerCase() !== 'chunked') return 'a transfer coding other than chunked'
  if (coding !== undefined && length !== undefined) return 'a length and a transfer coding'
  if (coding !== undefined) return { body: 'chunked' }
  if (length === undefined) return { body: 'none' }
  return /^\d{1,15}$/.test(length) ? { body: Number(length) } : 'a content-length that is no number'
}

/** What `Connection` says belongs to this hop. */
function namedByConnection(rawHeaders: readonly string[]): Set<string> {
  const named = new Set<string>()
  for (let index = 0; index + 1 < rawHeaders.length; index += 2) {
    if (rawHeaders[index]?.toLowerCase() !== 'connection') continue
    for (const token of (rawHeaders[index + 1] ?? '').split(',')) named.add(token.trim().toLowerCase())
  }
  for (const kept of ['close', 'keep-alive', 'content-type']) named.delete(kept)
  return named
}

function refused(status: number, reason: string): HeaderReading {
  return { ok: false, status, reason }
}

function words(...lines: readonly string[]): ReadonlySet<string> {
  return new Set(lines.flatMap((line) => line.split(' ')))
}

function oneOf(...shapes: readonly string[]): RegExp {
  return new RegExp(`^(${shapes.join('|')})$`)
}
