import { hash } from 'node:crypto'
import { lstatSync } from 'node:fs'
import { join } from 'node:path'
import { isRegular, readRegular } from '../core/regular-file.ts'
import { checkpointFile, type PublicJwk } from './checkpoint.ts'
import type { AuditPosition } from './event.ts'
import { linesForward } from './lines.ts'
import { firstHash, parseRecord, readLink } from './record.ts'
import { segmentFile, segmentName, segmentNumbers, type TrailPosition } from './segments.ts'
import { readCheckpoints } from './verify-checkpoints.ts'

export interface VerifyReport {
  readonly ok: boolean
  /** Records in the trail. */
  readonly records: number
  readonly segments: number
  /** Checkpoints whose signature holds. */
  readonly checkpoints: number
  /** Hash of the last record. */
  readonly head: string
  /** RFC 7638 thumbprint of the key that signed the checkpoints; empty when there is none. */
  readonly key: string
  /** The first problems, in the order in which they were met. */
  readonly problems: readonly Problem[]
}

export interface Problem {
  readonly file: string
  /** From 1; 0 when it is about the file as a whole. */
  readonly line: number
  readonly message: string
}

export interface VerifyOptions {
  /** The key that must have signed, from a place that whoever changed the folder could not reach. Default: `key.json` of the folder. */
  readonly publicKey?: PublicJwk | undefined
  /** Records that must stand in the trail, from such a place. */
  readonly expected?: readonly AuditPosition[]
  /** Where to stop, for a trail that is being written. */
  readonly until?: TrailPosition
}

const mostProblems = 20
const odd = 'this is not a regular file'

/**
 * Proves a trail, or a copy of one, without a daemon: every byte of every line, the order of lines and segments, and the
 * signed checkpoints. What it cannot see without `expected` is that records behind the last checkpoint were removed. Reads as a stream.
 */
export async function verifyFolder(folder: string, options: VerifyOptions = {}): Promise<VerifyReport> {
  const problems: Problem[] = []
  const report = (file: string, line: number, message: string): void => {
    if (problems.length < mostProblems) problems.push({ file, line, message })
  }
  const signed = await readCheckpoints(folder, options.publicKey, report)
  const anchors = new Map<number, { readonly hash: string; readonly by: string; readonly line: number }>()
  for (const { seq, hash } of options.expected ?? []) if (seq > 0) anchors.set(seq, { hash, by: 'what jit remembers', line: 0 })
  for (const { seq, hash, line } of signed.checkpoints) {
    const other = anchors.get(seq)
    if (other !== undefined && other.hash !== hash) report(checkpointFile, line, `this checkpoint of record ${seq} contradicts ${other.by}`)
    else anchors.set(seq, { hash, by: `the checkpoint in line ${line} of ${checkpointFile}`, line })
  }

  let prev = firstHash
  let seq = 0
  let records = 0
  const numbers = segmentNumbers(folder)
  if (numbers.length === 0 && options.until === undefined) report(segmentName(1), 0, 'there is no trail in this folder')
  for (const [index, number] of numbers.entries()) {
    const name = segmentName(number)
    if (number !== (numbers[index - 1] ?? 0) + 1) report(name, 0, `the segment before ${name} is missing`)
    if (options.until !== undefined && number > options.until.segment) {
      report(name, 0, 'this segment is not one that the daemon wrote')
      continue
    }
    if (!isRegular(segmentFile(folder, number), { ofAnyone: true })) {
      report(name, 0, odd)
      continue
    }
    let line = 0
    for await (const lines of linesForward(
      segmentFile(folder, number),
      number === options.until?.segment ? { end: options.until.bytes } : {},
    )) {
      for (const { bytes, whole } of lines) {
        line += 1
        if (!whole) {
          report(name, line, 'the last line is torn')
          continue
        }
        records += 1
        const link = readLink(bytes)
        if (link === undefined) {
          report(name, line, 'this line is not a record')
          seq += 1
          prev = ''
          continue
        }
        if (!link.genuine) report(name, line, 'this record was changed: its bytes do not have the hash it states')
        if (link.seq !== seq + 1) report(name, line, `record ${link.seq} stands where record ${seq + 1} belongs`)
        else if (link.prev !== prev) report(name, line, 'the record before this one was changed, removed or put in')
        seq = link.seq
        prev = link.hash
        const anchor = anchors.get(seq)
        if (anchor !== undefined && anchor.hash !== link.hash)
          report(name, line, `record ${seq} is not the one in ${anchor.by}: the trail was rewritten`)
        anchors.delete(seq)
        if (bytes.includes('"type":"trail.repaired"')) checkTornFile(folder, bytes, (message) => report(name, line, message))
      }
    }
  }
  for (const [missing, { by, line }] of [...anchors].slice(0, 1))
    report(
      line === 0 ? segmentName(numbers.at(-1) ?? 1) : checkpointFile,
      line,
      `record ${missing} of ${by} is not in the trail: it was cut`,
    )
  return {
    ok: problems.length === 0,
    records,
    segments: numbers.length,
    checkpoints: signed.checkpoints.length,
    head: prev,
    key: signed.thumbprint,
    problems,
  }
}

/** The bytes that a repair set aside are evidence too. Their file may be absent from a copy, but not changed. */
function checkTornFile(folder: string, line: Buffer, report: (message: string) => void): void {
  const record = parseRecord(line)
  if (record?.type !== 'trail.repaired') return
  const { file, sha256 } = record.detail
  if (
    typeof file !== 'string' ||
    !/^\d{6,}\.torn-\d+$/.test(file) ||
    lstatSync(join(folder, file), { throwIfNoEntry: false }) === undefined
  )
    return
  if (!isRegular(join(folder, file), { ofAnyone: true })) return report(`${file}, which this repair set aside: ${odd}`)
  if (hash('sha256', readRegular(join(folder, file), { ofAnyone: true })) !== sha256)
    report(`${file}, which this repair set aside, was changed`)
}
