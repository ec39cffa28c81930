/** Headers that end with this hop, or that would tell the upstream of another one. */
const dropped = new Set([
  'connection',
  'keep-alive',
  'proxy-authenticate',
  'proxy-authorization',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
  'host',
  'expect',
  'cookie',
  'forwarded',
  'x-forwarded-for',
  'x-forwarded-host',
  'x-forwarded-proto',
  'x-real-ip',
  'accept-encoding',
  'content-length',
])

/** Where a credential may stand; any value in one of these that is not the placeholder refuses the request. */
const credentialHeaders = new Set([
  'authorization',
  'private-token',
  'x-api-key',
  'x-vault-token',
  'x-github-token',
  'job-token',
  'api-key',
  'x-auth-token',
])

export type HeaderReading =
  | { readonly ok: true; readonly headers: readonly (readonly [string, string])[]; readonly sites: readonly CredentialSite[] }
  | { readonly ok: false; readonly reason: string }

/** A header in which the placeholder stands, and how to write it with the real token. */
export interface CredentialSite {
  readonly name: string
  with(token: string): string
}

/** Checks what Node's parser lets through and two readers read differently, and finds where the placeholder stands. */
export function readHeaders(rawHeaders: readonly string[], placeholder: string): HeaderReading {
  const headers: [string, string][] = []
  const sites: CredentialSite[] = []
  const seen = new Set<string>()
  let coding = ''
  for (let index = 0; index + 1 < rawHeaders.length; index += 2) {
    const name = (rawHeaders[index] ?? '').toLowerCase()
    const value = rawHeaders[index + 1] ?? ''
    if (single.has(name) && seen.has(name)) return { ok: false, reason: `two ${name} headers` }
    seen.add(name)
    if (name === 'transfer-encoding') coding = value.trim().toLowerCase()
    if (name === 'upgrade') return { ok: false, reason: 'an upgrade of the protocol' }
    if (dropped.has(name)) continue
    const plain = name.replaceAll(/[_.]/g, '-')
    if (credentialHeaders.has(plain)) {
      if (plain !== name) return { ok: false, reason: `a credential header in an odd spelling: ${name}` }
      const site = credentialSite(name, value, placeholder)
      if (site === undefined) return { ok: false, reason: 'another credential than this lane’s placeholder' }
      sites.push(site)
    } else if (value.includes(placeholder)) return { ok: false, reason: `the placeholder in the header ${name}` }
    else headers.push([name, value])
  }
  if (coding !== '' && coding !== 'chunked') return { ok: false, reason: 'a transfer coding other than chunked' }
  if (coding !== '' && seen.has('content-length')) return { ok: false, reason: 'a length and a transfer coding' }
  return { ok: true, headers, sites }
}

const single = new Set(['host', 'content-length', 'transfer-encoding', 'authorization', 'content-type', 'proxy-authorization'])

function credentialSite(name: string, value: string, placeholder: string): CredentialSite | undefined {
  if (name !== 'authorization') return value === placeholder ? { name, with: (token) => token } : undefined
  const [, scheme = '', rest = ''] = /^(\S+) +(\S+)$/.exec(value.trim()) ?? []
  if (/^(bearer|token)$/i.test(scheme)) return rest === placeholder ? { name, with: (token) => `${scheme} ${token}` } : undefined
  if (!/^basic$/i.test(scheme)) return undefined
  const pair = Buffer.from(rest, 'base64').toString('utf8').split(':')
  if (pair.length !== 2 || !pair.includes(placeholder)) return undefined
  return {
    name,
    with: (token) => `Basic ${Buffer.from(pair.map((part) => (part === placeholder ? token : part)).join(':')).toString('base64')}`,
  }
}
