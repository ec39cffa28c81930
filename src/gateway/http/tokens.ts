import { hash, timingSafeEqual } from 'node:crypto'
import { JitError, quote } from '../../core/errors.ts'
import type { Surroundings } from '../../core/types.ts'
import type { Store, TokenRow } from '../../store/store.ts'

export interface Token {
  readonly name: string
  /** Empty: all of them. */
  readonly servers: ReadonlySet<string>
  readonly addedAt: number
  /** Milliseconds since 1970; 0: until it is removed. */
  readonly expiresAt: number
}

interface Known extends Token {
  readonly digest: Buffer
}

/** What `jit token add` makes: 256 random bits behind a name that scanners find. */
export const tokenShape = /^jit_mcp_[A-Za-z0-9_-]{43}$/
const tokensCap = 256
/** Milliseconds: timers stand still while the machine sleeps, and what came with a token must not outlive it by as much. */
const watchEvery = 5 * 60_000

export interface TokensDeps extends Surroundings {
  readonly store: Pick<Store, 'tokens' | 'atomically'>
  /** A token was removed, or its time is over. */
  onEnd(token: Token): void
}

/** The tokens of clients that come by HTTP; their hashes, that is. */
export class Tokens {
  readonly #deps: TokensDeps
  readonly #known = new Map<string, Known>()
  readonly #cancel = new Map<string, () => void>()
  /** Their time was over once: a clock that is set back does not bring them back. */
  readonly #over = new WeakSet<Token>()

  /** Throws what the store throws. */
  constructor(deps: TokensDeps) {
    this.#deps = deps
    for (const row of deps.store.tokens.all()) this.#remember(row)
  }

  /** The token of an `Authorization` header. Every known one is compared, in the same time whichever it is. */
  find(authorization: string | undefined): Token | undefined {
    const given = /^Bearer +(\S+)$/i.exec(authorization ?? '')?.[1] ?? ''
    if (!tokenShape.test(given)) return undefined
    const digest = hash('sha256', given, 'buffer')
    let found: Known | undefined
    for (const known of this.#known.values()) if (timingSafeEqual(known.digest, digest)) found = known
    return found !== undefined && this.#isOver(found) ? undefined : found
  }

  /** Whether it was removed, or its time is over. */
  isGone(token: Token): boolean {
    return this.#known.get(token.name) !== token || this.#isOver(token)
  }

  /** Throws `conflict` for a name that is taken and when there are too many. It counts once `record` has written it down. */
  add(row: TokenRow, record: () => void): Token {
    if (this.#known.has(row.name))
      throw new JitError('conflict', `there is a token ${quote(row.name)} already`, { hint: 'Choose another name, or remove it first.' })
    if (this.#known.size >= tokensCap)
      throw new JitError('conflict', `there are ${tokensCap} tokens`, { hint: 'Remove some: `jit token list`.' })
    this.#deps.store.atomically(() => {
      this.#deps.store.tokens.add(row)
      record()
    })
    return this.#remember(row)
  }

  /** It is refused from here on, whatever the disk says; what came with it ends. Throws `not-found`, or what the table throws. */
  remove(name: string): Token {
    const known = this.#known.get(name)
    if (known === undefined) throw new JitError('not-found', `there is no token ${quote(name)}`, { hint: '`jit token list` lists them.' })
    this.#known.delete(name)
    this.#cancel.get(name)?.()
    this.#deps.onEnd(known)
    this.#deps.store.tokens.remove(name)
    return known
  }

  list(): Token[] {
    return [...this.#known.values()]
  }

  #remember(row: TokenRow): Known {
    const { name, servers, addedAt, expiresAt } = row
    const known = { name, servers: new Set(servers), addedAt, expiresAt, digest: Buffer.from(row.hash, 'hex') }
    this.#known.set(name, known)
    this.#watch(known)
    return known
  }

  /** Ends what came with it in time. */
  #watch(known: Known): void {
    if (known.expiresAt === 0) return
    const left = Math.max(0, known.expiresAt - this.#deps.clock.now())
    const look = (): void => (this.#isOver(known) ? this.#deps.onEnd(known) : this.#watch(known))
    this.#cancel.set(known.name, this.#deps.clock.after(Math.min(left, watchEvery), look))
  }

  #isOver(token: Token): boolean {
    const { expiresAt } = token
    if (expiresAt !== 0 && this.#deps.clock.now() >= expiresAt) this.#over.add(token)
    return this.#over.has(token)
  }
}
