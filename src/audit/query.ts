import { createReadStream } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import type { AuditRecord } from './event.ts'
import { segmentNames } from './segments.ts'

export interface AuditFilter {
  /** Milliseconds since 1970. */
  readonly since?: number | undefined
  readonly server?: string | undefined
  readonly tool?: string | undefined
  readonly call?: string | undefined
  readonly type?: string | undefined
  /** The newest so many. */
  readonly limit?: number | undefined
}

/** Records that match, oldest first; lines that are not records are passed over (verify reports them). */
export async function* readRecords(folder: string, filter: AuditFilter): AsyncIterable<AuditRecord> {
  const newest: AuditRecord[] = []
  for (const name of segmentNames(folder)) {
    for await (const line of createInterface({ input: createReadStream(join(folder, name)), crlfDelay: Number.POSITIVE_INFINITY })) {
      const record = parse(line)
      if (record === undefined || !matches(record, filter)) continue
      if (filter.limit === undefined) yield record
      else {
        newest.push(record)
        if (newest.length > filter.limit) newest.shift()
      }
    }
  }
  yield* newest
}

export function matches(record: AuditRecord, filter: AuditFilter): boolean {
  const field = (name: string): unknown => Reflect.get(record, name)
  if (filter.since !== undefined && Date.parse(record.time) < filter.since) return false
  if (filter.server !== undefined && field('server') !== filter.server) return false
  if (filter.tool !== undefined && field('tool') !== filter.tool) return false
  if (filter.call !== undefined && field('call') !== filter.call) return false
  return filter.type === undefined || record.type === filter.type
}

function parse(line: string): AuditRecord | undefined {
  try {
    return JSON.parse(line)
  } catch {
    return undefined
  }
}
