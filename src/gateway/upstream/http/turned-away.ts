import type { Lease } from '../../../broker/types.ts'
import type { Clock } from '../../../core/clock.ts'
import type { JitError } from '../../../core/errors.ts'
import { FreshRetries } from '../../../egress/fresh.ts'

export type Verdict =
  /** The same again, in so many milliseconds. */
  | { readonly kind: 'wait'; readonly delay: number }
  /** Again, with another credential. */
  | { readonly kind: 'renew' }
  /** That is how it is; `known`: what the provider says about it. */
  | { readonly kind: 'refused'; readonly known: JitError | undefined }

/**
 * What comes of a request whose credential a remote server did not take (401), or found too narrow (403). It was turned away
 * unread, so that it may be sent again: with a fresh credential that not all of the server's machines may know yet, or once with
 * another one. The provider has its say before that where it has anything to say.
 */
export class TurnedAway {
  readonly #clock: Clock
  #retries: FreshRetries | undefined
  #waited = false

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** `isFirst`: no other credential was tried for this request before. */
  async judge(lease: Lease, status: number, challenge: string, isFirst: boolean): Promise<Verdict> {
    if (status === 401 && (!isFirst || lease.challenged === undefined)) {
      this.#retries ??= new FreshRetries(this.#clock, lease)
      const delay = this.#retries.next()
      if (delay !== undefined) {
        this.#waited = true
        return { kind: 'wait', delay }
      }
    }
    const known = await lease.challenged?.(status, challenge === '' ? undefined : challenge)
    // One that was fresh was minted for this: another would be no better.
    if (known === undefined && status === 401 && isFirst && !this.#waited) return { kind: 'renew' }
    return { kind: 'refused', known }
  }
}
