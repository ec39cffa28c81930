import { DatabaseSync, type SQLInputValue, type StatementSync } from 'node:sqlite'
import { checkCompanions, ensurePrivateFile } from './private-file.ts'
import { applicationId, migrations } from './schema.ts'
import { corruptStore, isSystemError, newerStore, storeError } from './store-error.ts'

/** Milliseconds to wait for a lock at open: enough for a daemon that is just ending, short for a second one. */
const lockTimeout = 50

export type Row = Record<string, unknown>
export type Parameters = Record<string, SQLInputValue>

/** The SQLite file: locked for this process alone, checked, brought to the newest version; its errors are JitErrors. */
export class Database {
  readonly file: string
  readonly #connection: DatabaseSync
  readonly #statements = new Map<string, StatementSync>()

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

  atomically<T>(work: () => T): T {
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
