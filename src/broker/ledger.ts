import type { Clock } from '../core/clock.ts'
import { type JitError, toJitError } from '../core/errors.ts'
import type { Logger } from '../core/types.ts'
import type { LeaseRow, LeaseState, Store } from '../store/store.ts'

/** What leases need of the store. */
export type LeaseStore = Pick<Store, 'leases' | 'atomically' | 'settle' | 'flush'>
export type RowChange = Partial<Omit<LeaseRow, 'id'>>

/** States in which a credential may be alive upstream or may become so: what `jit leases` and `jit status` show. */
const unfinished = ['minting', 'live', 'revoking', 'irrevocable', 'lost'] as const satisfies readonly LeaseState[]
/** How long a change that may be lost by a crash waits for others to be written with it. */
const saveWithin = 200
/** How often a store that refuses is tried again. */
const retryEvery = 1000

/**
 * The unfinished leases, in memory and in the store. What must survive a crash is written before the method returns
 * (`insert`, `save`, `saveSoon`); what a restart finds out by itself (a credential that died meanwhile) is written soon (`note`).
 * A store that refuses loses nothing: memory goes on, and the store is brought up to date when it works again.
 */
export class Ledger {
  readonly #store: LeaseStore
  readonly #clock: Clock
  readonly #log: Logger
  readonly #rows = new Map<string, LeaseRow>()
  readonly #unsaved = new Map<string, RowChange>()
  #cancelSave: (() => void) | undefined
  #refused = false
  /** Set while the store knows of a cut of all leases that does not stand in their rows yet. */
  #cut = false
  #closed = false

  constructor(deps: { readonly store: LeaseStore; readonly clock: Clock; readonly log: Logger }) {
    this.#store = deps.store
    this.#clock = deps.clock
    this.#log = deps.log
    this.#settleLastCut()
    for (const row of deps.store.leases.inState(unfinished)) this.#rows.set(row.id, row)
  }

  /** Unfinished rows, oldest first. */
  get rows(): LeaseRow[] {
    return [...this.#rows.values()].sort((one, other) => one.startedAt - other.startedAt)
  }

  get(id: string): LeaseRow | undefined {
    return this.#rows.get(id)
  }

  /** Durable when it returns. Throws `store.unavailable`; then the row does not exist. */
  insert(row: LeaseRow): void {
    this.#store.leases.insert(row)
    this.#rows.set(row.id, row)
  }

  /** Durable when it returns, all in one transaction. Throws `store.unavailable`; memory holds the change all the same. */
  save(ids: readonly string[], change: RowChange): void {
    for (const id of ids) this.#remember(id, change)
    this.#write()
  }

  /**
   * As `save`, for a row whose earlier state says enough after a power cut: when it returns the change outlives this process, and
   * a power cut as soon as the disk has it.
   */
  saveSoon(id: string, change: RowChange): void {
    this.#remember(id, change)
    const all = this.#unsaved.get(id) ?? change
    try {
      this.#store.atomically(() => this.#store.leases.update(id, all), 'process')
    } catch {
      return this.#write()
    }
    this.#unsaved.delete(id)
    this.#store.settle().catch((error: unknown) => this.#writeAgain(id, toJitError(error, 'store.unavailable')))
  }

  /**
   * All that is live is `revoking`, durable when it returns: one small write, whatever their number. A store that refuses
   * does not stop it; it is written to later.
   */
  cutLive(): void {
    const live = [...this.#rows.values()].filter((row) => row.state === 'live')
    if (live.length === 0) return
    try {
      this.#store.leases.cutLive()
      this.#cut = true
      for (const row of live) this.#rows.set(row.id, { ...row, state: 'revoking' })
      this.#saveAfter(saveWithin)
    } catch (error) {
      this.#log.error('cut of all leases not stored', { count: live.length, error: toJitError(error, 'store.unavailable').message })
      for (const row of live) this.#remember(row.id, { state: 'revoking' })
      this.#saveAfter(retryEvery)
    }
  }

  /** Durable soon. */
  note(id: string, change: RowChange): void {
    this.#remember(id, change)
    this.#saveAfter(saveWithin)
  }

  /** Writes what is not written yet; logs what the store refuses. */
  flush(): void {
    try {
      this.#write()
    } catch {
      // #write has logged it and tries again.
    }
  }

  /** Removes finished rows that ended before `time`. */
  prune(time: number): void {
    try {
      this.#store.leases.prune(time)
    } catch (error) {
      this.#log.warn('old leases not pruned', { error: toJitError(error).message })
    }
  }

  close(): void {
    this.flush()
    this.#closed = true
    this.#cancelSave?.()
  }

  /** One that the last process had no time for. The rows read right without it. */
  #settleLastCut(): void {
    try {
      this.#store.atomically(() => this.#store.leases.settleCut())
    } catch (error) {
      this.#log.warn('cut of all leases not settled', { error: toJitError(error).message })
      this.#cut = true
    }
  }

  #remember(id: string, change: RowChange): void {
    const row = this.#rows.get(id)
    if (row !== undefined) {
      const next = { ...row, ...change }
      if (isUnfinished(next.state)) this.#rows.set(id, next)
      else this.#rows.delete(id)
    }
    this.#unsaved.set(id, { ...this.#unsaved.get(id), ...change })
  }

  #write(): void {
    this.#cancelSave?.()
    this.#cancelSave = undefined
    if (this.#unsaved.size === 0 && !this.#cut) return
    const changes = [...this.#unsaved]
    try {
      this.#store.atomically(() => {
        for (const [id, change] of changes) this.#store.leases.update(id, change)
        if (this.#cut) this.#store.leases.settleCut()
      })
    } catch (error) {
      const failure = toJitError(error, 'store.unavailable')
      if (failure.code === 'not-found') return this.#writeOneByOne(changes)
      if (!this.#refused) this.#log.error('lease states not stored', { count: changes.length, error: failure.message })
      this.#refused = true
      this.#saveAfter(retryEvery)
      throw failure
    }
    this.#refused = false
    this.#cut = false
    this.#unsaved.clear()
  }

  /** What a disk failed to sync it may never write, and what follows in the log is behind a hole then: all of it goes into the file. */
  #writeAgain(id: string, error: JitError): void {
    this.#log.error('a lease is not durable yet', { lease: id, error: error.message })
    try {
      return this.#store.flush()
    } catch (failure) {
      this.#log.error('the log of the store cannot be emptied', { error: toJitError(failure, 'store.unavailable').message })
    }
    const row = this.#rows.get(id)
    if (row === undefined) return
    const { id: _, ...state } = row
    this.note(id, state)
  }

  /** A row that somebody removed from the store must not keep the others from being written. */
  #writeOneByOne(changes: readonly (readonly [string, RowChange])[]): void {
    for (const [id, change] of changes) {
      try {
        this.#store.leases.update(id, change)
      } catch (error) {
        const failure = toJitError(error, 'store.unavailable')
        if (failure.code !== 'not-found') {
          this.#saveAfter(retryEvery)
          throw failure
        }
        this.#log.error('the store has lost a lease', { lease: id })
      }
      this.#unsaved.delete(id)
    }
  }

  #saveAfter(delay: number): void {
    if (!this.#closed) this.#cancelSave ??= this.#clock.after(delay, () => this.flush())
  }
}

function isUnfinished(state: LeaseState): boolean {
  return unfinished.some((known) => known === state)
}
