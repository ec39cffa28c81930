import { SignatureV4 } from '@smithy/signature-v4'
import { Sha256 } from '../sign.ts'
import type { Answer, Caller, FakeIdentity, FakeSession } from './state.ts'
import { fail } from './xml.ts'

export interface Received {
  readonly method: string
  readonly url: URL
  readonly headers: Readonly<Record<string, string>>
  readonly body: Buffer
}

/** AWS takes five minutes of difference between two clocks for these services. */
const skew = 300_000
const authorization =
  /^AWS4-HMAC-SHA256 Credential=([^/]+)\/(\d{8})\/([^/]+)\/([^/]+)\/aws4_request, ?SignedHeaders=([^,]+), ?Signature=([0-9a-f]{64})$/

/** Who signed the request, by Signature Version 4, or AWS's refusal. */
export async function verify(
  received: Received,
  known: { readonly identities: readonly FakeIdentity[]; readonly sessions: readonly FakeSession[] },
  now: number,
): Promise<{ caller: Caller; service: string; region: string } | Answer> {
  const header = received.headers['authorization'] ?? ''
  const [, keyId = '', , region = '', service = '', signed = ''] = authorization.exec(header) ?? []
  if (keyId === '') return fail(403, 'MissingAuthenticationToken', 'Request is missing Authentication Token')
  const identity = known.identities.find((one) => one.accessKeyId === keyId)
  const session = known.sessions.find((one) => one.accessKeyId === keyId)
  const keys = identity ?? session
  if (keys === undefined || received.headers['x-amz-security-token'] !== keys.sessionToken) {
    return fail(403, 'InvalidClientTokenId', 'The security token included in the request is invalid.')
  }
  if ((keys.expiresAt ?? Number.POSITIVE_INFINITY) <= now) {
    return fail(403, 'ExpiredToken', `The security token included in the request is expired: ${keys.sessionToken ?? ''}`)
  }
  const date = parseDate(received.headers['x-amz-date'] ?? '')
  if (!(Math.abs(date - now) <= skew)) {
    return fail(
      403,
      'SignatureDoesNotMatch',
      `Signature expired: ${received.headers['x-amz-date']} is now earlier than ${new Date(now - skew).toISOString()}`,
    )
  }
  const expected = await sign(received, keys, { service, region, date, signed: new Set(signed.split(';')) })
  if (expected !== header) {
    return fail(
      403,
      'SignatureDoesNotMatch',
      `The request signature we calculated does not match. The Canonical String should have been x-amz-security-token:${keys.sessionToken ?? ''}`,
    )
  }
  return { caller: session === undefined ? { identity: identity ?? nobody } : { session }, service, region }
}

const nobody: FakeIdentity = { accessKeyId: '', secretAccessKey: '', arn: '' }

async function sign(
  { method, url, headers, body }: Received,
  keys: FakeIdentity | FakeSession,
  by: { service: string; region: string; date: number; signed: ReadonlySet<string> },
): Promise<string> {
  const signer = new SignatureV4({
    service: by.service,
    region: by.region,
    credentials: {
      accessKeyId: keys.accessKeyId,
      secretAccessKey: keys.secretAccessKey,
      ...(keys.sessionToken === undefined ? {} : { sessionToken: keys.sessionToken }),
    },
    sha256: Sha256,
    uriEscapePath: by.service !== 's3',
    applyChecksum: by.signed.has('x-amz-content-sha256'),
  })
  const result = await signer.sign(
    {
      method,
      protocol: url.protocol,
      hostname: url.hostname,
      path: url.pathname,
      query: Object.fromEntries(url.searchParams),
      headers: Object.fromEntries(Object.entries(headers).filter(([name]) => by.signed.has(name))),
      body,
    },
    { signingDate: new Date(by.date), signableHeaders: new Set(by.signed) },
  )
  return result.headers['authorization'] ?? ''
}

/** `20261121T110000Z` in milliseconds; NaN for anything else. */
function parseDate(text: string): number {
  const parts = /^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/.exec(text)?.slice(1).map(Number) ?? []
  const [year = Number.NaN, month = 0, day = 0, hour = 0, minute = 0, second = 0] = parts
  return Date.UTC(year, month - 1, day, hour, minute, second)
}
