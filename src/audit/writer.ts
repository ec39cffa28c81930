import { hash } from 'node:crypto'
import { closeSync, existsSync, fsyncSync, openSync, readFileSync, writeSync } from 'node:fs'
import { JitError } from '../core/errors.ts'
import type { Disk } from './disk.ts'
import { segmentFile, segmentName, segmentNumbers, type TrailPosition } from './segments.ts'

/** What was cut off a torn trail, for the record that says so. */
export interface Repair {
  /** Name of the file beside the segment that holds the bytes now. */
  readonly file: string
  readonly segment: string
  readonly bytes: number
  readonly sha256: string
}

interface OpenSegment {
  readonly number: number
  readonly descriptor: number
  /** Bytes of whole lines. */
  size: number
  /** Set when a failed write could not be taken back: behind `size` stands half a line. */
  dirty: boolean
}

/**
 * Appends lines to the newest segment. A write that fails is taken back to the last whole line, and each append starts
 * by making good what is not: so the trail goes on by itself once its disk does.
 */
export class TrailWriter {
  readonly #folder: string
  readonly #disk: Disk
  #segment: OpenSegment | undefined
  #end: TrailPosition
  #torn: boolean
  #unsynced = false
  readonly #syncing = new Map<number, Promise<void>>()

  constructor(folder: string, disk: Disk, end: TrailPosition, torn: boolean) {
    this.#folder = folder
    this.#disk = disk
    this.#end = end
    this.#torn = torn
  }

  /** End of the last line that was written. */
  get end(): TrailPosition {
    return this.#end
  }

  get file(): string {
    return segmentFile(this.#folder, this.#end.segment)
  }

  /**
   * Moves a torn tail into a file of its own and cuts it off; undefined when there is none. Comes before each `append`. Throws JitError `audit.unwritable`; then everything stands as it did.
   */
  repair(): Repair | undefined {
    if (!this.#torn) return undefined
    return this.#guard(() => {
      const { segment, bytes } = this.#end
      const torn = readFileSync(segmentFile(this.#folder, segment)).subarray(bytes)
      const file = this.#freeTornName(segment)
      const descriptor = openSync(segmentFile(this.#folder, segment).replace(segmentName(segment), file), 'wx', 0o600)
      try {
        for (let written = 0; written < torn.length;) written += writeSync(descriptor, torn, written)
        fsyncSync(descriptor)
      } finally {
        closeSync(descriptor)
      }
      this.#open().dirty = true
      this.#takeBack()
      this.#torn = false
      return { file, segment: segmentName(segment), bytes: torn.length, sha256: hash('sha256', torn) }
    })
  }

  /** Throws JitError `audit.unwritable`; then nothing of `line` stands in the trail. */
  append(line: Buffer, options: { readonly sync: boolean; readonly segmentBytes: number }): void {
    this.#guard(() => {
      this.#takeBack()
      if (this.#end.bytes >= options.segmentBytes) this.#startSegment()
      const segment = this.#open()
      try {
        for (let written = 0; written < line.length;) written += this.#disk.write(segment.descriptor, line, written)
        if (options.sync) this.#disk.sync(segment.descriptor)
      } catch (error) {
        segment.dirty = true
        this.#takeBackQuietly()
        throw error
      }
      segment.size += line.length
      this.#end = { segment: segment.number, bytes: segment.size }
      this.#unsynced = !options.sync
    })
  }

  /** Returns when all that was appended survives a power cut. Throws what the disk says. */
  async flush(): Promise<void> {
    const segment = this.#segment
    if (segment === undefined || !this.#unsynced) return
    this.#unsynced = false
    const before = this.#syncing.get(segment.descriptor)
    const work = (before ?? Promise.resolve()).then(() => this.#disk.syncLater(segment.descriptor))
    this.#syncing.set(
      segment.descriptor,
      work.catch(() => undefined),
    )
    try {
      await work
    } catch (error) {
      this.#unsynced = true
      throw error
    }
  }

  /**
   * Looks whether the file is still there and as long as it was left. If not, says what happened, and what follows goes
   * into a new segment instead of into nowhere.
   */
  inspect(): string | undefined {
    const segment = this.#segment
    if (segment === undefined || segment.dirty) return undefined
    const { size, linked } = this.#disk.look(segment.descriptor)
    if (linked && size === segment.size) return undefined
    const problem = linked
      ? `${segmentName(segment.number)} has ${size} bytes and was left with ${segment.size}: someone else wrote to it`
      : `${segmentName(segment.number)} was deleted while it was written`
    this.#startSegment()
    return problem
  }

  async close(): Promise<void> {
    if (this.#segment === undefined) return
    const { descriptor } = this.#segment
    this.#segment = undefined
    await this.#syncing.get(descriptor)
    this.#disk.close(descriptor)
  }

  #open(): OpenSegment {
    this.#segment ??= { number: this.#end.segment, descriptor: this.#disk.open(this.file), size: this.#end.bytes, dirty: false }
    return this.#segment
  }

  #startSegment(): void {
    const numbers = segmentNumbers(this.#folder)
    const number = Math.max(this.#end.segment, ...numbers) + 1
    const descriptor = this.#disk.open(segmentFile(this.#folder, number))
    const old = this.#segment
    if (old !== undefined) this.#retire(old.descriptor)
    this.#segment = { number, descriptor, size: 0, dirty: false }
    this.#end = { segment: number, bytes: 0 }
    this.#disk.syncFolder(this.#folder)
  }

  /** A descriptor must not be closed, and its number given to another file, while the system still syncs it. */
  #retire(descriptor: number): void {
    const work = (this.#syncing.get(descriptor) ?? Promise.resolve()).then(() => this.#disk.syncLater(descriptor)).catch(() => undefined)
    void work.then(() => {
      this.#syncing.delete(descriptor)
      this.#disk.close(descriptor)
    })
  }

  #takeBack(): void {
    const segment = this.#segment
    if (segment === undefined || !segment.dirty) return
    this.#disk.truncate(segment.descriptor, segment.size)
    segment.dirty = false
  }

  #takeBackQuietly(): void {
    try {
      this.#takeBack()
    } catch {
      // Stays dirty: the next append tries again before it writes, and the next start repairs it as a torn tail.
    }
  }

  #freeTornName(segment: number): string {
    const stem = segmentName(segment).replace('.jsonl', '.torn-')
    let count = 1
    while (existsSync(segmentFile(this.#folder, segment).replace(segmentName(segment), `${stem}${count}`))) count++
    return `${stem}${count}`
  }

  #guard<T>(work: () => T): T {
    try {
      return work()
    } catch (error) {
      const said = error instanceof Error ? error.message : String(error)
      throw new JitError('audit.unwritable', `the trail ${this.file} cannot be written: ${said}`, {
        cause: error,
        details: { file: this.file },
      })
    }
  }
}
