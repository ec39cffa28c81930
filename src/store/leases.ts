import { z } from 'zod'
import { JitError } from '../core/errors.ts'
import type { Database, Parameters, Row } from './database.ts'
import type { LeaseRow, LeaseState, LeaseTable } from './store.ts'
import { corruptStore } from './store-error.ts'

const columns = [
  'id',
  'state',
  'provider',
  'server',
  'tool',
  'session',
  'call',
  'scope',
  'sealed',
  'fingerprint',
  'upstreamHash',
  'startedAt',
  'mintedAt',
  'expiresAt',
  'validUntil',
  'attempts',
  'error',
] as const satisfies readonly (keyof LeaseRow)[]

const leaseRow = z.object({
  id: z.string(),
  state: z.enum(['minting', 'live', 'revoking', 'revoked', 'expired', 'irrevocable', 'failed', 'lost']),
  provider: z.string(),
  server: z.string(),
  tool: z.string(),
  session: z.string(),
  call: z.string(),
  scope: z.string().transform((text, context) => {
    const scope = z.record(z.string(), z.json()).safeParse(parseJson(text))
    if (scope.success) return scope.data
    context.addIssue('not a scope')
    return z.NEVER
  }),
  sealed: z.string(),
  fingerprint: z.string(),
  upstreamHash: z.string(),
  startedAt: z.number(),
  mintedAt: z.number(),
  expiresAt: z.number(),
  validUntil: z.number(),
  attempts: z.number(),
  error: z.string(),
})

/** In the table of small values: the highest number among the leases when all of them were cut. */
const cutKey = 'leases.cut'
/** What was minted after the cut has a higher number; what was being minted then never becomes live. */
const isCut = `(state = 'live' AND number <= coalesce((SELECT CAST(value AS INTEGER) FROM meta WHERE key = '${cutKey}'), 0))`
const select = `SELECT *, ${isCut} AS isCut FROM leases`

/** States from which a lease does not come back. */
const finished = "('revoked', 'expired', 'failed', 'irrevocable', 'lost')"

export function leaseTable(database: Database): LeaseTable {
  return {
    insert(row) {
      const names = columns.map((column) => `:${column}`).join(', ')
      database.run(`INSERT INTO leases (${columns.join(', ')}) VALUES (${names})`, toParameters(row))
    },
    update(id, change) {
      const changed = columns.filter((column) => column !== 'id' && Object.hasOwn(change, column))
      if (changed.length === 0) return
      const sets = changed.map((column) => `${column} = :${column}`).join(', ')
      const rows = database.run(`UPDATE leases SET ${sets} WHERE id = :id`, { ...toParameters(change), id })
      if (rows !== 1) throw new JitError('not-found', `the store has no lease ${id}`)
    },
    cutLive() {
      database.run(
        `INSERT INTO meta (key, value) SELECT '${cutKey}', coalesce(max(number), 0) FROM leases WHERE true
         ON CONFLICT (key) DO UPDATE SET value = excluded.value`,
      )
    },
    settleCut() {
      database.run(`UPDATE leases SET state = 'revoking' WHERE ${isCut}`)
      database.run(`DELETE FROM meta WHERE key = '${cutKey}'`)
    },
    get(id) {
      const row = database.first(`${select} WHERE id = :id`, { id })
      return row && readRow(row, database.file)
    },
    inState(states) {
      return database
        .all(`${select} WHERE state IN (SELECT value FROM json_each(:states)) ORDER BY startedAt, number`, {
          states: JSON.stringify(states.includes('revoking') ? [...states, 'live'] : states),
        })
        .map((row) => readRow(row, database.file))
        .filter((row) => states.includes(row.state))
    },
    byHash(hash) {
      if (hash === '') return []
      return database
        .all(`${select} WHERE upstreamHash = :hash OR fingerprint = :hash ORDER BY startedAt, number`, { hash })
        .map((row) => readRow(row, database.file))
    },
    prune(time) {
      database.run(`DELETE FROM leases WHERE state IN ${finished} AND max(startedAt, mintedAt, validUntil) < :time`, { time })
    },
  }
}

/** Every state there is. */
export const leaseStates: readonly LeaseState[] = leaseRow.shape.state.options

/** A row that may be damaged; undefined when it is no lease any more. */
export function readLease(row: Row): LeaseRow | undefined {
  return leaseRow.safeParse(row).data
}

function toParameters(change: Partial<LeaseRow>): Parameters {
  const { scope, ...plain } = change
  return scope === undefined ? { ...plain } : { ...plain, scope: JSON.stringify(scope) }
}

function readRow(row: Row, file: string): LeaseRow {
  const parsed = leaseRow.safeParse(row)
  if (!parsed.success) throw corruptStore(file, `a lease's row cannot be read: ${z.prettifyError(parsed.error)}`)
  return row['isCut'] === 1 ? { ...parsed.data, state: 'revoking' } : parsed.data
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
