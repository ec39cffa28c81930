import { JitError } from '../../src/core/errors.ts'
import type { ChildRow, LeaseRow, LeaseState, Store, TokenRow } from '../../src/store/store.ts'

const finished: ReadonlySet<LeaseState> = new Set(['revoked', 'expired', 'failed', 'irrevocable', 'lost'])

/** What a Store remembers, as SQLite would, with the faults of a disk on demand. It outlives the broker that used it. */
export class MemoryStore implements Store {
  readonly rows = new Map<string, LeaseRow>()
  /** Writes that a disk would have synced: one for each statement outside, one for each transaction. */
  durableWrites = 0
  flushes = 0
  #fails: (operation: string) => boolean = () => false
  #inTransaction = false
  /** How to take back what the transaction under way has written to `leases`. */
  readonly #undo: (() => void)[] = []
  readonly #meta = new Map<string, string>()
  readonly #secrets = new Map<string, string>()
  readonly #children = new Map<number, ChildRow>()
  readonly #tokens = new Map<string, TokenRow>()

  /** Throws `store.unavailable` from the operations that `which` names (`insert`, `update`, `read`, …); all by default. */
  fail(which: (operation: string) => boolean = () => true): void {
    this.#fails = which
  }

  heal(): void {
    this.#fails = () => false
  }

  readonly leases: Store['leases'] = {
    insert: (row) =>
      this.#write('insert', () => {
        if (this.rows.has(row.id)) throw new JitError('store.unavailable', `UNIQUE constraint failed: ${row.id}`)
        this.rows.set(row.id, structuredClone(row))
        this.#undo.push(() => this.rows.delete(row.id))
      }),
    update: (id, change) =>
      this.#write('update', () => {
        const row = this.rows.get(id)
        if (row === undefined) throw new JitError('not-found', `the store has no lease ${id}`)
        this.rows.set(id, { ...row, ...structuredClone(change) })
        this.#undo.push(() => this.rows.set(id, row))
      }),
    cutLive: () =>
      this.#write('cut', () => {
        for (const row of this.rows.values()) {
          if (row.state !== 'live') continue
          this.rows.set(row.id, { ...row, state: 'revoking' })
          this.#undo.push(() => this.rows.set(row.id, row))
        }
      }),
    settleCut: () => this.#write('settle', () => undefined),
    get: (id) => this.#read(() => this.rows.get(id)),
    inState: (states) =>
      this.#read(() =>
        [...this.rows.values()].filter((row) => states.includes(row.state)).sort((one, other) => one.startedAt - other.startedAt),
      ),
    byHash: (hash) =>
      this.#read(() => (hash === '' ? [] : [...this.rows.values()].filter((row) => row.upstreamHash === hash || row.fingerprint === hash))),
    prune: (time) =>
      this.#write('prune', () => {
        for (const row of this.rows.values()) {
          if (finished.has(row.state) && Math.max(row.startedAt, row.mintedAt, row.validUntil) < time) this.rows.delete(row.id)
        }
      }),
  }

  readonly meta: Store['meta'] = {
    get: (key) => this.#read(() => this.#meta.get(key)),
    set: (key, value) => this.#write('meta', () => void this.#meta.set(key, value)),
    delete: (key) => this.#write('meta', () => void this.#meta.delete(key)),
  }

  readonly secrets: Store['secrets'] = {
    get: (name) => this.#read(() => this.#secrets.get(name)),
    set: (name, sealed) => this.#write('secrets', () => void this.#secrets.set(name, sealed)),
    delete: (name) => this.#write('secrets', () => void this.#secrets.delete(name)),
    names: () => this.#read(() => [...this.#secrets.keys()].sort()),
  }

  readonly children: Store['children'] = {
    add: (row) => this.#write('children', () => void this.#children.set(row.pid, row)),
    remove: (pid) => this.#write('children', () => void this.#children.delete(pid)),
    all: () => this.#read(() => [...this.#children.values()]),
  }

  readonly tokens: Store['tokens'] = {
    add: (row) =>
      this.#write('tokens', () => {
        const taken = [...this.#tokens.values()].some(({ name, hash }) => name === row.name || hash === row.hash)
        if (taken) throw new JitError('conflict', `there is a token ${row.name}`)
        this.#tokens.set(row.name, structuredClone(row))
      }),
    remove: (name) => {
      let was = false
      this.#write('tokens', () => void (was = this.#tokens.delete(name)))
      return was
    },
    all: () => this.#read(() => [...this.#tokens.values()].sort((one, other) => (one.name < other.name ? -1 : 1))),
  }

  atomically<T>(work: () => T): T {
    if (this.#inTransaction) throw new JitError('internal', 'atomically() is not reentrant')
    this.#inTransaction = true
    try {
      const result = work()
      this.#refuse('commit')
      this.durableWrites += 1
      return result
    } catch (error) {
      for (const undo of this.#undo.reverse()) undo()
      throw error
    } finally {
      this.#undo.length = 0
      this.#inTransaction = false
    }
  }

  async settle(): Promise<void> {
    this.#refuse('sync')
  }

  flush(): void {
    this.#refuse('flush')
    this.flushes += 1
  }

  close(): void {
    this.fail()
  }

  #write(operation: string, work: () => void): void {
    this.#refuse(operation)
    work()
    if (this.#inTransaction) return
    this.#undo.length = 0
    this.durableWrites += 1
  }

  #read<T>(work: () => T): T {
    this.#refuse('read')
    return structuredClone(work())
  }

  #refuse(operation: string): void {
    if (this.#fails(operation)) throw new JitError('store.unavailable', `the test made the store refuse: ${operation}`)
  }
}
