import { z } from 'zod'
import type { Database } from './database.ts'
import type { ChildTable, MetaTable, SecretTable, TokenTable } from './store.ts'

const text = z.string()
const childRow = z.object({ pid: z.number(), startTime: z.number(), processGroup: z.number(), server: z.string(), lane: z.string() })
const tokenRow = z.object({
  name: z.string(),
  hash: z.string(),
  servers: z.string().transform((json) => z.array(z.string()).parse(JSON.parse(json))),
  addedAt: z.number(),
  expiresAt: z.number(),
})

export function metaTable(database: Database): MetaTable {
  return {
    get: (key) => text.optional().parse(database.first('SELECT value FROM meta WHERE key = :key', { key })?.['value']),
    set: (key, value) =>
      void database.run('INSERT INTO meta (key, value) VALUES (:key, :value) ON CONFLICT (key) DO UPDATE SET value = :value', {
        key,
        value,
      }),
    delete: (key) => void database.run('DELETE FROM meta WHERE key = :key', { key }),
  }
}

export function secretTable(database: Database): SecretTable {
  return {
    get: (name) => text.optional().parse(database.first('SELECT sealed FROM secrets WHERE name = :name', { name })?.['sealed']),
    set: (name, sealed) =>
      void database.run('INSERT INTO secrets (name, sealed) VALUES (:name, :sealed) ON CONFLICT (name) DO UPDATE SET sealed = :sealed', {
        name,
        sealed,
      }),
    delete: (name) => void database.run('DELETE FROM secrets WHERE name = :name', { name }),
    names: () => database.all('SELECT name FROM secrets ORDER BY name').map((row) => text.parse(row['name'])),
  }
}

export function childTable(database: Database): ChildTable {
  return {
    // A pid that is known already was reused by the system: the older row's process is gone.
    add: (row) =>
      void database.run(
        'INSERT OR REPLACE INTO children (pid, startTime, processGroup, server, lane) VALUES (:pid, :startTime, :processGroup, :server, :lane)',
        { ...row },
      ),
    remove: (pid) => void database.run('DELETE FROM children WHERE pid = :pid', { pid }),
    all: () => database.all('SELECT * FROM children ORDER BY pid').map((row) => childRow.parse(row)),
  }
}

export function tokenTable(database: Database): TokenTable {
  return {
    add: (row) =>
      void database.run(
        'INSERT INTO tokens (name, hash, servers, addedAt, expiresAt) VALUES (:name, :hash, :servers, :addedAt, :expiresAt)',
        { ...row, servers: JSON.stringify(row.servers) },
      ),
    remove: (name) => database.run('DELETE FROM tokens WHERE name = :name', { name }) > 0,
    all: () => database.all('SELECT * FROM tokens ORDER BY name').map((row) => tokenRow.parse(row)),
  }
}
