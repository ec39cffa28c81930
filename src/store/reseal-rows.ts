import { JitError } from '../core/errors.ts'
import { type KeySet, reseal } from './ciphertext.ts'
import { leaseStates } from './leases.ts'
import type { Store } from './store.ts'

interface SealedRow {
  readonly before: string
  readonly after: string
  read(): string | undefined
  write(sealed: string): void
}

/** Encryption is asynchronous and a transaction is not: rows that change in between are read and sealed once more. */
const attempts = 5

/** Seals every row anew and runs `also`, all in one transaction. */
export async function resealRows(store: Store, from: KeySet, to: KeySet, also: () => void): Promise<void> {
  for (let attempt = 0; attempt < attempts; attempt++) {
    const rows: SealedRow[] = []
    for (const row of sealedRows(store)) rows.push({ ...row, after: await reseal(row.before, from, to) })
    const done = store.atomically(() => {
      if (changed(rows, store)) return false
      for (const row of rows) row.write(row.after)
      also()
      return true
    })
    if (done) return
  }
  throw new JitError('conflict', 'the store changed all the time while its key was replaced; the old key stays', { hint: 'Try again.' })
}

function changed(rows: readonly SealedRow[], store: Store): boolean {
  return sealedRows(store).length !== rows.length || rows.some((row) => row.read() !== row.before)
}

function sealedRows(store: Store): Omit<SealedRow, 'after'>[] {
  const secrets = store.secrets.names().map((name) => ({
    before: store.secrets.get(name) ?? '',
    read: () => store.secrets.get(name),
    write: (sealed: string) => store.secrets.set(name, sealed),
  }))
  const leases = store.leases
    .inState(leaseStates)
    .filter((row) => row.sealed !== '')
    .map(({ id, sealed }) => ({
      before: sealed,
      read: () => store.leases.get(id)?.sealed,
      write: (after: string) => store.leases.update(id, { sealed: after }),
    }))
  return [...secrets, ...leases]
}
