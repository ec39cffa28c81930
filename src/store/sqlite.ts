import { chmodSync } from 'node:fs'
import { DatabaseSync } from 'node:sqlite'
import { JitError } from '../core/errors.ts'
import type { ChildRow, LeaseRow, LeaseState, Store } from './store.ts'

const schema = `
create table if not exists meta (key text primary key, value text not null) strict;
create table if not exists secrets (name text primary key, sealed text not null) strict;
create table if not exists leases (
  id text primary key, state text not null, started_at integer not null,
  fingerprint text not null, upstream_hash text not null, body text not null
) strict;
create index if not exists leases_by_state on leases (state, started_at);
create table if not exists children (pid integer primary key, body text not null) strict;
`

/** The store on SQLite, held by one process: a second opener gets `daemon.running`, a kill -9 releases it. */
export function openStore(file: string): Store {
  const database = guarded(file, () => open(file))
  const run = <T>(work: () => T): T => guarded(file, work)
  const statement = (sql: string) => run(() => database.prepare(sql))
  const sql = {
    getMeta: statement('select value from meta where key = ?'),
    setMeta: statement('insert into meta values (?, ?) on conflict (key) do update set value = excluded.value'),
    deleteMeta: statement('delete from meta where key = ?'),
    getSecret: statement('select sealed from secrets where name = ?'),
    setSecret: statement('insert into secrets values (?, ?) on conflict (name) do update set sealed = excluded.sealed'),
    deleteSecret: statement('delete from secrets where name = ?'),
    secretNames: statement('select name from secrets order by name'),
    putLease: statement('insert or replace into leases values (?, ?, ?, ?, ?, ?)'),
    getLease: statement('select body from leases where id = ?'),
    leasesInState: statement('select body from leases where state in (select value from json_each(?)) order by started_at, id'),
    leasesByHash: statement('select body from leases where upstream_hash = ?1 or fingerprint = ?1'),
    pruneLeases: statement("delete from leases where state in ('revoked', 'expired', 'failed') and started_at < ?"),
    addChild: statement('insert or replace into children values (?, ?)'),
    removeChild: statement('delete from children where pid = ?'),
    children: statement('select body from children'),
  }
  const put = (row: LeaseRow): void => {
    sql.putLease.run(row.id, row.state, row.startedAt, row.fingerprint, row.upstreamHash, JSON.stringify(row))
  }
  return {
    meta: {
      get: (key) => run(() => text(sql.getMeta.get(key), 'value')),
      set: (key, value) => run(() => void sql.setMeta.run(key, value)),
      delete: (key) => run(() => void sql.deleteMeta.run(key)),
    },
    secrets: {
      get: (name) => run(() => text(sql.getSecret.get(name), 'sealed')),
      set: (name, sealed) => run(() => void sql.setSecret.run(name, sealed)),
      delete: (name) => run(() => void sql.deleteSecret.run(name)),
      names: () => run(() => sql.secretNames.all().map((row) => String(row['name']))),
    },
    leases: {
      insert: (row) => run(() => put(row)),
      update: (id, change) =>
        run(() => {
          const row = leaseOf(sql.getLease.get(id))
          if (row !== undefined) put({ ...row, ...change })
        }),
      get: (id) => run(() => leaseOf(sql.getLease.get(id))),
      inState: (states: readonly LeaseState[]) => run(() => rows(sql.leasesInState.all(JSON.stringify(states)))),
      byHash: (hash) => run(() => rows(sql.leasesByHash.all(hash))),
      prune: (time) => run(() => void sql.pruneLeases.run(time)),
    },
    children: {
      add: (row) => run(() => void sql.addChild.run(row.pid, JSON.stringify(row))),
      remove: (pid) => run(() => void sql.removeChild.run(pid)),
      all: () => run(() => sql.children.all().map((row): ChildRow => JSON.parse(String(row['body'])))),
    },
    close: () => database.close(),
  }
}

function open(file: string): DatabaseSync {
  const database = new DatabaseSync(file)
  try {
    database.exec('pragma locking_mode = exclusive; pragma journal_mode = wal; pragma synchronous = full; begin exclusive; commit')
    chmodSync(file, 0o600)
    const version = Number(database.prepare('pragma user_version').get()?.['user_version'])
    if (version > 1) throw new JitError('store.corrupt', `the store ${file} was written by a newer jit (format ${version})`)
    if (database.prepare('pragma quick_check(1)').get()?.['quick_check'] !== 'ok') throw new JitError('store.corrupt', `the store ${file} is damaged`)
    database.exec(`${schema} pragma user_version = 1`)
  } catch (error) {
    database.close()
    throw error
  }
  return database
}

/** SQLite's result codes (https://sqlite.org/rescode.html) as errors of jit; the low byte is the primary code. */
function guarded<T>(file: string, work: () => T): T {
  try {
    return work()
  } catch (error) {
    if (error instanceof JitError) throw error
    const code = typeof error === 'object' && error !== null && 'errcode' in error ? Number(error.errcode) & 0xff : 0
    if (code === 5 || code === 6) throw new JitError('daemon.running', `another daemon holds ${file}`, { cause: error })
    if (code === 11 || code === 26) throw new JitError('store.corrupt', `the store ${file} is damaged`, { cause: error })
    throw new JitError('store.unavailable', `the store ${file} cannot be used: ${error instanceof Error ? error.message : String(error)}`, { cause: error })
  }
}

function text(row: Record<string, unknown> | undefined, column: string): string | undefined {
  return row === undefined ? undefined : String(row[column])
}

function leaseOf(row: Record<string, unknown> | undefined): LeaseRow | undefined {
  return row === undefined ? undefined : JSON.parse(String(row['body']))
}

function rows(found: readonly Record<string, unknown>[]): LeaseRow[] {
  return found.map((row): LeaseRow => JSON.parse(String(row['body'])))
}
