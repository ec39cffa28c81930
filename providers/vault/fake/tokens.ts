import { randomBytes } from 'node:crypto'
import type { LeaseEntry, TokenEntry } from './state.ts'

type NewToken = Partial<Omit<TokenEntry, 'revoked' | 'usesLeft' | 'accessor'>> & Pick<TokenEntry, 'policies'>

/** Tokens with their children, and what was leased with them. */
export class Tokens {
  readonly tokens = new Map<string, TokenEntry>()
  readonly leases = new Map<string, LeaseEntry>()
  readonly #now: () => number
  readonly #prefix: string

  constructor(now: () => number, product: 'vault' | 'openbao') {
    this.#now = now
    this.#prefix = product === 'vault' ? 'hv' : ''
  }

  create(asked: NewToken): TokenEntry {
    const { type = 'service', ttl = 3600, period = 0, limit = Number.POSITIVE_INFINITY, numUses = 0 } = asked
    const letter = type === 'service' ? 's' : 'b'
    const entry: TokenEntry = {
      id: `${this.#prefix}${letter}.${randomBytes(69).toString('base64url')}`,
      parent: undefined,
      orphan: asked.parent === undefined,
      renewable: false,
      meta: {},
      displayName: 'token',
      own: false,
      ...asked,
      type,
      ttl,
      period,
      limit,
      numUses,
      accessor: type === 'service' ? randomBytes(18).toString('base64url') : '',
      expiresAt: ttl === 0 ? Number.POSITIVE_INFINITY : Math.min(limit, this.#now() + ttl * 1000),
      usesLeft: numUses,
      revoked: false,
    }
    this.tokens.set(entry.id, entry)
    return entry
  }

  alive(id: string | undefined): TokenEntry | undefined {
    const entry = id === undefined ? undefined : this.tokens.get(id)
    if (entry === undefined || entry.revoked) return undefined
    if (entry.expiresAt > this.#now() && (entry.parent === undefined || this.alive(entry.parent) !== undefined)) return entry
    this.revoke(entry)
    return undefined
  }

  byAccessor(accessor: string): TokenEntry | undefined {
    return accessor === ''
      ? undefined
      : [...this.tokens.values()].find((entry) => entry.accessor === accessor && this.alive(entry.id) !== undefined)
  }

  /** Its children and leases go with it. */
  revoke(entry: TokenEntry): void {
    entry.revoked = true
    for (const lease of this.leases.values()) if (lease.token === entry.id) lease.revoked = true
    for (const child of this.tokens.values()) if (child.parent === entry.id && !child.revoked) this.revoke(child)
  }

  /** Takes one of its uses; the last one ends it when the request is over. */
  spend(entry: TokenEntry): () => void {
    if (entry.numUses === 0) return () => undefined
    entry.usesLeft -= 1
    return () => entry.usesLeft <= 0 && this.revoke(entry)
  }

  lease(lease: LeaseEntry): void {
    this.leases.set(lease.id, lease)
  }

  liveLease(id: string): LeaseEntry | undefined {
    const lease = this.leases.get(id)
    if (lease === undefined || lease.revoked || lease.expiresAt <= this.#now() || this.alive(lease.token) === undefined) return undefined
    return lease
  }
}
