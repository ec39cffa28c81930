import { JitError, nothingMinted, type ProviderHost, type Secret } from '../../src/provider/index.ts'
import type { VaultAnswer, VaultRequest, VaultSend } from './client.ts'
import { isSealedToken, type VaultConfig } from './config.ts'
import { explain } from './failure.ts'
import { deadToken, logIn, type OwnToken, renew } from './login.ts'

/** Milliseconds for a login or a renewal, which several mints may wait for. */
const loginTimeout = 30_000
/** Milliseconds for giving a token back. */
const farewellTimeout = 5000
/** Milliseconds by which the broker's own token outlives what it mints. */
const margin = 10_000

export interface SessionDeps {
  readonly config: VaultConfig
  readonly host: ProviderHost
  readonly send: VaultSend
}

/** The broker's own token: got at first need, kept alive while it is used, got anew when Vault does not know it any more. */
export class Session {
  readonly #deps: SessionDeps
  /** What was minted with which token and is not known to be over: it dies with that token. */
  readonly #children = new Map<string, Secret>()
  readonly #tokens = new Set<Secret>()
  #own: OwnToken | undefined
  #flight: Promise<OwnToken> | undefined
  #cancelRenewal: () => void = () => undefined
  #closed = false

  constructor(deps: SessionDeps) {
    this.#deps = deps
  }

  /**
   * A request with the broker's token, which then lives for at least `need` milliseconds if Vault lets it. A 403 because the
   * token is dead leads to one new login; any other answer is handed through.
   */
  async request(request: VaultRequest, signal: AbortSignal, need = 0): Promise<{ answer: VaultAnswer; own: OwnToken }> {
    const own = await this.#acquire(need, signal)
    const answer = await this.#deps.send({ ...request, token: own.token }, signal)
    // "invalid accessor" is about the token that was asked for.
    if (answer.status !== 403 || /invalid accessor/i.test(answer.said) || (await this.#isAlive(own, signal))) return { answer, own }
    this.#drop(own)
    if (isSealedToken(this.#deps.config)) throw deadToken(this.#deps.config, this.#deps.host.name, answer.said)
    const next = await this.#acquire(need, signal)
    return { answer: await this.#deps.send({ ...request, token: next.token }, signal), own: next }
  }

  /** Like `request`, for answers that must be a success. */
  async call(request: VaultRequest, signal: AbortSignal, need = 0): Promise<{ body: unknown; own: OwnToken }> {
    const { answer, own } = await this.request(request, signal, need)
    if (answer.status === 200 || answer.status === 204) return { body: answer.body, own }
    return this.fail(answer, request, signal)
  }

  /** Throws what an answer that is no success means. */
  async fail(answer: VaultAnswer, request: VaultRequest, signal: AbortSignal): Promise<never> {
    throw await explain(answer, request, { name: this.#deps.host.name, send: this.#deps.send }, signal)
  }

  /** `key` names a credential that ends with `own`. */
  bore(key: string, own: OwnToken): void {
    this.#children.set(key, own.token)
  }

  ended(key: string): void {
    this.#children.delete(key)
  }

  /** Gives back the tokens on which nothing hangs; one with children would take them along. */
  async close(): Promise<void> {
    this.#closed = true
    this.#cancelRenewal()
    this.#own = undefined
    if (isSealedToken(this.#deps.config)) return
    const parents = new Set(this.#children.values())
    const idle = [...this.#tokens].filter((token) => !parents.has(token))
    this.#tokens.clear()
    const request = { method: 'POST', path: ['auth', 'token', 'revoke-self'], body: {} } as const
    await Promise.allSettled(idle.map((token) => this.#deps.send({ ...request, token }, AbortSignal.timeout(farewellTimeout))))
  }

  async #acquire(need: number, signal: AbortSignal): Promise<OwnToken> {
    const own = this.#own
    // A token that never lives long enough is used for half its life, or each call would log in.
    if (own !== undefined && this.#left(own) >= Math.min(need + margin, own.life / 2)) return own
    this.#flight ??= this.#refresh(own, need).finally(() => (this.#flight = undefined))
    return race(this.#flight, signal).catch((error: unknown) => {
      throw nothingMinted(error)
    })
  }

  /** Renewal where that is enough, else a login. Shared by all who wait, so under its own deadline. */
  async #refresh(own: OwnToken | undefined, need: number): Promise<OwnToken> {
    const { config, host, send } = this.#deps
    const signal = AbortSignal.timeout(loginTimeout)
    const left = own === undefined ? 0 : this.#left(own)
    const renewed = own?.renewable === true && left > 0 ? await renew(own, host, send, signal) : undefined
    const enough = renewed !== undefined && this.#left(renewed) >= Math.min(need + margin, renewed.life / 2)
    if (renewed !== undefined && (enough || isSealedToken(config))) return this.#keep(renewed)
    // A sealed token cannot be got anew: the rest of its life is what there is.
    if (isSealedToken(config) && own !== undefined && left > 0) return own
    return this.#keep(await logIn(config, host, send, signal))
  }

  #keep(next: OwnToken): OwnToken {
    this.#tokens.add(next.token)
    if (this.#closed) return next
    this.#own = next
    this.#scheduleRenewal(next)
    return next
  }

  #scheduleRenewal(own: OwnToken): void {
    this.#cancelRenewal()
    const left = this.#left(own)
    if (!own.renewable || !Number.isFinite(left) || left < margin) return
    const { clock, log, name } = this.#deps.host
    this.#cancelRenewal = clock.after((left * 2) / 3, () => {
      if (this.#own !== own) return
      this.#flight ??= this.#refresh(own, 0).finally(() => (this.#flight = undefined))
      this.#flight.catch((error: unknown) => {
        log.warn('own token not renewed', { provider: name, error: error instanceof JitError ? error.message : 'unknown' })
        if (this.#own === own) this.#scheduleRenewal(own)
      })
    })
  }

  #drop(own: OwnToken): void {
    this.#tokens.delete(own.token)
    if (this.#own !== own) return
    this.#own = undefined
    this.#cancelRenewal()
  }

  /** Vault answers 403 to a dead token and to a live one that may not do this. */
  async #isAlive({ token }: OwnToken, signal: AbortSignal): Promise<boolean> {
    const request = { method: 'GET', path: ['auth', 'token', 'lookup-self'], token } as const
    const answer = await this.#deps.send(request, signal).catch((error: unknown) => {
      throw nothingMinted(error)
    })
    return answer.status !== 403
  }

  #left(own: OwnToken): number {
    return own.expiresAt - this.#deps.host.clock.now()
  }
}

function race<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const abort = (): void => reject(new JitError('provider.unavailable', 'the login to Vault took too long', { details: { sent: false } }))
    if (signal.aborted) abort()
    signal.addEventListener('abort', abort, { once: true })
    work.then(resolve, reject).finally(() => signal.removeEventListener('abort', abort))
  })
}
