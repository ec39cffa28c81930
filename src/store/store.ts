import type { JsonObject } from '../core/json.ts'

/** Everything the daemon must remember, behind one small interface; SQLite is the embedded one. */
export interface Store {
  readonly meta: MetaTable
  readonly secrets: SecretTable
  readonly leases: LeaseTable
  readonly children: ChildTable
  readonly tokens: TokenTable
  /** Runs `work` as one transaction: all of its writes, or none when it throws or the process dies. Not reentrant. */
  atomically<T>(work: () => T, survives?: Survives): T
  /** Resolves once all that was written survives a power cut. Rejects with JitError `store.unavailable`: then it may not, ever. */
  settle(): Promise<void>
  /** Erases what was deleted or replaced from the write-ahead log too. */
  flush(): void
  close(): void
}

/**
 * What a transaction that has returned outlives. `power`: a power cut. `process`: the end of this process, by kill -9 too; a power
 * cut only after `settle`.
 */
export type Survives = 'power' | 'process'

/** Small named values: applied config, lock state, sealing parameters, last checkpoint. */
export interface MetaTable {
  get(key: string): string | undefined
  set(key: string, value: string): void
  delete(key: string): void
}

/** Sealed values only: JWE compact strings. */
export interface SecretTable {
  get(name: string): string | undefined
  set(name: string, sealed: string): void
  delete(name: string): void
  names(): string[]
}

export type LeaseState = 'minting' | 'live' | 'revoking' | 'revoked' | 'expired' | 'irrevocable' | 'failed' | 'lost'

export interface LeaseRow {
  readonly id: string
  readonly state: LeaseState
  readonly provider: string
  readonly server: string
  readonly tool: string
  readonly session: string
  readonly call: string
  readonly scope: JsonObject
  /** The credential as JWE; empty while minting and once it is dead. */
  readonly sealed: string
  readonly fingerprint: string
  readonly upstreamHash: string
  /** Milliseconds since 1970. */
  readonly startedAt: number
  readonly mintedAt: number
  /** When the broker stops using it. */
  readonly expiresAt: number
  /** Until when the upstream accepts it; for `minting` the longest it could be. */
  readonly validUntil: number
  readonly attempts: number
  readonly error: string
}

/**
 * Writes are durable (fsync) when the method returns, or the transaction that they are part of says otherwise. Any method throws
 * JitError `store.unavailable` or `store.corrupt`.
 */
export interface LeaseTable {
  insert(row: LeaseRow): void
  update(id: string, change: Partial<Omit<LeaseRow, 'id'>>): void
  /**
   * All rows that are `live` now read as `revoking` from here on: one small write for however many there are, until
   * `settleCut` writes it into the rows.
   */
  cutLive(): void
  /** Makes good what `cutLive` put off; does nothing when that is nothing. Belongs in a transaction. */
  settleCut(): void
  get(id: string): LeaseRow | undefined
  /** Rows in one of these states, oldest first. */
  inState(states: readonly LeaseState[]): LeaseRow[]
  /** By the upstream's own hash or our fingerprint. */
  byHash(hash: string): LeaseRow[]
  /** Removes finished rows that ended before `time`. */
  prune(time: number): void
}

export interface ChildRow {
  readonly pid: number
  /** Start time from /proc, so that a reused pid is not killed; 0 where unknown. */
  readonly startTime: number
  readonly processGroup: number
  readonly server: string
  readonly lane: string
}

export interface ChildTable {
  add(row: ChildRow): void
  remove(pid: number): void
  all(): ChildRow[]
}

/** What a client that comes by HTTP shows; the token itself is nowhere. */
export interface TokenRow {
  readonly name: string
  /** Lower-case hex SHA-256 of the token. */
  readonly hash: string
  /** Names of the servers it reaches; empty: all of them. */
  readonly servers: readonly string[]
  /** Milliseconds since 1970. */
  readonly addedAt: number
  /** Milliseconds since 1970; 0: until it is removed. */
  readonly expiresAt: number
}

export interface TokenTable {
  /** Throws `conflict` when there is one of that name, or the same one by another. */
  add(row: TokenRow): void
  /** False when there was none. */
  remove(name: string): boolean
  /** By name. */
  all(): TokenRow[]
}
