import { lstatSync } from 'node:fs'
import { extname } from 'node:path'
import { Worker } from 'node:worker_threads'
import { z } from 'zod'
import type { Clock } from '../core/clock.ts'
import type { Logger } from '../core/types.ts'
import { readIndex, type SegmentIndex } from './segment-index.ts'
import { segmentFile, segmentName } from './segments.ts'

interface Options {
  readonly folder: string
  readonly clock: Clock
  readonly log: Logger
}

/** Reading all of a smaller segment is as fast as asking an index. */
const smallest = 1024 * 1024
/** Milliseconds from the first segment that wants an index until they are made: to start the thread costs as much as an index. */
const delay = 10_000

const failure = z.object({ segment: z.number(), reason: z.string() })

/**
 * Sees to it that closed segments get an index: one thread makes those that searches missed and those of segments that have
 * just been closed. A search never waits for it, and nor does a call.
 */
export class Indexer {
  readonly #options: Options
  readonly #wanted = new Set<number>()
  /** Not tried again by this process. */
  readonly #hopeless = new Set<number>()
  #cancel: (() => void) | undefined
  #worker: Worker | undefined
  #closed = false

  constructor(options: Options) {
    this.#options = options
  }

  readonly find = (segment: number): SegmentIndex | undefined => {
    const index = readIndex(this.#options.folder, segment)
    if (index === undefined) this.add(segment)
    return index
  }

  /** The segment is closed and wants an index. */
  add(segment: number): void {
    if (this.#closed || this.#hopeless.has(segment)) return
    this.#wanted.add(segment)
    if (this.#worker === undefined) this.#cancel ??= this.#options.clock.after(delay, () => this.#start())
  }

  async close(): Promise<void> {
    this.#closed = true
    this.#cancel?.()
    await this.#worker?.terminate()
  }

  #start(): void {
    this.#cancel = undefined
    const { folder, log } = this.#options
    const segments: number[] = []
    for (const segment of this.#wanted) {
      if (this.#isWorthIt(segment)) segments.push(segment)
      else this.#hopeless.add(segment)
    }
    this.#wanted.clear()
    if (segments.length === 0) return
    const file = new URL(`index-worker${extname(import.meta.filename)}`, import.meta.url)
    const worker = new Worker(file, {
      workerData: { folder, segments },
      env: {},
      execArgv: [],
      resourceLimits: { maxOldGenerationSizeMb: 256 },
    })
    this.#worker = worker
    worker.unref()
    worker.on('message', (message: unknown) => {
      const { segment, reason } = failure.parse(message)
      this.#hopeless.add(segment)
      log.warn('a segment of the trail has no index; searches read all of it', { segment: segmentName(segment), reason })
    })
    worker.on('error', (error) => {
      for (const segment of segments) this.#hopeless.add(segment)
      log.warn('the trail’s indexes were not made; searches read all of it', { error: String(error) })
    })
    worker.on('exit', () => {
      this.#worker = undefined
      const [next] = this.#wanted
      if (next !== undefined) this.add(next)
    })
  }

  #isWorthIt(segment: number): boolean {
    const found = lstatSync(segmentFile(this.#options.folder, segment), { throwIfNoEntry: false })
    return found !== undefined && found.size >= smallest
  }
}
