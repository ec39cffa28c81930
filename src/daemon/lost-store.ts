import { statSync } from 'node:fs'
import { readableSegments } from '../audit/segments.ts'
import type { Paths } from '../config/types.ts'
import { JitError } from '../core/errors.ts'

/**
 * Throws `store.corrupt` when the store is gone or empty while the trail shows that this home has been used (what stands in its place and is no file shows nothing): what is handed out
 * would be forgotten, and the trail would go on under another key. A first start that was killed leaves an empty store, and no trail.
 */
export function refuseLostStore({ database, auditFolder }: Pick<Paths, 'database' | 'auditFolder'>): void {
  const size = statSync(database, { throwIfNoEntry: false })?.size ?? 0
  if (size > 0 || readableSegments(auditFolder, 0).length === 0) return
  throw new JitError('store.corrupt', `the store ${database} is gone, but ${auditFolder} holds the trail of what was done with it`, {
    hint: 'Restore a copy of it. To begin anew, move that folder aside: credentials that are out then live until they expire.',
  })
}
