import { createHash, createHmac } from 'node:crypto'
import type { SignatureV4 } from '@smithy/signature-v4'

/** Keys as the AWS SDK passes them around. */
export interface AwsKeys {
  readonly accessKeyId: string
  readonly secretAccessKey: string
  readonly sessionToken?: string
  readonly expiration?: Date
}

/** A request as the AWS SDK passes it around. */
export type AwsRequest = Parameters<SignatureV4['sign']>[0]

/** SHA-256 as the signer wants it; with a secret, its HMAC. */
export class Sha256 {
  readonly #secret: Uint8Array | string | undefined
  #hash: ReturnType<typeof createHash> | ReturnType<typeof createHmac>

  constructor(secret?: string | ArrayBuffer | ArrayBufferView) {
    this.#secret = secret === undefined || typeof secret === 'string' ? secret : bytesOf(secret)
    this.#hash = this.#start()
  }

  update(chunk: Uint8Array | string): void {
    this.#hash.update(chunk)
  }

  digest(): Promise<Uint8Array> {
    return Promise.resolve(this.#hash.digest())
  }

  reset(): void {
    this.#hash = this.#start()
  }

  #start(): ReturnType<typeof createHash> | ReturnType<typeof createHmac> {
    return this.#secret === undefined ? createHash('sha256') : createHmac('sha256', this.#secret)
  }
}

/** A signer for one identity that takes the time from `now` (milliseconds since 1970), whatever a caller says. */
export function createSigner(
  service: string,
  region: string,
  credentials: AwsKeys,
  now: () => number,
): { sign(request: AwsRequest): Promise<AwsRequest> } {
  return {
    async sign(request) {
      // Loaded when it is first needed, like the SDK.
      const { SignatureV4 } = await import('@smithy/signature-v4')
      return new SignatureV4({ service, region, credentials, sha256: Sha256 }).sign(request, { signingDate: new Date(now()) })
    },
  }
}

function bytesOf(data: ArrayBuffer | ArrayBufferView): Uint8Array {
  return ArrayBuffer.isView(data) ? new Uint8Array(data.buffer, data.byteOffset, data.byteLength) : new Uint8Array(data)
}
