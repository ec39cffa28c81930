import type { AuditSink } from '../audit/event.ts'
import type { Clock } from '../core/clock.ts'
import { JitError, quote, toJitError } from '../core/errors.ts'
import type { LiveSearch } from '../core/live-search.ts'
import type { Secret } from '../core/secret.ts'
import type { LeaseGrant, Logger, Receipt } from '../core/types.ts'
import type { Provider } from '../provider/contract.ts'
import type { Sealing } from './credential.ts'
import { pause } from './deadline.ts'
import { Ender, type Ending } from './ender.ts'
import { Flights } from './flights.ts'
import { HeldLeases } from './held-leases.ts'
import { Ledger, type LeaseStore } from './ledger.ts'
import type { BrokerParts } from './parts.ts'
import { recoverRow } from './recover.ts'
import { Schedule } from './schedule.ts'
import { LiveSecrets } from './secrets.ts'
import { cacheKey, reasonError, selects } from './select.ts'
import { unresolvedReceipt } from './unresolved.ts'
import type { Broker, Lease, LeaseAsk, LeaseView, RevokeReason, RevokeSelector } from './types.ts'

export interface BrokerDeps {
  readonly store: LeaseStore
  readonly sealer: Sealing
  /** The provider as it is registered now; undefined when there is none of this name. */
  provider(name: string): Provider | undefined
  readonly audit: Pick<AuditSink, 'append'>
  readonly clock: Clock
  readonly log: Logger
  /** Longest a mint may take, retries included, in milliseconds; read anew for each mint. */
  readonly mintTimeout: number
}

const day = 86_400_000
/** How long finished leases stay in the store, for `jit audit trace`. */
const keepFinished = 7 * day

/** Throws what the store throws when it cannot be read. */
export function createBroker(deps: BrokerDeps): Broker {
  return new LeaseBroker(deps)
}

class LeaseBroker implements Broker {
  readonly #deps: BrokerDeps
  readonly #ledger: Ledger
  readonly #schedule: Schedule
  readonly #secrets: LiveSecrets
  readonly #ender: Ender
  readonly #held: HeldLeases
  readonly #flights: Flights
  readonly #parts: BrokerParts
  #cancelPrune: () => void = () => undefined
  #locked = false
  #closed = false

  constructor(deps: BrokerDeps) {
    const { sealer, audit, clock, log } = deps
    this.#deps = deps
    const ledger = new Ledger(deps)
    const schedule = new Schedule(clock, () => held.expireByWall())
    const secrets = new LiveSecrets(clock, schedule)
    const ender = new Ender({
      ledger,
      schedule,
      audit,
      clock,
      log,
      provider: (name) => deps.provider(name),
      over: (lease, validUntil) => held.over(lease, validUntil),
    })
    const held = new HeldLeases({ ledger, schedule, secrets, ender, clock })
    this.#ledger = ledger
    this.#schedule = schedule
    this.#secrets = secrets
    this.#ender = ender
    this.#held = held
    this.#parts = { ledger, held, ender, secrets, sealer, audit, clock, log }
    this.#flights = new Flights({
      ...this.#parts,
      get mintTimeout() {
        return deps.mintTimeout
      },
      requireOpen: () => this.#requireOpen(),
    })
  }

  cached(ask: LeaseAsk): Lease | undefined {
    this.#requireOpen()
    if (ask.grant.lifetime === 'call') return undefined
    return this.#held.find(cacheKey(ask, this.#provider(ask.grant.provider)))?.take(ask.server, false)
  }

  async acquire(ask: LeaseAsk, signal: AbortSignal): Promise<Lease> {
    this.#requireOpen()
    if (signal.aborted) throw toJitError(signal.reason, 'cancelled')
    const provider = this.#provider(ask.grant.provider)
    const key = ask.grant.lifetime === 'call' ? undefined : cacheKey(ask, provider)
    const found = key === undefined ? undefined : this.#held.find(key)
    if (found !== undefined) return found.take(ask.server, false)
    return this.#flights.board(key, ask, provider, signal)
  }

  release(lease: Lease): void {
    this.#held.release(lease.id)
  }

  retire(lease: Lease): void {
    this.#held.retire(lease.id)
  }

  /** Everything up to the first `await` happens before the promise is returned. */
  async revoke(selector: RevokeSelector, reason: RevokeReason, deadline: number): Promise<Receipt[]> {
    const why = reasonError(reason)
    const flights = this.#flights.matching(selector)
    const held = this.#held.matching(selector)
    // What a call is using right now dies first.
    for (const lease of held) if (lease.users > 0) this.#held.cut(lease, why)
    for (const flight of flights) flight.drop(why)
    if ('all' in selector) this.#ledger.cutLive()
    const rows = this.#ledger.rows.filter((row) => selects(selector, { ...row, servers: [row.server] }))
    for (const lease of held) this.#held.cut(lease, why)
    const known = new Set([...rows.map((row) => row.id), ...held.map((lease) => lease.id), ...flights.map((flight) => flight.lease)])
    this.#entomb([...known])

    const receipts = new Map<string, Receipt>()
    const note = (receipt: Receipt | undefined): void => void (receipt === undefined || receipts.set(receipt.lease, receipt))
    const ending: Ending = { result: reason === 'session' ? 'session ended' : reason, state: 'revoked' }
    const work = [...held.map((lease) => this.#ender.end(lease, ending, 'asked')), ...flights.map((flight) => flight.landed)].map(
      async (one) => note(await one),
    )
    const over = new AbortController()
    await Promise.race([Promise.all(work), pause(this.#deps.clock, deadline, over.signal)])
    over.abort()
    for (const id of known) if (!receipts.has(id)) note(this.#unresolved(id))
    this.#ledger.flush()
    return [...receipts.values()]
  }

  leases(): LeaseView[] {
    return this.#ledger.rows.map(
      ({ id, state, provider, server, tool, session, scope, fingerprint, startedAt, expiresAt, validUntil, error }) => ({
        id,
        state,
        provider,
        server,
        tool,
        session,
        scope,
        fingerprint,
        startedAt,
        expiresAt,
        validUntil,
        inUse: this.#held.get(id)?.users ?? 0,
        error,
      }),
    )
  }

  liveSecrets(): readonly Secret[] {
    return this.#secrets.list
  }

  get secretsVersion(): number {
    return this.#secrets.version
  }

  get search(): LiveSearch {
    return this.#secrets.search
  }

  partition(grant: LeaseGrant): string {
    return this.#provider(grant.provider).partition(grant.scope)
  }

  /** May be called again: after an unseal, what needed the key is resolved. */
  async recover(): Promise<void> {
    const flying = this.#flights.leases
    const deps = { ...this.#parts, provider: (name: string) => this.#deps.provider(name), isLocked: () => this.#locked }
    for (const row of this.#ledger.rows) if (!this.#held.has(row.id) && !flying.has(row.id)) await recoverRow(deps, row)
    this.#ledger.flush()
    this.#prune()
  }

  get locked(): boolean {
    return this.#locked
  }

  set locked(locked: boolean) {
    this.#locked = locked
  }

  async close(deadline: number): Promise<Receipt[]> {
    this.#closed = true
    const receipts = await this.revoke({ all: true }, 'shutdown', deadline)
    this.#flights.stop(reasonError('shutdown'))
    this.#schedule.close()
    this.#ledger.close()
    return receipts
  }

  #requireOpen(): void {
    if (this.#locked) throw new JitError('locked', 'jit is locked')
    if (this.#closed) throw new JitError('daemon.unreachable', 'the daemon is stopping')
  }

  #provider(name: string): Provider {
    const provider = this.#deps.provider(name)
    if (provider === undefined) throw new JitError('provider.login', `provider ${quote(name)} is not registered`)
    return provider
  }

  /** The wish to revoke survives a crash: one transaction for those that are not cut yet. A store that refuses does not stop it. */
  #entomb(ids: readonly string[]): void {
    const live = ids.filter((id) => this.#ledger.get(id)?.state === 'live')
    if (live.length === 0) return
    try {
      this.#ledger.save(live, { state: 'revoking' })
    } catch {
      // The ledger has logged it, remembers it and writes it later.
    }
  }

  /** The receipt of a lease that has none when the deadline comes; undefined when it turned out that nothing was minted. */
  #unresolved(id: string): Receipt | undefined {
    const held = this.#held.get(id)
    if (held !== undefined) return this.#ender.pending(held)
    const row = this.#ledger.get(id)
    return row === undefined ? undefined : unresolvedReceipt(row, this.#deps.clock.now())
  }

  #prune(): void {
    this.#ledger.prune(this.#deps.clock.now() - keepFinished)
    this.#cancelPrune()
    this.#cancelPrune = this.#schedule.after(day, () => this.#prune())
  }
}
