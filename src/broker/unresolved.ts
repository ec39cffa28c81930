import type { Receipt } from '../core/types.ts'
import type { LeaseRow } from '../store/store.ts'

/** What can be said of a lease at `now` that this process has only as a row. */
export function unresolvedReceipt(row: LeaseRow, now: number): Receipt {
  const { id, provider, server, scope, startedAt, validUntil } = row
  const receipt = {
    lease: id,
    provider,
    server,
    scope,
    cut: true,
    verified: false,
    validUntil,
    lived: Math.max(0, now - startedAt),
  } as const
  switch (row.state) {
    case 'lost':
      return { ...receipt, outcome: 'irrevocable', detail: 'the answer of its mint was lost: nobody holds it, and nobody can revoke it' }
    case 'minting':
      return { ...receipt, outcome: 'pending', detail: 'its mint has not come back yet; it is revoked when it does' }
    default:
      return { ...receipt, outcome: 'pending', detail: 'its credential is sealed; it is revoked after `jit unseal`' }
  }
}
