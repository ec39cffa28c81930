import { createHash, createHmac } from 'node:crypto'
import { inspect } from 'node:util'

/**
 * A value that must not be shown. It prints as `[redacted]` wherever it lands by mistake (String, JSON, util.inspect,
 * console). `reveal()` may be called in `inject/`, `egress/` and providers only; a test checks that.
 */
export class Secret {
  readonly #value: string

  constructor(value: string) {
    this.#value = value
  }

  reveal(): string {
    return this.#value
  }

  get length(): number {
    return this.#value.length
  }

  /** Keyed fingerprint for logs and audit: `fp_` and 16 hex digits of HMAC-SHA-256 under this installation's key. */
  fingerprint(key: Uint8Array): string {
    return `fp_${createHmac('sha256', key).update(this.#value).digest('hex').slice(0, 16)}`
  }

  /** The hash that GitHub's own audit log carries as `hashed_token`: base64 of the plain SHA-256. */
  sha256Base64(): string {
    return createHash('sha256').update(this.#value).digest('base64')
  }

  /** Hands the value to a sealing function without making it a variable of the caller. */
  seal<T>(seal: (value: string) => T): T {
    return seal(this.#value)
  }

  toString(): string {
    return '[redacted]'
  }

  toJSON(): string {
    return '[redacted]'
  }

  [inspect.custom](): string {
    return '[redacted]'
  }
}
