import { closeSync, fdatasyncSync, fstatSync, ftruncateSync, openSync, readdirSync, readSync, writeFileSync, writeSync } from 'node:fs'
import { createHash } from 'node:crypto'
import { join } from 'node:path'
import { JitError } from '../core/errors.ts'

export const firstHash = '0'.repeat(64)

export interface Tail {
  readonly seq: number
  readonly hash: string
  /** Bytes after the last newline, set aside in a file of their own; empty when the trail ended cleanly. */
  readonly torn: { readonly bytes: number; readonly sha256: string; readonly file: string } | undefined
}

export function segmentNames(folder: string): string[] {
  return readdirSync(folder)
    .filter((name) => /^\d{6}\.jsonl$/.test(name))
    .sort()
}

/** The file that is being appended to. A write that fails is taken back, so that the next one finds a whole trail. */
export class Segment {
  readonly file: string
  readonly #descriptor: number
  size: number

  constructor(folder: string, number: number) {
    this.file = join(folder, `${String(number).padStart(6, '0')}.jsonl`)
    this.#descriptor = openSync(this.file, 'a+', 0o600)
    this.size = fstatSync(this.#descriptor).size
  }

  /** Throws JitError `audit.unwritable`; then nothing of `line` stands in the file. */
  append(line: Buffer, sync: boolean): void {
    try {
      let written = 0
      while (written < line.length) written += writeSync(this.#descriptor, line, written)
      if (sync) fdatasyncSync(this.#descriptor)
      this.size += line.length
    } catch (error) {
      this.#takeBack()
      throw new JitError(
        'audit.unwritable',
        `the trail ${this.file} cannot be written: ${error instanceof Error ? error.message : String(error)}`,
        { cause: error },
      )
    }
  }

  /** Position of the last whole record, read from the end of the file. */
  tail(previous: Omit<Tail, 'torn'>): Tail {
    const content = this.#read(Math.max(0, this.size - 1024 * 1024))
    const end = content.lastIndexOf(10) + 1
    let torn: Tail['torn']
    if (end < content.length) {
      const rest = content.subarray(end)
      const file = `${this.file.slice(0, -'.jsonl'.length)}.torn-${this.size - rest.length}`
      writeFileSync(file, rest, { mode: 0o600 })
      this.size -= rest.length
      ftruncateSync(this.#descriptor, this.size)
      torn = { bytes: rest.length, sha256: createHash('sha256').update(rest).digest('hex'), file }
    }
    if (end === 0) return { ...previous, torn }
    const line = content.subarray(content.lastIndexOf(10, end - 2) + 1, end - 1).toString('utf8')
    const seq = Number(/^\{"seq":(\d+),/.exec(line)?.[1])
    const hash = /"hash":"([0-9a-f]{64})"\}$/.exec(line)?.[1]
    if (!Number.isSafeInteger(seq) || hash === undefined)
      throw new JitError('audit.broken', `the last record of ${this.file} is not a record`)
    return { seq, hash, torn }
  }

  sync(): void {
    fdatasyncSync(this.#descriptor)
  }

  close(): void {
    closeSync(this.#descriptor)
  }

  #read(from: number): Buffer {
    const buffer = Buffer.alloc(this.size - from)
    readSync(this.#descriptor, buffer, 0, buffer.length, from)
    return buffer
  }

  #takeBack(): void {
    try {
      ftruncateSync(this.#descriptor, this.size)
    } catch {
      // The torn line stays; the next start sets it aside and says so.
    }
  }
}
