import { closeSync, constants, fdatasync } from 'node:fs'
import { promisify } from 'node:util'
import { DatabaseSync, type SQLInputValue, type StatementSync } from 'node:sqlite'
import { openRegular } from '../core/regular-file.ts'
import { checkCompanions, ensurePrivateFile } from './private-file.ts'
import { applicationId, migrations } from './schema.ts'
import { corruptStore, isSystemError, newerStore, storeError } from './store-error.ts'
import type { Survives } from './store.ts'

const sync = promisify(fdatasync)

/** Milliseconds to wait for a lock at open: enough for a daemon that is just ending, short for a second one. */
const lockTimeout = 50

export type Row = Record<string, unknown>
export type Parameters = Record<string, SQLInputValue>

/** The SQLite file: locked for this process alone, checked, brought to the newest version; its errors are JitErrors. */
export class Database {
  readonly file: string
  readonly #connection: DatabaseSync
  readonly #statements = new Map<string, StatementSync>()
  /** The write-ahead log, for `settle`. */
  #log: number | undefined
  #settling: Promise<void> | undefined
  #settleAgain: Promise<void> | undefined

  constructor(file: string) {
    this.file = file
    this.#connection = this.#guard(() => {
      ensurePrivateFile(file)
      checkCompanions(file)
      return new DatabaseSync(file, { timeout: lockTimeout, allowExtension: false })
    })
    try {
      this.#guard(() => this.#prepareFile())
    } catch (error) {
      this.#connection.close()
      throw error
    }
  }

  run(sql: string, parameters: Parameters = {}): number {
    return this.#guard(() => Number(this.#statement(sql).run(parameters).changes))
  }

  first(sql: string, parameters: Parameters = {}): Row | undefined {
    return this.#guard(() => this.#statement(sql).get(parameters))
  }

  all(sql: string, parameters: Parameters = {}): Row[] {
    return this.#guard(() => this.#statement(sql).all(parameters))
  }

  atomically<T>(work: () => T, survives: Survives = 'power'): T {
    if (survives === 'power') return this.#transaction(work)
    this.#guard(() => this.#connection.exec('PRAGMA synchronous=NORMAL'))
    try {
      return this.#transaction(work)
    } finally {
      this.#guard(() => this.#connection.exec('PRAGMA synchronous=FULL'))
    }
  }

  /** Whoever comes while the disk settles waits for the next time: what it wrote may have come too late for this one. */
  settle(): Promise<void> {
    if (this.#settling === undefined) {
      this.#settling = this.#syncLog().finally(() => (this.#settling = undefined))
      return this.#settling
    }
    this.#settleAgain ??= this.#settling
      .catch(() => undefined)
      .then(() => {
        this.#settleAgain = undefined
        return this.settle()
      })
    return this.#settleAgain
  }

  #transaction<T>(work: () => T): T {
    return this.#guard(() => {
      this.#connection.exec('BEGIN IMMEDIATE')
      try {
        const result = work()
        this.#connection.exec('COMMIT')
        return result
      } catch (error) {
        if (this.#connection.isTransaction) this.#connection.exec('ROLLBACK')
        throw error
      }
    })
  }

  flush(): void {
    this.#guard(() => this.#connection.exec('PRAGMA wal_checkpoint(TRUNCATE)'))
  }

  close(): void {
    if (this.#connection.isOpen) this.#connection.close()
    const log = this.#log
    this.#log = undefined
    // Its number must not become another file's while the system still syncs it.
    if (log !== undefined) void (this.#settling ?? Promise.resolve()).catch(() => undefined).then(() => closeSync(log))
  }

  /** SQLite keeps one write-ahead log from the first transaction to `close`, and what is in it is all that was not synced. */
  async #syncLog(): Promise<void> {
    // To close it has made all durable; another log by that name is another's.
    if (!this.#connection.isOpen) return
    try {
      this.#log ??= openRegular(`${this.file}-wal`, constants.O_RDONLY)
      await sync(this.#log)
    } catch (error) {
      throw storeError(error, this.file)
    }
  }

  /**
   * The lock comes first: with locking_mode=EXCLUSIVE it is kept until the connection or the process ends, by kill -9
   * too. Nothing is written before quick_check has read the whole file.
   */
  #prepareFile(): void {
    const connection = this.#connection
    connection.exec('PRAGMA locking_mode=EXCLUSIVE; BEGIN EXCLUSIVE; COMMIT')
    const damage = this.#pragma('quick_check')
    if (damage !== 'ok') throw corruptStore(this.file, String(damage))
    const version = this.#version()
    connection.exec(
      'PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA secure_delete=ON; PRAGMA foreign_keys=ON; PRAGMA trusted_schema=OFF',
    )
    // A rollback journal's lock does not carry over into WAL mode: the first transaction there takes it again.
    connection.exec('BEGIN EXCLUSIVE; COMMIT')
    for (const [index, migration] of migrations.entries()) {
      if (index < version) continue
      this.atomically(() => connection.exec(`${migration}; PRAGMA user_version=${index + 1}; PRAGMA application_id=${applicationId}`))
    }
  }

  #version(): number {
    const version = Number(this.#pragma('user_version'))
    const tables = Number(Object.values(this.#connection.prepare('SELECT count(*) FROM sqlite_schema').get() ?? {})[0])
    if (Number(this.#pragma('application_id')) !== applicationId && (version !== 0 || tables !== 0))
      throw corruptStore(this.file, 'it is the database of another program')
    if (version > migrations.length) throw newerStore(this.file, version)
    return version
  }

  #pragma(name: string): unknown {
    return Object.values(this.#connection.prepare(`PRAGMA ${name}`).get() ?? {})[0]
  }

  #statement(sql: string): StatementSync {
    const known = this.#statements.get(sql)
    if (known) return known
    const statement = this.#connection.prepare(sql)
    this.#statements.set(sql, statement)
    return statement
  }

  #guard<T>(work: () => T): T {
    try {
      return work()
    } catch (error) {
      throw isSystemError(error) ? storeError(error, this.file) : error
    }
  }
}
