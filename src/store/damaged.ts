import { closeSync, copyFileSync, existsSync, openSync, readSync, rmSync, statSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import type { Row } from './database.ts'
import { openStore } from './sqlite.ts'

/** The tables and the columns that tell their rows apart. */
const keys = { meta: 'key', secrets: 'name', leases: 'number', children: 'pid', tokens: 'name' } as const
export type TableName = keyof typeof keys

export interface DamagedTable {
  readonly rows: readonly Row[]
  /** SQLite finds nothing wrong with it. What stands in its rows may be damaged all the same: SQLite has no checksums. */
  readonly whole: boolean
}

export interface DamagedStore {
  readonly tables: Readonly<Record<TableName, DamagedTable>>
  /** Leases that the indices name and whose rows cannot be read. */
  readonly lostLeases: readonly { readonly id: string; readonly state: string }[]
}

const companions = ['-wal', '-journal'] as const
/** A damaged tree may show its rows again and again. */
const mostRows = 1_000_000

/**
 * What can still be read of the store in `file`, row by row. `scratch` is an empty folder for copies: SQLite writes into what
 * it opens, and the file is to stay as it is. Throws what the file system throws.
 */
export function readDamaged(file: string, scratch: string): DamagedStore {
  const copy = join(scratch, 'copy.db')
  copyFileSync(file, copy)
  for (const suffix of companions) if (existsSync(file + suffix)) copyFileSync(file + suffix, copy + suffix)
  const asItIs = readCopy(copy)
  if (asItIs !== undefined) return asItIs
  for (const suffix of [...companions, '-shm']) rmSync(copy + suffix, { force: true })
  copyFileSync(file, copy)
  graftFirstPage(copy, join(scratch, 'fresh.db'))
  return readCopy(copy) ?? nothing
}

const none: DamagedTable = { rows: [], whole: false }
const nothing: DamagedStore = { tables: { meta: none, secrets: none, leases: none, children: none, tokens: none }, lostLeases: [] }

/** Undefined when not even the names of its tables can be read. */
function readCopy(copy: string): DamagedStore | undefined {
  let database: DatabaseSync | undefined
  try {
    const opened = new DatabaseSync(copy, { allowExtension: false })
    database = opened
    // With writable_schema a file that was cut short is read as far as it goes.
    opened.exec('PRAGMA writable_schema=ON; PRAGMA trusted_schema=OFF; PRAGMA cell_size_check=ON')
    const known = opened.prepare("SELECT name FROM sqlite_schema WHERE type = 'table'").all()
    if (!known.some((row) => row['name'] === 'meta' || row['name'] === 'leases')) return undefined
    const read = (name: TableName): DamagedTable => readTable(opened, name)
    const tables = {
      meta: read('meta'),
      secrets: read('secrets'),
      leases: readLeases(opened),
      children: read('children'),
      tokens: read('tokens'),
    }
    return { tables, lostLeases: lostLeases(opened, tables.leases.rows) }
  } catch {
    return undefined
  } finally {
    database?.close()
  }
}

/** From both ends: what a damaged page hides from one side is often seen from the other. */
function readTable(database: DatabaseSync, name: TableName): DamagedTable {
  const key = keys[name]
  const found = new Map<unknown, Row>()
  let whole = isWhole(database, name)
  for (const order of ['ASC', 'DESC']) {
    const rows = attempt(() => database.prepare(`SELECT * FROM ${name} ORDER BY ${key} ${order}`).iterate())
    const read = rows !== undefined && drain(rows, (row) => found.set(row[key], row).size < mostRows)
    whole &&= read
  }
  return { rows: [...found.values()], whole }
}

/** Row by row too, by the numbers that an index has: one bad page must not hide the leases behind it. */
function readLeases(database: DatabaseSync): DamagedTable {
  const { rows, whole } = readTable(database, 'leases')
  const found = new Map(rows.map((row) => [row['number'], row]))
  for (const number of indexed(database).keys()) {
    if (found.has(number)) continue
    const row = attempt(() => database.prepare('SELECT * FROM leases WHERE number = :number').get({ number }))
    if (row !== undefined) found.set(number, row)
  }
  return { rows: [...found.values()], whole }
}

function lostLeases(database: DatabaseSync, rows: readonly Row[]): { id: string; state: string }[] {
  const read = new Set(rows.map((row) => row['number']))
  return Array.from(indexed(database), ([number, lease]) => ({ number, ...lease }))
    .filter(({ number }) => !read.has(number))
    .map(({ id, state }) => ({ id, state }))
}

/** Number, id and state of every lease, as far as the indices can be read. */
function indexed(database: DatabaseSync): Map<number, { id: string; state: string }> {
  const found = new Map<number, { id: string; state: string }>()
  const note = (row: Row): boolean => {
    const { number, id, state } = row
    if (typeof number !== 'number') return true
    const before = found.get(number) ?? { id: 'unknown', state: 'unknown' }
    found.set(number, { id: typeof id === 'string' ? id : before.id, state: typeof state === 'string' ? state : before.state })
    return found.size < mostRows
  }
  for (const [column, index] of [
    ['id', 'sqlite_autoindex_leases_1'],
    ['state', 'leasesByState'],
  ]) {
    const rows = attempt(() => database.prepare(`SELECT number, ${column} FROM leases INDEXED BY ${index} ORDER BY ${column}`).iterate())
    if (rows !== undefined) drain(rows, note)
  }
  return found
}

function isWhole(database: DatabaseSync, name: string): boolean {
  const said = attempt(() => database.prepare(`PRAGMA integrity_check(${name})`).get())
  return said !== undefined && Object.values(said)[0] === 'ok'
}

/** False when it ended before its end. `take` answers false to stop. */
function drain(rows: Iterable<Row>, take: (row: Row) => boolean): boolean {
  try {
    for (const row of rows) if (!take(row)) return false
    return true
  } catch {
    return false
  }
}

function attempt<T>(work: () => T): T | undefined {
  try {
    return work()
  } catch {
    return undefined
  }
}

/** The first page says where the tables begin: every store of this version has the same, and only its length is its own. */
function graftFirstPage(copy: string, fresh: string): void {
  openStore(fresh).close()
  const page = Buffer.alloc(4096)
  const from = openSync(fresh, 'r')
  readSync(from, page, 0, page.length, 0)
  closeSync(from)
  const pages = Math.max(1, Math.ceil(statSync(copy).size / page.length))
  page.writeUInt32BE(pages, 28)
  const to = openSync(copy, 'r+')
  writeSync(to, page, 0, page.length, 0)
  closeSync(to)
}
