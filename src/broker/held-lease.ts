import type { JitError } from '../core/errors.ts'
import type { Secret } from '../core/secret.ts'
import type { Lifetime } from '../core/types.ts'
import type { Credential, Provider } from '../provider/contract.ts'
import type { LeaseRow } from '../store/store.ts'
import type { Selectable } from './select.ts'
import type { Lease } from './types.ts'

export interface HeldLeaseOptions {
  /** As it stood when the credential came. */
  readonly row: LeaseRow
  readonly credential: Credential
  /** The instance that minted it; undefined for a lease of the last process whose provider is gone. */
  readonly provider: Provider | undefined
  /** What a lane must not mix with others. */
  readonly partition: string
  /** Under which others may share it; undefined: nobody may. */
  readonly key: string | undefined
  readonly lifetime: Lifetime
  /** Monotonic milliseconds. */
  readonly bornAt: number
  readonly endsAt: number
}

const nothing: Readonly<Record<string, Secret>> = Object.freeze({})

/** A credential that exists upstream, from its mint until it is known to be dead. Once cut, no reader gets at its secrets. */
export class HeldLease {
  readonly id: string
  readonly row: LeaseRow
  readonly credential: Credential
  readonly provider: Provider | undefined
  readonly key: string | undefined
  readonly lifetime: Lifetime
  readonly bornAt: number
  readonly endsAt: number
  /** Servers whose calls had it: a revocation by server must find a shared lease too. */
  readonly servers: Set<string>
  users = 0
  /** Its upstream did not take it: it ends with its last user. */
  isRetired = false
  cancelExpiry: () => void = () => undefined
  readonly #abort = new AbortController()
  #refusal: Promise<JitError | undefined> | undefined
  readonly #fresh: Lease
  readonly #shared: Lease

  constructor(options: HeldLeaseOptions) {
    this.id = options.row.id
    this.row = options.row
    this.credential = options.credential
    this.provider = options.provider
    this.key = options.key
    this.lifetime = options.lifetime
    this.bornAt = options.bornAt
    this.endsAt = options.endsAt
    this.servers = new Set([options.row.server])
    this.#fresh = this.#lease(options.partition, true)
    this.#shared = this.#lease(options.partition, false)
  }

  get isCut(): boolean {
    return this.#abort.signal.aborted
  }

  /** As a selector sees it. */
  get view(): Selectable {
    return { id: this.id, provider: this.row.provider, session: this.row.session, servers: this.servers }
  }

  /** Counts a user and answers the lease as that user sees it. */
  take(server: string, fresh: boolean): Lease {
    this.users += 1
    this.servers.add(server)
    return fresh ? this.#fresh : this.#shared
  }

  /** From here on no request gets this credential. */
  cut(reason: JitError): void {
    this.cancelExpiry()
    this.#abort.abort(reason)
  }

  /** Those who share a lease that is not taken (401) get one answer: it was one credential. */
  async #challenged(provider: Provider, status: number, challenge: string | undefined): Promise<JitError | undefined> {
    if (this.isCut) return undefined
    // What it cannot do about it (a full disk, a sealed store) is no news for whoever called: the refusal itself is.
    const ask = async (): Promise<JitError | undefined> => provider.challenged?.(status, challenge, this.credential).catch(() => undefined)
    if (status !== 401) return ask()
    this.#refusal ??= ask()
    return this.#refusal
  }

  #lease(partition: string, fresh: boolean): Lease {
    const { row, credential, provider } = this
    const { signal } = this.#abort
    return {
      id: row.id,
      provider: row.provider,
      scope: row.scope,
      partition,
      get secrets() {
        return signal.aborted ? nothing : credential.secrets
      },
      ...(credential.notSecret === undefined ? {} : { notSecret: credential.notSecret }),
      ...(provider?.requestHeaders === undefined ? {} : { requestHeaders: provider.requestHeaders }),
      ...(provider?.challenged === undefined ? {} : { challenged: (status, challenge) => this.#challenged(provider, status, challenge) }),
      fingerprint: row.fingerprint,
      upstreamHash: row.upstreamHash,
      mintedAt: row.mintedAt,
      expiresAt: row.expiresAt,
      signal,
      fresh,
    }
  }
}
