import type { Clock } from '../core/clock.ts'
import { JitError } from '../core/errors.ts'
import type { Logger } from '../core/types.ts'
import type { CheckpointSigner } from './checkpoint.ts'
import { Checkpoints, type AuditMeta } from './checkpoints.ts'
import { type Disk, systemDisk } from './disk.ts'
import type { AuditEvent, AuditPosition, AuditRecord, AuditSink, CallIntent, CloseFields } from './event.ts'
import { Indexer } from './indexer.ts'
import { News } from './news.ts'
import { type AuditFilter, matcher, readBetween, readRecords } from './query.ts'
import { type Entry, RecordBuffer } from './record.ts'
import type { TrailPosition } from './segments.ts'
import { Staging } from './staging.ts'
import { openTail, type Tail } from './tail.ts'
import { type VerifyReport, verifyFolder } from './verify.ts'
import { TrailWriter } from './writer.ts'

/**
 * The trail: segments of JSON lines, each record chained to the one before by hash, with signed checkpoints. One process
 * writes it (the store's lock sees to that); anybody who may read the folder can read and verify it.
 */
export interface AuditLog extends AuditSink {
  /** The last record. */
  readonly head: AuditPosition
  /** False from a write that failed until one that worked. */
  readonly writable: boolean
  /** What was found wrong with the trail, at open or while it ran, for status and doctor; verify has the lines. */
  readonly problems: readonly string[]
  /** Records of the moment of the call that match, oldest first; with `limit`, the newest so many. */
  query(filter: AuditFilter): AsyncIterable<AuditRecord>
  /** Records appended after the moment of the call, as they come, until the signal aborts or the log closes. `limit` has no meaning. */
  follow(filter: AuditFilter, signal: AbortSignal): AsyncIterable<AuditRecord>
  /** Makes all that was appended durable and, while there is a signer, signs the head. Never throws: failures are logged and tried again. */
  checkpoint(): Promise<void>
  /** From here on checkpoints are signed, and the head is at once. Undefined (sealed store): records go on, signatures wait. */
  setSigner(signer: CheckpointSigner | undefined): void
  /** Checks every byte of the trail against chain, signatures and what the store remembers. */
  verify(): Promise<VerifyReport>
  configure(options: { sync: 'batch' | 'each'; segmentBytes: number }): void
  /** Signs, ends followers, closes; later appends throw. */
  close(): Promise<void>
}

export interface AuditOptions {
  /** Made (0700) when it is not there. */
  readonly folder: string
  /** `each`: a record survives a power cut before `append` returns. `batch`: within a second. Both survive kill -9. */
  readonly sync: 'batch' | 'each'
  /** A segment that has reached this size is followed by the next one. */
  readonly segmentBytes: number
  readonly clock: Clock
  readonly log: Logger
  /** The store's meta table: remembers the last checkpoint, so that cutting all files of the trail back is noticed. */
  readonly meta?: AuditMeta
  readonly disk?: Disk
  /** After so many records a checkpoint is due; 1000 when absent. */
  readonly checkpointEvery?: number
}

/** Milliseconds after an append until `sync: batch` makes it durable, and until a checkpoint that is due is signed. */
const settleDelay = 1000

/**
 * Opens the trail. A torn last line is set aside in a file of its own and recorded as `trail.repaired`. A trail that was
 * changed or cut back stays as it is: that is logged, stands in `problems`, and the next record continues from where the
 * store remembers the trail to have been, so that verify fails there for good. Throws `audit.unwritable` when the folder
 * cannot be made or read.
 */
export function openAudit(options: AuditOptions): AuditLog {
  return new SegmentedLog(options, openTail(options.folder))
}

class SegmentedLog implements AuditLog {
  readonly #options: AuditOptions
  readonly #writer: TrailWriter
  readonly #checkpoints: Checkpoints
  readonly #news = new News()
  readonly #indexer: Indexer
  readonly #records = new RecordBuffer()
  readonly #problems: string[] = []
  readonly #staging = new Staging((entries) => this.#attempt(() => this.#write(entries)))
  readonly #checkpointEvery: number
  #sync: 'batch' | 'each'
  #segmentBytes: number
  #head: AuditPosition
  #writable = true
  #closed = false
  #sinceCheckpoint = 0
  #cancelSettle: (() => void) | undefined
  #signing: Promise<void> | undefined
  #signAgain: Promise<void> | undefined

  constructor(options: AuditOptions, tail: Tail) {
    this.#options = options
    this.#sync = options.sync
    this.#segmentBytes = options.segmentBytes
    this.#checkpointEvery = options.checkpointEvery ?? 1000
    this.#writer = new TrailWriter(options.folder, options.disk ?? systemDisk, tail.end, tail.torn)
    this.#checkpoints = new Checkpoints(options.folder, options.meta)
    this.#indexer = new Indexer(options)
    this.#head = this.#startFrom(tail)
    this.#repairQuietly()
  }

  get head(): AuditPosition {
    return this.#head
  }

  get writable(): boolean {
    return this.#writable
  }

  get problems(): readonly string[] {
    return this.#problems
  }

  append(event: AuditEvent): AuditPosition {
    // What was staged before comes before it.
    this.#staging.flush()
    this.#attempt(() => this.#write([{ event }]))
    return this.#head
  }

  stage(event: AuditEvent): Promise<void> {
    return this.#staging.add({ event })
  }

  stageClose(intent: CallIntent, close: CloseFields): Promise<void> {
    return this.#staging.add({ event: intent, close })
  }

  #attempt(work: () => void): void {
    if (this.#closed) throw new JitError('audit.unwritable', 'the trail is closed')
    try {
      this.#repair()
      work()
    } catch (error) {
      if (this.#writable) this.#options.log.error('audit trail unwritable', { error: String(error) })
      this.#writable = false
      throw error
    }
    if (!this.#writable) this.#options.log.info('audit trail writable again')
    this.#writable = true
  }

  query(filter: AuditFilter): AsyncIterable<AuditRecord> {
    return readRecords(this.#options.folder, filter, this.#writer.end, filter.scan === true ? () => undefined : this.#indexer.find)
  }

  follow(filter: AuditFilter, signal: AbortSignal): AsyncIterable<AuditRecord> {
    return this.#follow(filter, signal, this.#writer.end)
  }

  checkpoint(): Promise<void> {
    if (this.#signing === undefined) {
      this.#signing = this.#sign().finally(() => (this.#signing = undefined))
      return this.#signing
    }
    // The one that runs may have read the head before the newest record; one more covers all who ask meanwhile.
    this.#signAgain ??= this.#signing.then(() => {
      this.#signAgain = undefined
      return this.checkpoint()
    })
    return this.#signAgain
  }

  setSigner(signer: CheckpointSigner | undefined): void {
    this.#checkpoints.signer = signer
    if (signer !== undefined) void this.checkpoint()
  }

  async verify(): Promise<VerifyReport> {
    await this.checkpoint()
    return verifyFolder(this.#options.folder, {
      until: this.#writer.end,
      expected: [...this.#checkpoints.remembered(), this.#head],
      publicKey: this.#checkpoints.publicKey(),
    })
  }

  configure(options: { sync: 'batch' | 'each'; segmentBytes: number }): void {
    this.#sync = options.sync
    this.#segmentBytes = options.segmentBytes
  }

  async close(): Promise<void> {
    if (this.#closed) return
    this.#staging.flush()
    await this.checkpoint()
    this.#closed = true
    this.#cancelSettle?.()
    this.#news.end()
    await this.#indexer.close()
    await this.#writer.close()
  }

  #write(entries: readonly Entry[]): void {
    const time = new Date(this.#options.clock.now()).toISOString()
    let head = this.#head
    const { segment } = this.#writer.end
    this.#records.clear()
    for (const entry of entries) {
      const seq = head.seq + 1
      head = { seq, hash: this.#records.add(entry, seq, time, head.hash) }
    }
    this.#writer.append(this.#records.bytes, {
      sync: this.#sync === 'each',
      segmentBytes: this.#segmentBytes,
    })
    this.#head = head
    if (this.#writer.end.segment !== segment) this.#indexer.add(segment)
    this.#sinceCheckpoint += entries.length
    if (this.#sync === 'batch' || this.#isCheckpointDue) {
      this.#cancelSettle ??= this.#options.clock.after(settleDelay, () => void this.#settle())
    }
    this.#news.tell()
  }

  #repair(): void {
    const repair = this.#writer.repair()
    if (repair !== undefined) this.#write([{ event: { type: 'trail.repaired', detail: { ...repair } } }])
  }

  /** A full disk at the start is no reason not to start: the repair is made up for before the first record. */
  #repairQuietly(): void {
    try {
      this.#repair()
    } catch (error) {
      this.#writable = false
      this.#options.log.error('audit trail unwritable', { error: String(error) })
    }
  }

  #startFrom(tail: Tail): AuditPosition {
    if (tail.problem !== undefined) this.#report(tail.problem)
    for (const remembered of this.#checkpoints.remembered()) {
      if (tail.head.seq < remembered.seq) {
        this.#report(`the trail ends at record ${tail.head.seq}, but record ${remembered.seq} was signed: it was cut back`)
        return remembered
      }
      if (tail.head.seq === remembered.seq && tail.head.hash !== remembered.hash) {
        this.#report(`record ${remembered.seq} is not the one that was signed: the trail was rewritten`)
        return remembered
      }
    }
    return tail.head
  }

  async *#follow(filter: AuditFilter, signal: AbortSignal, from: TrailPosition): AsyncGenerator<AuditRecord> {
    const match = matcher(filter)
    let start = from
    while (!signal.aborted) {
      const end = this.#writer.end
      if (end.segment !== start.segment || end.bytes !== start.bytes) {
        for await (const record of readBetween(this.#options.folder, match, start, end)) {
          if (signal.aborted) return
          yield record
        }
        start = end
      } else if (this.#news.over) return
      else await this.#news.wait(signal)
    }
  }

  get #isCheckpointDue(): boolean {
    return this.#sinceCheckpoint >= this.#checkpointEvery
  }

  /** Whatever the load, the disk is asked to settle once in a while and not more: an append waits for a sync of the same file. */
  async #settle(): Promise<void> {
    this.#cancelSettle = undefined
    if (this.#isCheckpointDue) return this.checkpoint()
    try {
      await this.#writer.flush()
    } catch (error) {
      this.#writable = false
      this.#options.log.error('audit trail not durable', { error: String(error) })
    }
  }

  /** Records first, then their signature, then the store's memory of it: each is durable before the next names it. */
  async #sign(): Promise<void> {
    this.#sinceCheckpoint = 0
    this.#cancelSettle?.()
    this.#cancelSettle = undefined
    try {
      const problem = this.#writer.inspect()
      if (problem !== undefined) this.#report(problem)
      const head = this.#head
      const { segment } = this.#writer.end
      await this.#writer.flush()
      const found = await this.#checkpoints.sign({ ...head, time: new Date(this.#options.clock.now()).toISOString(), segment })
      if (found !== undefined) this.#report(found)
    } catch (error) {
      this.#options.log.error('checkpoint failed; it is tried again', { error: String(error) })
    }
  }

  #report(problem: string): void {
    if (this.#problems.includes(problem)) return
    this.#problems.push(problem)
    this.#options.log.error('audit trail broken', { problem })
  }
}
