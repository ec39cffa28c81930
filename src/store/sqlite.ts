import { Database } from './database.ts'
import { leaseTable } from './leases.ts'
import type { Store } from './store.ts'
import { childTable, metaTable, secretTable, tokenTable } from './tables.ts'

/**
 * The store in the SQLite file `file` (created 0600), held by this process alone until `close()` or its end. Throws
 * `daemon.running` when another process holds it, `store.corrupt` when it is damaged or newer (nothing is overwritten),
 * `daemon.unsafe` when the file is a link or another account's, `store.unavailable` when the disk refuses. A table's
 * method that failed with `store.unavailable` changed nothing; the next one works as soon as the disk does.
 */
export function openStore(file: string): Store {
  const database = new Database(file)
  return {
    meta: metaTable(database),
    secrets: secretTable(database),
    leases: leaseTable(database),
    children: childTable(database),
    tokens: tokenTable(database),
    atomically: (work, survives) => database.atomically(work, survives),
    settle: () => database.settle(),
    flush: () => database.flush(),
    close: () => database.close(),
  }
}
