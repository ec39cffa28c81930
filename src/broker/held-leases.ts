import type { Clock } from '../core/clock.ts'
import { JitError } from '../core/errors.ts'
import type { LeaseRow } from '../store/store.ts'
import type { Ender, Ending } from './ender.ts'
import type { HeldLease } from './held-lease.ts'
import type { Ledger } from './ledger.ts'
import type { Schedule } from './schedule.ts'
import type { LiveSecrets } from './secrets.ts'
import { selects } from './select.ts'
import type { RevokeSelector } from './types.ts'

export interface HeldLeasesDeps {
  readonly ledger: Ledger
  readonly schedule: Schedule
  readonly secrets: LiveSecrets
  readonly ender: Ender
  readonly clock: Clock
}

/** Every credential that is not known to be dead: who may share it, when it expires, and that it is cut before it is ended. */
export class HeldLeases {
  readonly #deps: HeldLeasesDeps
  readonly #held = new Map<string, HeldLease>()
  /** Live leases that others may share, by cache key. */
  readonly #shared = new Map<string, HeldLease>()

  constructor(deps: HeldLeasesDeps) {
    this.#deps = deps
  }

  get(id: string): HeldLease | undefined {
    return this.#held.get(id)
  }

  has(id: string): boolean {
    return this.#held.has(id)
  }

  matching(selector: RevokeSelector): HeldLease[] {
    return [...this.#held.values()].filter((held) => selects(selector, held.view))
  }

  /** The live lease of this key. Both clocks are asked: whichever ends it first. */
  find(key: string): HeldLease | undefined {
    const held = this.#shared.get(key)
    if (held === undefined) return undefined
    const { clock } = this.#deps
    if (clock.monotonic() < held.endsAt && clock.now() < held.row.expiresAt) return held
    this.#expire(held)
    return undefined
  }

  /** A credential exists: it is listed until it is dead. */
  hold(held: HeldLease): void {
    this.#held.set(held.id, held)
  }

  /** It may be used, and shared by those who know its key, until its time is over. */
  keep(held: HeldLease): void {
    if (held.key !== undefined) this.#shared.set(held.key, held)
    held.cancelExpiry = this.#deps.schedule.at(held.endsAt, () => this.#expire(held))
  }

  /** A call gives it back; with its last user ends what was minted for one call. */
  release(id: string): void {
    const held = this.#held.get(id)
    if (held === undefined) return
    held.users = Math.max(0, held.users - 1)
    if ((held.lifetime !== 'call' && !held.isRetired) || held.users > 0 || held.isCut) return
    this.#end(held, new JitError('lease.expired', `lease ${id} ended with its call`), { result: 'call ended', state: 'revoked' })
  }

  /** Those who have it keep it; it is shared with nobody else, and ends with the last of them. */
  retire(id: string): void {
    const held = this.#held.get(id)
    if (held === undefined) return
    held.isRetired = true
    if (held.key !== undefined && this.#shared.get(held.key) === held) this.#shared.delete(held.key)
  }

  /** Nobody finds it and no request gets it from here on. It is held until its end is known. */
  cut(held: HeldLease, reason: JitError): void {
    if (held.key !== undefined && this.#shared.get(held.key) === held) this.#shared.delete(held.key)
    if (!held.isCut) held.cut(reason)
  }

  /** The credential is dead, or nothing more can be done about it before `validUntil` (ms since 1970; 0: dead). */
  over(held: HeldLease, validUntil: number): void {
    this.#held.delete(held.id)
    this.#deps.secrets.forget(held.credential, validUntil)
  }

  /** A lease that nobody here can end is shown until the longest that it can live. */
  report({ id, validUntil }: LeaseRow): void {
    const { clock, ledger, schedule } = this.#deps
    schedule.after(validUntil - clock.now(), () => {
      const state = ledger.get(id)?.state
      if (state === 'lost' || state === 'irrevocable') ledger.note(id, { state: 'expired', sealed: '' })
      const held = this.#held.get(id)
      // Still sealed: nobody could revoke it, and by now nobody has to.
      if (held === undefined && (state === 'live' || state === 'revoking')) ledger.note(id, { state: 'expired', sealed: '' })
      if (held !== undefined && state === 'irrevocable') this.over(held, 0)
    })
  }

  /** Ends what is over by the wall clock alone, after a sleep of the machine. */
  expireByWall(): void {
    const now = this.#deps.clock.now()
    for (const held of this.#held.values()) if (!held.isCut && held.row.expiresAt <= now) this.#expire(held)
  }

  #expire(held: HeldLease): void {
    this.#end(held, new JitError('lease.expired', `lease ${held.id} expired`), { result: 'expired', state: 'expired' })
  }

  #end(held: HeldLease, reason: JitError, ending: Ending): void {
    this.cut(held, reason)
    void this.#deps.ender.end(held, ending)
  }
}
