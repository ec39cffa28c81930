import type { AuditEvent, AuditSink, LeaseFields } from '../audit/event.ts'
import { toJitError } from '../core/errors.ts'
import type { Logger } from '../core/types.ts'
import type { LeaseRow } from '../store/store.ts'

/** Records an event that must not stop what it tells of: a lease that ends, ends also when the trail cannot be written. */
export function recordIfPossible(deps: { readonly audit: Pick<AuditSink, 'append'>; readonly log: Logger }, event: AuditEvent): void {
  try {
    deps.audit.append(event)
  } catch (error) {
    deps.log.error('lease event not recorded', { type: event.type, error: toJitError(error).message })
  }
}

/** The row as the trail shows it. */
export function leaseFields(row: LeaseRow): LeaseFields {
  return {
    id: row.id,
    provider: row.provider,
    scope: row.scope,
    ...(row.fingerprint === '' ? {} : { token: row.fingerprint, expiresAt: new Date(row.expiresAt).toISOString() }),
    ...(row.upstreamHash === '' ? {} : { upstreamHash: row.upstreamHash }),
  }
}
