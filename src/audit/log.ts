import { EventEmitter, on } from 'node:events'
import { mkdirSync } from 'node:fs'
import type { Clock } from '../core/clock.ts'
import type { Logger } from '../core/types.ts'
import { type CheckpointSigner, openCheckpoints } from './checkpoint.ts'
import type { AuditEvent, AuditPosition, AuditRecord, AuditSink } from './event.ts'
import { type AuditFilter, matches, readRecords } from './query.ts'
import { encodeRecord } from './record.ts'
import { firstHash, Segment, segmentNames } from './segments.ts'
import { type VerifyReport, verifyFolder } from './verify.ts'

export interface AuditLog extends AuditSink {
  readonly head: AuditPosition
  readonly writable: boolean
  /** Newest `limit` records that match, oldest first. */
  query(filter: AuditFilter): AsyncIterable<AuditRecord>
  /** Records as they are appended, until the signal aborts. */
  follow(filter: AuditFilter, signal: AbortSignal): AsyncIterable<AuditRecord>
  /** Signs the head. Does nothing while there is no signer (sealed store). */
  checkpoint(): Promise<void>
  setSigner(signer: CheckpointSigner | undefined): void
  verify(): Promise<VerifyReport>
  configure(options: { sync: 'batch' | 'each'; segmentBytes: number }): void
  close(): Promise<void>
}

export interface AuditOptions {
  readonly folder: string
  readonly sync: 'batch' | 'each'
  readonly segmentBytes: number
  readonly clock: Clock
  readonly log: Logger
}

const recordsPerCheckpoint = 1000

/** Opens the trail; a torn last line (kill -9, full disk) is set aside and recorded as `trail.repaired`. */
export function openAudit(options: AuditOptions): AuditLog {
  const { folder, clock, log } = options
  mkdirSync(folder, { recursive: true, mode: 0o700 })
  let { sync, segmentBytes } = options
  const names = segmentNames(folder)
  let number = Math.max(1, names.length)
  let segment = new Segment(folder, number)
  const previous =
    number > 1 && segment.size === 0 ? new Segment(folder, number - 1).tail({ seq: 0, hash: firstHash }) : { seq: 0, hash: firstHash }
  const tail = segment.tail(previous)
  let head: AuditPosition = { seq: tail.seq, hash: tail.hash }
  let writable = true
  let sinceCheckpoint = 0
  const news = new EventEmitter().setMaxListeners(0)
  const checkpoints = openCheckpoints(folder)

  const staged: { text: string; settle: (error: unknown) => void }[] = []
  /** The last record that is in the file; what is staged comes behind it. */
  let written = head

  const encode = (event: AuditEvent): string => {
    const seq = head.seq + 1
    const { line, hash } = encodeRecord(event, seq, new Date(clock.now()).toISOString(), head.hash)
    head = { seq, hash }
    return `${line}\n`
  }
  /** Writes what is staged in one go: all of it is in the file, or none and each waiter hears why. */
  const flush = (): void => {
    if (staged.length === 0) return
    const batch = staged.splice(0)
    if (segment.size >= segmentBytes) {
      segment.close()
      number += 1
      segment = new Segment(folder, number)
    }
    try {
      segment.append(Buffer.from(batch.length === 1 ? (batch[0]?.text ?? '') : batch.map(({ text }) => text).join('')), sync === 'each')
    } catch (error) {
      if (writable) log.error('audit trail unwritable', { file: segment.file, error: String(error) })
      writable = false
      head = written
      for (const { settle } of batch) settle(error)
      return
    }
    writable = true
    written = head
    sinceCheckpoint += batch.length
    if (sinceCheckpoint >= recordsPerCheckpoint) void checkpoint()
    for (const { text, settle } of batch) {
      if (news.listenerCount('record') > 0) news.emit('record', text)
      settle(undefined)
    }
  }
  const append = (event: AuditEvent): AuditPosition => {
    let failure: unknown
    staged.push({ text: encode(event), settle: (error) => (failure = error) })
    flush()
    if (failure !== undefined) throw failure
    return written
  }
  const stage = (event: AuditEvent): Promise<void> =>
    new Promise((resolve, reject) => {
      staged.push({ text: encode(event), settle: (error) => (error === undefined ? resolve() : reject(error)) })
      if (staged.length === 1) process.nextTick(flush)
    })
  const checkpoint = async (): Promise<void> => {
    sinceCheckpoint = 0
    await checkpoints
      .sign(written, new Date(clock.now()).toISOString())
      .catch((error: unknown) => log.error('checkpoint failed', { error: String(error) }))
  }
  if (tail.torn !== undefined) append({ type: 'trail.repaired', detail: { ...tail.torn } })

  return {
    append,
    stage,
    checkpoint,
    get head() {
      return written
    },
    get writable() {
      return writable
    },
    query: (filter) => readRecords(folder, filter),
    async *follow(filter, signal) {
      try {
        for await (const [line] of on(news, 'record', { signal })) {
          const record: AuditRecord = JSON.parse(String(line))
          if (matches(record, filter)) yield record
        }
      } catch (error) {
        if (!signal.aborted) throw error
      }
    },
    setSigner: (signer) => checkpoints.setSigner(signer),
    async verify() {
      await checkpoint()
      return verifyFolder(folder)
    },
    configure(changed) {
      sync = changed.sync
      segmentBytes = changed.segmentBytes
    },
    async close() {
      flush()
      await checkpoint()
      segment.close()
    },
  }
}
