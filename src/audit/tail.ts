import { hash } from 'node:crypto'
import { mkdirSync } from 'node:fs'
import { JitError } from '../core/errors.ts'
import { isRegular } from '../core/regular-file.ts'
import type { AuditPosition } from './event.ts'
import { linesBackward } from './lines.ts'
import { firstHash, type Link, readLink } from './record.ts'
import { segmentFile, segmentName, segmentNumbers, type TrailPosition } from './segments.ts'

/** Where a trail on disk ends. */
export interface Tail {
  readonly head: AuditPosition
  /** End of the last whole line. */
  readonly end: TrailPosition
  /** Whether something stands behind it: half a line after kill -9 or a full disk, zeros after a power cut. */
  readonly torn: boolean
  /** What is wrong with the trail's files or its last record beyond being torn; undefined when that is genuine. */
  readonly problem: string | undefined
}

/**
 * Reads from the end, and only as much as it needs. What is no file of ours is not opened: where that stands behind the last
 * segment, the trail goes on in a new one behind it. Throws what the file system throws.
 */
function readTail(folder: string): Tail {
  const all = segmentNumbers(folder)
  const numbers = all.filter((number) => isRegular(segmentFile(folder, number)))
  const tail = readEnd(folder, numbers)
  const odd = all.filter((number) => !numbers.includes(number))
  const last = odd.at(-1)
  if (last === undefined) return tail
  const problem = `${odd.map(segmentName).join(', ')}: not a regular file of this account, and no part of the trail`
  const both = tail.problem === undefined ? problem : `${problem}; ${tail.problem}`
  return last >= tail.end.segment
    ? { head: tail.head, end: { segment: last + 1, bytes: 0 }, torn: false, problem: both }
    : { ...tail, problem: both }
}

function readEnd(folder: string, numbers: readonly number[]): Tail {
  let end: TrailPosition | undefined
  let torn = false
  for (const segment of numbers.toReversed()) {
    for (const line of linesBackward(segmentFile(folder, segment))) {
      // The log never writes a zero byte: it is what a file system leaves where a power cut hit.
      if (end === undefined && (!line.whole || line.bytes.includes(0))) {
        torn = true
        continue
      }
      end ??= { segment, bytes: line.start + line.bytes.length + 1 }
      return { end, torn, ...judge(line.bytes, segment) }
    }
    end ??= { segment, bytes: 0 }
  }
  return { head: { seq: 0, hash: firstHash }, end: end ?? { segment: 1, bytes: 0 }, torn, problem: undefined }
}

/**
 * A last line that is whole but not genuine was changed by someone. The log goes on behind it: its hash is what the next
 * record names, so that verify keeps pointing at this line.
 */
function judge(line: Buffer, segment: number): { head: AuditPosition; problem: string | undefined } {
  const link: Link | undefined = readLink(line)
  if (link?.genuine === true) return { head: { seq: link.seq, hash: link.hash }, problem: undefined }
  const problem = `the last record of ${segmentName(segment)} was changed after it was written`
  return { head: { seq: link?.seq ?? 0, hash: link?.hash ?? hash('sha256', line) }, problem }
}

/** The end of the trail in a folder, which is made (0700) when it is not there. Throws JitError `audit.unwritable`. */
export function openTail(folder: string): Tail {
  try {
    mkdirSync(folder, { recursive: true, mode: 0o700 })
    return readTail(folder)
  } catch (error) {
    const said = error instanceof Error ? error.message : String(error)
    throw new JitError('audit.unwritable', `the trail in ${folder} cannot be opened: ${said}`, { cause: error, details: { folder } })
  }
}
