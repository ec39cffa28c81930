import type { Lease } from '../broker/types.ts'
import type { RequestRule } from '../core/types.ts'
import { ruleFor } from './attribute.ts'
import type { Exchange } from './exchange.ts'
import type { Charge, Sending, Verdict } from './verdict.ts'
import type { Running } from './lane.ts'
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
  const { rule, wire } = charge
  const keys = keysOf(charge.call.lease)
  if (keys === undefined) return { ...refused(403, 'the lease holds no keys that sign'), call: charge.call.call }
  const { placeholder } = exchange.route.lane.options
  const question = { body, declared: wire.headers.get('x-amz-content-sha256'), rule, placeholder }
  const reader = new Reader(exchange, charge)
  const payload = bytes === undefined ? await readPayload(reader, question) : { ok: true as const, hash: sha256(bytes), body: bytes }
  const call = reader.owner
  if (!payload.ok) return { ...payload, call: call.call }
  if (!call.current()) return { ...refused(403, 'policy or tool changed since the decision'), call: call.call }
  const { method, query } = wire
  const signed = await sign({ method, origin, path, query, headers, payload: payload.hash }, signature, keys, now)
  return { ok: true, method, origin, path, headers: signed, body: payload.body, charge: { ...charge, call } }
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
async function readPayload(reader: Reader, { body, declared, rule, placeholder }: PayloadQuestion): Promise<Payload> {
  if (declared === undefined) {
    if (body === 'none' || body === 0) return { ok: true, hash: sha256(Buffer.alloc(0)), body }
    if (typeof body === 'number' && body > signedBodyCap) return tooLarge
    const bytes = await reader.read()
    if (!Buffer.isBuffer(bytes)) return bytes
    return bytes.includes(placeholder) ? refused(403, 'the placeholder in the body') : { ok: true, hash: sha256(bytes), body: bytes }
  }
  if (/^[0-9a-f]{64}$/.test(declared)) return { ok: true, hash: declared, body }
  if (!unsignedPayloads.has(declared)) return refused(403, 'a body whose pieces are signed, which cannot be signed anew')
  if (rule.unsignedPayload === true) return { ok: true, hash: declared, body }
  return refused(403, 'a body outside of the signature; the rule has no `payload: unsigned`')
}

/** A body that is read before its request is sent: it ends with its call and lease, and takes room until it is answered. */
class Reader implements Running {
  readonly #exchange: Exchange
  readonly #charge: Charge
  owner: Charge['call']

  constructor(exchange: Exchange, charge: Charge) {
    this.#exchange = exchange
    this.#charge = charge
    this.owner = charge.call
  }

  couldBe(call: Charge['call']): boolean {
    return ruleFor(call, this.#charge.wire, this.#charge.content) !== undefined
  }

  readonly stop = (): void => void this.#exchange.request.socket.destroy()

  /** Throws when the client breaks off, or the call or its lease ends. */
  async read(): Promise<Buffer | Extract<Payload, { ok: false }>> {
    const { lane } = this.#exchange.route
    const { signal } = this.owner.lease
    const unbook = lane.run(this)
    if (unbook === false || signal.aborted) return refused(403, 'the call or its lease has ended')
    signal.addEventListener('abort', this.stop, { once: true })
    try {
      this.#exchange.wantBody()
      return await this.#readParts()
    } finally {
      signal.removeEventListener('abort', this.stop)
      unbook()
    }
  }

  async #readParts(): Promise<Buffer | Extract<Payload, { ok: false }>> {
    const { request, response, route } = this.#exchange
    const { socket } = request
    const { room } = route.lane
    const parts: Buffer[] = []
    let size = 0
    // A response that waits behind another one does not close with its connection.
    const leave = (): void => {
      response.off('close', leave)
      socket.off('close', leave)
      room.give(size)
      size = 0
    }
    if (socket.destroyed) throw new Error('the client is gone')
    response.once('close', leave)
    socket.once('close', leave)
    // Left early it stays open, so that the client reads why.
    for await (const part of request.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
      if (size + part.length > signedBodyCap) return tooLarge
      if (!room.take(part.length)) return refused(503, 'too many bodies at once that come without their hash')
      size += part.length
      parts.push(part)
    }
    return Buffer.concat(parts)
  }
}

function refused(status: number, reason: string): Extract<Payload, { ok: false }> {
  return { ok: false, status, reason }
}

const tooLarge = refused(413, `a body over ${signedBodyCap} bytes without its hash`)
