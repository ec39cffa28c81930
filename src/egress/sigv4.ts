import { createHash, createHmac, type Hash, type Hmac } from 'node:crypto'
import { same } from './credential.ts'

/** What a client signed its request for: AWS's region and signing name of the service. */
export interface SigningScope {
  readonly region: string
  readonly service: string
}

export interface SigningKeys {
  readonly accessKeyId: string
  readonly secretAccessKey: string
  readonly sessionToken: string
}

export interface UnsignedRequest {
  readonly method: string
  readonly origin: string
  /** As it travels, with its query. */
  readonly path: string
  readonly query: readonly (readonly [name: string, value: string])[]
  /** Flat like `rawHeaders`. */
  readonly headers: readonly string[]
  /** SHA-256 of the body in hex, or the word that stands for a body outside of the signature. */
  readonly payload: string
}

/** `x-amz-content-sha256` of bodies that travel outside of the signature; TLS and what the upstream checks protect them. */
export const unsignedPayloads: ReadonlySet<string> = new Set(['UNSIGNED-PAYLOAD', 'STREAMING-UNSIGNED-PAYLOAD-TRAILER'])

/** Headers that the new signature brings. */
export const signingHeaders: ReadonlySet<string> = new Set(['authorization', 'x-amz-date', 'x-amz-content-sha256', 'x-amz-security-token'])

/** Signing names whose service has another name in its host. */
const hostNames: Readonly<Record<string, string>> = {
  ses: 'email',
  'mobile-targeting': 'pinpoint',
  'aws-marketplace': 'metering.marketplace',
}

const shape =
  /^AWS4-HMAC-SHA256 +Credential=([A-Za-z0-9]{16,128})\/\d{8}\/([a-z0-9-]{1,40})\/([a-z0-9-]{1,60})\/aws4_request, *SignedHeaders=[a-z0-9;_.-]{1,4096}, *Signature=[0-9a-f]{64}$/

/** Reads an Authorization header that was made with the placeholder as access key id; undefined for anything else. */
export function readSignature(value: string, placeholder: string): SigningScope | undefined {
  const [, accessKeyId = '', region = '', service = ''] = shape.exec(value) ?? []
  return same(accessKeyId, placeholder) ? { region, service } : undefined
}

/**
 * Where a request to a base-URL listener, which stands for all of AWS, is meant to go: the one origin among those that the
 * policy names whose host is that service's in that region, or the service's without a region.
 */
export function originOf({ region, service }: SigningScope, origins: Iterable<string>): string | undefined {
  const name = hostNames[service] ?? service
  const found = [...origins].filter((origin) => {
    const { hostname } = new URL(origin)
    return hostname.startsWith(`${name}.${region}.`) || hostname === `${name}.amazonaws.com` || hostname === `${name}.amazonaws.com.cn`
  })
  return found.length === 1 ? found[0] : undefined
}

export function sha256(bytes: Buffer): string {
  return createHash('sha256').update(bytes).digest('hex')
}

/**
 * The headers of the request with a Signature Version 4 of the real keys. Nothing of the client's own signature is left; each
 * header that travels is signed, but those that hops may change.
 */
export async function sign(request: UnsignedRequest, scope: SigningScope, keys: SigningKeys, now: number): Promise<string[]> {
  const { hostname, host, port } = new URL(request.origin)
  const [path = '/'] = request.path.split('?', 1)
  const kept: string[] = []
  const toSign = new Map([
    ['host', host],
    ['x-amz-content-sha256', request.payload],
  ])
  for (let index = 0; index + 1 < request.headers.length; index += 2) {
    const name = request.headers[index] ?? ''
    const lower = name.toLowerCase()
    const value = request.headers[index + 1] ?? ''
    if (signingHeaders.has(lower)) continue
    kept.push(name, value)
    const before = toSign.get(lower)
    toSign.set(lower, before === undefined ? value : `${before},${value}`)
  }
  const query = new Map<string, string[]>()
  for (const [name, value] of request.query) query.set(name, [...(query.get(name) ?? []), value])
  // Loaded with the first request that needs it: most daemons never sign one.
  const { SignatureV4 } = await import('@smithy/signature-v4')
  const signer = new SignatureV4({
    service: scope.service,
    region: scope.region,
    credentials: keys,
    sha256: Sha256,
    uriEscapePath: scope.service !== 's3',
    applyChecksum: false,
  })
  const signed = await signer.sign(
    {
      method: request.method,
      protocol: 'https:',
      hostname,
      ...(port === '' ? {} : { port: Number(port) }),
      path,
      query: Object.fromEntries(query),
      headers: Object.fromEntries(toSign),
    },
    { signingDate: new Date(now) },
  )
  for (const [name, value] of Object.entries(signed.headers)) if (signingHeaders.has(name.toLowerCase())) kept.push(name, value)
  return kept
}

/** The form in which the signer takes a hash or, with a key, an HMAC. */
class Sha256 {
  readonly #hash: Hash | Hmac

  constructor(secret?: string | ArrayBuffer | ArrayBufferView) {
    this.#hash = secret === undefined ? createHash('sha256') : createHmac('sha256', typeof secret === 'string' ? secret : bytesOf(secret))
  }

  update(data: string | ArrayBuffer | ArrayBufferView): void {
    this.#hash.update(typeof data === 'string' ? data : bytesOf(data))
  }

  digest(): Promise<Uint8Array> {
    return Promise.resolve(new Uint8Array(this.#hash.digest()))
  }

  /** Part of the interface; the signer makes a new one instead. */
  reset(): void {
    throw new TypeError('a hash is used once')
  }
}

function bytesOf(data: ArrayBuffer | ArrayBufferView): Uint8Array {
  return data instanceof ArrayBuffer ? new Uint8Array(data) : new Uint8Array(data.buffer, data.byteOffset, data.byteLength)
}
