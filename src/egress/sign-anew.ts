import type { Lease } from '../broker/types.ts'
import type { RequestRule } from '../core/types.ts'
import type { Exchange } from './exchange.ts'
import type { Charge, Sending, Verdict } from './judge.ts'
import { sha256, sign, type SigningKeys, type SigningScope, unsignedPayloads } from './sigv4.ts'

/** A body that comes without its hash is read whole to be signed; DynamoDB, which takes the largest such bodies, takes 16 MiB. */
export const signedBodyCap = 16 * 1024 * 1024

type Payload =
  | {
      readonly ok: true
      /** What the signature says of the body. */
      readonly hash: string
      readonly body: Buffer | 'none' | 'chunked' | number
    }
  | { readonly ok: false; readonly status: number; readonly reason: string }

interface PayloadQuestion {
  /** How the client delimits the body. */
  readonly body: 'none' | 'chunked' | number
  /** The client's `x-amz-content-sha256`. */
  readonly declared: string | undefined
  readonly rule: RequestRule
  readonly placeholder: string
}

/** A request of an AWS lane that a rule admits. */
export interface Unsigned extends Pick<Sending, 'origin' | 'path' | 'headers'> {
  /** How the client delimits the body. */
  readonly body: 'none' | 'chunked' | number
  /** A body that a rule binds; it was serialised anew, whatever hash the client declared. */
  readonly bytes: Buffer | undefined
}

/** Signs it with the keys of the lease, for the service and region that the client signed it for. Throws when the client breaks off. */
export async function signAnew(
  exchange: Exchange,
  { origin, path, headers, body, bytes }: Unsigned,
  charge: Charge,
  { signature, now }: { readonly signature: SigningScope; readonly now: number },
): Promise<Verdict> {
  const { call, rule, wire } = charge
  const keys = keysOf(call.lease)
  if (keys === undefined) return { ...refused(403, 'the lease holds no keys that sign'), call: call.call }
  const { placeholder } = exchange.route.lane.options
  const question = { body, declared: wire.headers.get('x-amz-content-sha256'), rule, placeholder }
  const payload = bytes === undefined ? await readPayload(exchange, question) : { ok: true as const, hash: sha256(bytes), body: bytes }
  if (!payload.ok) return { ...payload, call: call.call }
  const { method, query } = wire
  const signed = await sign({ method, origin, path, query, headers, payload: payload.hash }, signature, keys, now)
  return { ok: true, method, origin, path, headers: signed, body: payload.body, charge }
}

function keysOf({ secrets }: Lease): SigningKeys | undefined {
  const [accessKeyId, secretAccessKey, sessionToken] = ['accessKeyId', 'secretAccessKey', 'sessionToken'].map((part) =>
    secrets[part]?.reveal(),
  )
  if (accessKeyId === undefined || secretAccessKey === undefined || sessionToken === undefined) return undefined
  return [accessKeyId, sessionToken].every((text) => /^[\x21-\x7e]+$/.test(text))
    ? { accessKeyId, secretAccessKey, sessionToken }
    : undefined
}

/**
 * What the new signature says of the body. A hash that the client declares is taken: the upstream compares it with what comes.
 * Without one the body is read. Throws when the client breaks off.
 */
async function readPayload(exchange: Exchange, { body, declared, rule, placeholder }: PayloadQuestion): Promise<Payload> {
  if (declared === undefined) {
    if (body === 'none' || body === 0) return { ok: true, hash: sha256(Buffer.alloc(0)), body }
    exchange.wantBody()
    const bytes = await readWhole(exchange)
    if (bytes === undefined) return refused(413, `a body over ${signedBodyCap} bytes without its hash`)
    return bytes.includes(placeholder) ? refused(403, 'the placeholder in the body') : { ok: true, hash: sha256(bytes), body: bytes }
  }
  if (/^[0-9a-f]{64}$/.test(declared)) return { ok: true, hash: declared, body }
  if (!unsignedPayloads.has(declared)) return refused(403, 'a body whose pieces are signed, which cannot be signed anew')
  if (rule.unsignedPayload === true) return { ok: true, hash: declared, body }
  return refused(403, 'a body outside of the signature; the rule has no `payload: unsigned`')
}

async function readWhole({ request }: Exchange): Promise<Buffer | undefined> {
  const parts: Buffer[] = []
  let size = 0
  for await (const part of request as AsyncIterable<Buffer>) {
    size += part.length
    if (size > signedBodyCap) return undefined
    parts.push(part)
  }
  return Buffer.concat(parts)
}

function refused(status: number, reason: string): Extract<Payload, { ok: false }> {
  return { ok: false, status, reason }
}
