import type { AuditSink } from '../audit/event.ts'
import type { Clock } from '../core/clock.ts'
import { JitError, quote, toJitError } from '../core/errors.ts'
import type { Secret } from '../core/secret.ts'
import type { LeaseGrant, Logger, Receipt } from '../core/types.ts'
import type { Provider } from '../provider/contract.ts'
import type { LeaseRow, Store } from '../store/store.ts'
import type { Sealing } from './credential.ts'
import { pause } from './deadline.ts'
import { Ender, type Ending } from './ender.ts'
import { Flight } from './flight.ts'
import type { HeldLease } from './held-lease.ts'
import { Ledger } from './ledger.ts'
import { mint } from './mint.ts'
import { recoverRow } from './recover.ts'
import { Schedule } from './schedule.ts'
import { LiveSecrets } from './secrets.ts'
import { cacheKey, reasonError, selects } from './select.ts'
import { unresolvedReceipt } from './unresolved.ts'
import type { Broker, Lease, LeaseAsk, LeaseView, RevokeReason, RevokeSelector } from './types.ts'

export interface BrokerDeps {
  readonly store: Pick<Store, 'leases' | 'atomically'>
  readonly sealer: Sealing
  /** The provider as it is registered now; undefined when there is none of this name. */
  provider(name: string): Provider | undefined
  readonly audit: Pick<AuditSink, 'append'>
  readonly clock: Clock
  readonly log: Logger
  /** Longest a mint may take, retries included, in milliseconds. */
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
  /** Every credential that is not known to be dead. */
  readonly #held = new Map<string, HeldLease>()
  /** Live leases that others may share, by cache key. */
  readonly #shared = new Map<string, HeldLease>()
  /** Mints that others may join, by cache key. */
  readonly #joinable = new Map<string, Flight>()
  /** Every mint under way, also those that nobody waits for any more. */
  readonly #flights = new Set<Flight>()
  #cancelPrune: () => void = () => undefined
  #locked = false
  #closed = false

  constructor(deps: BrokerDeps) {
    this.#deps = deps
    this.#ledger = new Ledger(deps)
    this.#schedule = new Schedule(deps.clock, () => this.#expireByWall())
    this.#secrets = new LiveSecrets(deps.clock, this.#schedule)
    this.#ender = new Ender({
      ledger: this.#ledger,
      schedule: this.#schedule,
      audit: deps.audit,
      clock: deps.clock,
      log: deps.log,
      provider: (name) => deps.provider(name),
      over: (held, validUntil) => this.#over(held, validUntil),
    })
  }

  cached(ask: LeaseAsk): Lease | undefined {
    this.#requireOpen()
    if (ask.grant.lifetime === 'call') return undefined
    return this.#find(cacheKey(ask, this.#provider(ask.grant.provider)))?.take(ask.server, false)
  }

  async acquire(ask: LeaseAsk, signal: AbortSignal): Promise<Lease> {
    this.#requireOpen()
    if (signal.aborted) throw toJitError(signal.reason, 'cancelled')
    const provider = this.#provider(ask.grant.provider)
    const key = ask.grant.lifetime === 'call' ? undefined : cacheKey(ask, provider)
    const found = key === undefined ? undefined : this.#find(key)
    if (found !== undefined) return found.take(ask.server, false)
    return new Promise((resolve, reject) => {
      const underWay = key === undefined ? undefined : this.#joinable.get(key)
      if (underWay !== undefined) return underWay.join(ask, signal, resolve, reject)
      const flight = new Flight(key, ask, this.#deps.clock, () => this.#unlist(flight))
      flight.join(ask, signal, resolve, reject)
      this.#fly(flight, provider)
    })
  }

  release(lease: Lease): void {
    const held = this.#held.get(lease.id)
    if (held === undefined) return
    held.users = Math.max(0, held.users - 1)
    if (held.lifetime !== 'call' || held.users > 0 || held.isCut) return
    this.#end(held, new JitError('lease.expired', `lease ${lease.id} ended with its call`), { result: 'call ended', state: 'revoked' })
  }

  /** Everything up to the first `await` happens before the promise is returned. */
  async revoke(selector: RevokeSelector, reason: RevokeReason, deadline: number): Promise<Receipt[]> {
    const why = reasonError(reason)
    const held = [...this.#held.values()].filter((lease) =>
      selects(selector, { id: lease.id, provider: lease.row.provider, session: lease.row.session, servers: lease.servers }),
    )
    const flights = [...this.#flights].filter((flight) => selects(selector, flight.view))
    const rows = this.#ledger.rows.filter((row) => selects(selector, { ...row, servers: [row.server] }))
    for (const lease of held) this.#cut(lease, why)
    for (const flight of flights) flight.drop(why)
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

  partition(grant: LeaseGrant): string {
    return this.#provider(grant.provider).partition(grant.scope)
  }

  /** May be called again: after an unseal, what needed the key is resolved. */
  async recover(): Promise<void> {
    const flying = new Set(Array.from(this.#flights, (flight) => flight.lease))
    for (const row of this.#ledger.rows) {
      if (this.#held.has(row.id) || flying.has(row.id)) continue
      await recoverRow(
        {
          ...this.#deps,
          provider: (name) => this.#deps.provider(name),
          ledger: this.#ledger,
          ender: this.#ender,
          secrets: this.#secrets,
          isLocked: () => this.#locked,
          isHeld: (id) => this.#held.has(id),
          hold: (held) => this.#held.set(held.id, held),
          keep: (held) => this.#expireInTime(held),
          report: (lost) => this.#report(lost),
        },
        row,
      )
    }
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
    for (const flight of this.#flights) flight.stop(reasonError('shutdown'))
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

  /** The live lease of this key. Both clocks are asked: whichever ends it first. */
  #find(key: string): HeldLease | undefined {
    const held = this.#shared.get(key)
    if (held === undefined) return undefined
    const { clock } = this.#deps
    if (clock.monotonic() < held.endsAt && clock.now() < held.row.expiresAt) return held
    this.#expire(held)
    return undefined
  }

  #fly(flight: Flight, provider: Provider): void {
    this.#flights.add(flight)
    if (flight.key !== undefined) this.#joinable.set(flight.key, flight)
    const deps = {
      ...this.#deps,
      ledger: this.#ledger,
      ender: this.#ender,
      secrets: this.#secrets,
      requireOpen: () => this.#requireOpen(),
      hold: (held: HeldLease) => this.#held.set(held.id, held),
      report: (row: LeaseRow) => this.#report(row),
    }
    const result = mint(deps, flight, provider, (held) => this.#land(flight, held))
    flight.landed = result.then(
      (end) => {
        this.#flights.delete(flight)
        this.#unlist(flight)
        if (end.kind === 'live') return undefined
        flight.fail(end.error)
        return end.ended
      },
      (error: unknown) => {
        this.#flights.delete(flight)
        this.#unlist(flight)
        flight.fail(toJitError(error))
        return undefined
      },
    )
  }

  #land(flight: Flight, held: HeldLease): void {
    this.#flights.delete(flight)
    this.#unlist(flight)
    if (held.key !== undefined) this.#shared.set(held.key, held)
    this.#expireInTime(held)
    flight.land(held)
  }

  #unlist(flight: Flight): void {
    if (flight.key !== undefined && this.#joinable.get(flight.key) === flight) this.#joinable.delete(flight.key)
  }

  #expireInTime(held: HeldLease): void {
    held.cancelExpiry = this.#schedule.at(held.endsAt, () => this.#expire(held))
  }

  #expireByWall(): void {
    const now = this.#deps.clock.now()
    for (const held of this.#held.values()) if (!held.isCut && held.row.expiresAt <= now) this.#expire(held)
  }

  #expire(held: HeldLease): void {
    this.#end(held, new JitError('lease.expired', `lease ${held.id} expired`), { result: 'expired', state: 'expired' })
  }

  #end(held: HeldLease, reason: JitError, ending: Ending): void {
    this.#cut(held, reason)
    void this.#ender.end(held, ending)
  }

  #cut(held: HeldLease, reason: JitError): void {
    if (held.key !== undefined && this.#shared.get(held.key) === held) this.#shared.delete(held.key)
    if (!held.isCut) held.cut(reason)
  }

  #over(held: HeldLease, validUntil: number): void {
    this.#held.delete(held.id)
    this.#secrets.forget(held.credential, validUntil)
  }

  /** The wish to revoke survives a crash: one transaction for all. A store that refuses does not stop it. */
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

  /** Shown until the longest that it can live. */
  #report({ id, validUntil }: LeaseRow): void {
    this.#schedule.after(validUntil - this.#deps.clock.now(), () => {
      const state = this.#ledger.get(id)?.state
      if (state === 'lost' || state === 'irrevocable') this.#ledger.note(id, { state: 'expired', sealed: '' })
      const held = this.#held.get(id)
      // Still sealed: nobody could revoke it, and by now nobody has to.
      if (held === undefined && (state === 'live' || state === 'revoking')) this.#ledger.note(id, { state: 'expired', sealed: '' })
      if (held !== undefined && state === 'irrevocable') this.#over(held, 0)
    })
  }

  #prune(): void {
    this.#ledger.prune(this.#deps.clock.now() - keepFinished)
    this.#cancelPrune()
    this.#cancelPrune = this.#schedule.after(day, () => this.#prune())
  }
}
