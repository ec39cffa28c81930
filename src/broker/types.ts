import type { JitError } from '../core/errors.ts'
import type { JsonObject } from '../core/json.ts'
import type { LiveSearch } from '../core/live-search.ts'
import type { Secret } from '../core/secret.ts'
import type { LeaseGrant, Principal, Receipt } from '../core/types.ts'
import type { LeaseState } from '../store/store.ts'

export interface LeaseAsk {
  readonly grant: LeaseGrant
  readonly call: string
  readonly principal: Principal
  readonly server: string
  readonly tool: string
}

/** A usable credential. `signal` aborts the moment it must not be used any more (revoked, expired, locked). */
export interface Lease {
  readonly id: string
  readonly provider: string
  readonly scope: JsonObject
  readonly partition: string
  /** Named parts of the credential. */
  readonly secrets: Readonly<Record<string, Secret>>
  /** Which of them are only names. */
  readonly notSecret?: readonly string[]
  /** Headers that its requests carry, whatever the client says there; null: none. */
  readonly requestHeaders?: Readonly<Record<string, string | null>>
  /**
   * What its provider makes of a 401 or 403 that a remote server gave to a request with it, and of the WWW-Authenticate: what a
   * person can do, or undefined when nothing is known of it. Absent: the provider has nothing to say. Never rejects.
   */
  challenged?(status: number, challenge: string | undefined): Promise<JitError | undefined>
  readonly fingerprint: string
  readonly upstreamHash: string
  /** When the lease was minted and when the broker stops using it, milliseconds since 1970. */
  readonly mintedAt: number
  readonly expiresAt: number
  /** Aborts with a JitError `lease.revoked`, `lease.expired` or `locked` as its reason. */
  readonly signal: AbortSignal
  /** True when this ask minted it, false when it came from the cache. */
  readonly fresh: boolean
}

export interface LeaseView {
  readonly id: string
  readonly state: LeaseState
  readonly provider: string
  readonly server: string
  readonly tool: string
  readonly session: string
  readonly scope: JsonObject
  readonly fingerprint: string
  readonly startedAt: number
  readonly expiresAt: number
  readonly validUntil: number
  readonly inUse: number
  readonly error: string
}

export type RevokeSelector =
  | { readonly all: true }
  | { readonly server: string }
  | { readonly provider: string }
  | { readonly session: string }
  | { readonly lease: string }

/** `session`: the agent whose credentials they are has gone. */
export type RevokeReason = 'revoked' | 'locked' | 'shutdown' | 'session'

export interface Broker {
  /**
   * A lease of exactly this grant: the live one of the same canonical scope, provider, session and base URL, or a new one;
   * concurrent askers share one mint. Every `acquire` is paired with one `release`. Throws `locked`, `provider.*`, `store.*`.
   */
  acquire(ask: LeaseAsk, signal: AbortSignal): Promise<Lease>
  /** The warm path without a promise: the cached lease, or undefined when `acquire` is needed. Throws `locked`. */
  cached(ask: LeaseAsk): Lease | undefined
  /** The call ended. `lifetime: call` leases are revoked upstream in the background once the last user released. */
  release(lease: Lease): void
  /** Its upstream does not take it: nobody finds it any more, and it ends once the last user released. */
  retire(lease: Lease): void
  /** Cuts locally before it returns a promise, then upstream; answers one receipt per lease, within the deadline. */
  revoke(selector: RevokeSelector, reason: RevokeReason, deadline: number): Promise<Receipt[]>
  leases(): LeaseView[]
  /** Every secret that is alive or died within the last minutes, for scrubbing. Changes with `secretsVersion`. */
  liveSecrets(): readonly Secret[]
  readonly secretsVersion: number
  /** What looks for them. */
  readonly search: LiveSearch
  /** Name of the partition that a grant's lanes must not mix with others. */
  partition(grant: LeaseGrant): string
  /** Resolves what the last process left: live leases stay, unfinished revocations go on, lost mints are reported. */
  recover(): Promise<void>
  locked: boolean
  close(deadline: number): Promise<Receipt[]>
}
