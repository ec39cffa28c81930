import { JitError, nothingMinted, type ProviderHost, quote, type Secret } from '../../src/provider/index.ts'
import type { McpConfig } from './config.ts'
import { type Discovery, discover } from './discovery.ts'
import { type Granted, refresh } from './grant.ts'
import { logInAgain, readSession, sealSession, type Session, sessionSecret } from './session.ts'

/** Milliseconds for one renewal. Nobody's abort cuts it: its answer may hold the only refresh token that is still good. */
const renewalTimeout = 20_000
/** Milliseconds. A server that moves an endpoint keeps the old one for longer. */
const discoveryLife = 3_600_000
/** Milliseconds by which a token outlives what it is handed out for. */
const margin = 10_000

/** An access token, and what it may do. */
export interface Access {
  readonly token: Secret
  readonly expiresAt: number | undefined
  readonly scopes: readonly string[]
  /** Several may hold it at once. */
  readonly isShared: boolean
}

/**
 * The tokens of a login. One renewal at a time: each uses the refresh token up that the one before left, and seals its own before
 * anything is done with it.
 */
export class Tokens {
  readonly #config: McpConfig
  readonly #host: ProviderHost
  #found: { readonly discovery: Discovery; readonly until: number } | undefined
  /** What a full disk kept from being sealed. */
  #unsealed: Session | undefined
  #latest: Promise<unknown> | undefined

  constructor(config: McpConfig, host: ProviderHost) {
    this.#config = config
    this.#host = host
  }

  get session(): Session {
    return this.#unsealed ?? readSession(this.#host, this.#config.url)
  }

  /** As last found; undefined before. */
  get known(): Discovery | undefined {
    return this.#found?.discovery
  }

  /** Where the login's server is now. Refuses another issuer than the login's: its credentials are not shown there. */
  async discovery(session: Session, signal: AbortSignal): Promise<Discovery> {
    const now = this.#host.clock.now()
    if (this.#found === undefined || now >= this.#found.until)
      this.#found = { discovery: await discover(this.#config, this.#host, signal), until: now + discoveryLife }
    const { discovery } = this.#found
    if (discovery.issuer === session.issuer && discovery.resource === session.resource) return discovery
    this.#found = undefined
    const [was, is] = discovery.issuer === session.issuer ? [session.resource, discovery.resource] : [session.issuer, discovery.issuer]
    throw logInAgain(
      this.#host,
      this.#config.url,
      `has a login at ${quote(was)}, and the server names ${quote(is)} now: its tokens are not sent there`,
    )
  }

  /** The login's own token, which lives for `need` milliseconds more where the server lets it. Those who ask at once share a renewal. */
  async own(need: number, signal: AbortSignal): Promise<Access> {
    const { session } = this
    if (this.#unsealed === undefined && this.#isEnough(session, need)) return ownAccess(session)
    return race(
      this.#inTurn(async () => {
        // Whoever had the turn before may have renewed it.
        const { session: current } = this
        return this.#isEnough(current, need) ? ownAccess(current) : ownAccess((await this.#renew(current)).session)
      }),
      signal,
    )
  }

  /** A token of its own for some of the login's scopes. */
  async narrowed(scopes: readonly string[], signal: AbortSignal): Promise<Access> {
    return race(
      this.#inTurn(async () => {
        const { granted } = await this.#renew(this.session, scopes)
        const { accessToken: token, expiresAt } = granted
        return { token, expiresAt, scopes: granted.scopes ?? scopes, isShared: false }
      }),
      signal,
    )
  }

  /** The login with a change, sealed. */
  async change(work: (session: Session) => Session | undefined): Promise<void> {
    await this.#inTurn(async () => {
      const next = work(this.session)
      if (next !== undefined) await this.#seal(next)
    })
  }

  /** Resolves when no renewal is under way. */
  async settled(): Promise<void> {
    await Promise.allSettled([this.#latest])
  }

  #isEnough({ accessToken, expiresAt, life, refreshToken }: Session, need: number): boolean {
    if (accessToken === undefined) return false
    if (expiresAt === undefined) return true
    const left = expiresAt - this.#host.clock.now()
    // Without a refresh token the rest of its life is what there is.
    if (refreshToken === undefined) return left > 0
    // A token that never lives long enough is used for half its life, or each call would renew it.
    return left >= Math.min(need + margin, (life ?? need) / 2)
  }

  /** With `scopes`: for a token beside the login's own. */
  async #renew(session: Session, scopes?: readonly string[]): Promise<{ session: Session; granted: Granted }> {
    const signal = AbortSignal.timeout(renewalTimeout)
    const { refreshToken, client } = session
    if (refreshToken === undefined)
      throw scopes === undefined
        ? logInAgain(this.#host, this.#config.url, 'has a token that is over, and was given none to renew it with')
        : new JitError('provider.refused', `the login of provider ${this.#host.name} cannot be narrowed: it came without a refresh token`, {
            hint: 'Leave `scopes` out of the scope, or log in for these scopes alone.',
            details: { sent: false },
          })
    const where = await this.discovery(session, signal).catch((error: unknown) => {
      throw nothingMinted(error)
    })
    const ask = { host: this.#host, server: this.#config.url, signal }
    const granted = await refresh(ask, where, client, refreshToken, scopes)
    const own = scopes === undefined ? { accessToken: granted.accessToken, expiresAt: granted.expiresAt, life: granted.life } : {}
    const next: Session = { ...session, ...own, refreshToken: granted.refreshToken ?? refreshToken }
    await this.#seal(next)
    const more = session.consented.length === 0 ? undefined : granted.scopes?.find((scope) => !session.consented.includes(scope))
    if (more !== undefined)
      throw new JitError(
        'provider.scope',
        `${quote(session.issuer)} renewed a login with the scope ${quote(more)}, which nobody agreed to`,
        {
          details: { sent: true },
        },
      )
    return { session: next, granted }
  }

  async #seal(session: Session): Promise<void> {
    this.#unsealed = session
    await this.#host.keep(sessionSecret, sealSession(session))
    this.#unsealed = undefined
  }

  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const { id } = this.session
    const before = turns.get(id) ?? Promise.resolve()
    const start = async (): Promise<T> => {
      if (this.#unsealed !== undefined) await this.#seal(this.#unsealed)
      return work()
    }
    const turn = before.then(start, start)
    turns.set(id, turn)
    this.#latest = turn
    const leave = (): void => {
      if (turns.get(id) === turn) turns.delete(id)
    }
    turn.then(leave, leave)
    return turn
  }
}

/** By login, since a changed config opens a provider anew while the old one may be at it. */
const turns = new Map<string, Promise<unknown>>()

function ownAccess(session: Session): Access {
  const { accessToken, expiresAt, consented } = session
  if (accessToken === undefined) throw new JitError('internal', 'a login was renewed without an access token')
  return { token: accessToken, expiresAt, scopes: consented, isShared: true }
}

function race<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const abort = (): void => reject(new JitError('provider.unavailable', 'renewing the login took too long'))
    if (signal.aborted) abort()
    signal.addEventListener('abort', abort, { once: true })
    work.then(resolve, reject).finally(() => signal.removeEventListener('abort', abort))
  })
}
