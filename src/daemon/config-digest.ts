import { linesBackward } from '../audit/lines.ts'
import { parseRecord } from '../audit/record.ts'
import { segmentFile, segmentNumbers } from '../audit/segments.ts'

const mostRecords = 1_000_000

/** SHA-256 of the config that the trail says was in force last; undefined when it says nothing of it. Never throws. */
export function lastConfigDigest(auditFolder: string): string | undefined {
  try {
    let read = 0
    for (const number of segmentNumbers(auditFolder).toReversed()) {
      for (const { bytes, whole } of linesBackward(segmentFile(auditFolder, number))) {
        if (!whole) continue
        const record = parseRecord(bytes)
        if (record?.type === 'config.applied') return digestIn(record.detail, 'digest')
        if (record?.type === 'daemon.started') return digestIn(record.detail, 'policy')
        read += 1
        if (read >= mostRecords) return undefined
      }
    }
  } catch {
    // A trail that cannot be read proves nothing.
  }
  return undefined
}

function digestIn(detail: unknown, name: string): string | undefined {
  const digest: unknown = Reflect.get(Object(detail), name)
  return typeof digest === 'string' && /^[0-9a-f]{64}$/.test(digest) ? digest : undefined
}
