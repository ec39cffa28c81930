import { closeSync, constants, fstatSync, readSync } from 'node:fs'
import { open } from 'node:fs/promises'
import { OddFile, openRegular } from '../core/regular-file.ts'

const chunkBytes = 256 * 1024
/** Where few lines are looked at: fewer waits for a thread that reads, on a machine where others want one too. */
const probedBytes = 1024 * 1024
const newline = 10

export interface Line {
  /** Without its newline; valid until the next step of the reader only in the sense that it may share a larger buffer. */
  readonly bytes: Buffer
  /** Offset of its first byte in the file. */
  readonly start: number
  /** False for bytes after the last newline. */
  readonly whole: boolean
}

/** Which lines of a file are read. */
export interface LinesPart {
  /** Offset of the first line's first byte. Default: 0. */
  readonly from?: number | undefined
  /** Default: the end of the file. */
  readonly end?: number | undefined
  /** Only lines that hold these bytes need to be yielded; others may be. Far cheaper than a look at each line. */
  readonly probe?: Buffer | undefined
}

/** Whole lines one behind the other, as they stand in the file. */
export interface Stretch {
  readonly bytes: Buffer
  /** Offset of its first byte in the file. */
  readonly start: number
  /** False for the bytes after the last newline, which come last. */
  readonly whole: boolean
}

/** The lines of a part of `file`, in batches, oldest first. */
export async function* linesForward(
  file: string,
  { from = 0, end = Number.POSITIVE_INFINITY, probe }: LinesPart = {},
): AsyncGenerator<Line[]> {
  const chunk = probe === undefined ? chunkBytes : probedBytes
  for await (const { bytes, start, whole } of stretchesForward(file, { from, end, chunk })) {
    const lines = whole ? wholeLines(bytes, { from: 0, end: bytes.length, base: start, probe }) : [{ bytes, start, whole }]
    if (lines.length > 0) yield lines
  }
}

/** A part of `file`, oldest first, in stretches of about `chunk` bytes, or of one line where that is longer. */
export async function* stretchesForward(
  file: string,
  {
    from = 0,
    end = Number.POSITIVE_INFINITY,
    chunk = chunkBytes,
  }: { readonly from?: number; readonly end?: number; readonly chunk?: number },
): AsyncGenerator<Stretch> {
  const handle = await open(file, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK)
  try {
    if (!(await handle.stat()).isFile()) throw new OddFile(`${file} is not a regular file`)
    let rest = Buffer.alloc(0)
    let start = from
    for (let position = from; position < end;) {
      // As much again of a line that is longer: each of its bytes is copied twice, and not once for every read.
      const wanted = Math.min(Math.max(chunk, rest.length), end - position)
      const buffer = Buffer.allocUnsafe(rest.length + wanted)
      rest.copy(buffer)
      const { bytesRead } = await handle.read(buffer, rest.length, wanted, position)
      if (bytesRead === 0) break
      position += bytesRead
      const bytes = buffer.subarray(0, rest.length + bytesRead)
      const stop = bytes.lastIndexOf(newline) + 1
      rest = bytes.subarray(stop)
      if (stop > 0) yield { bytes: bytes.subarray(0, stop), start, whole: true }
      start += stop
    }
    if (rest.length > 0) yield { bytes: rest, start, whole: false }
  } finally {
    await handle.close()
  }
}

/** Lines of these bytes, without their newlines. */
export function* splitLines(bytes: Buffer): Generator<Buffer> {
  for (let begin = 0; begin < bytes.length;) {
    const found = bytes.indexOf(newline, begin)
    const stop = found === -1 ? bytes.length : found
    yield bytes.subarray(begin, stop)
    begin = stop + 1
  }
}

/** How many of these bytes, which begin with a line, make a block: so many, and on to the end of the line. */
export function blockLength(bytes: Buffer, least: number): number {
  const stop = least > bytes.length ? -1 : bytes.indexOf(newline, least - 1)
  return stop === -1 ? bytes.length : stop + 1
}

/** The lines of `file` that end at or before `end` (default: the end of the file), newest first. Reads as little as it must. */
export function* linesBackward(file: string, end = Number.POSITIVE_INFINITY): Generator<Line> {
  for (const lines of batchesBackward(file, { end })) yield* lines
}

/** The lines of a part of `file`, newest first, in batches of one read each, so that a long search can leave others their turn. */
export function* batchesBackward(file: string, { from = 0, end = Number.POSITIVE_INFINITY, probe }: LinesPart): Generator<Line[]> {
  const descriptor = openRegular(file, constants.O_RDONLY, { ofAnyone: true })
  try {
    let position = Math.min(end, fstatSync(descriptor).size)
    /** Chunks of the line whose start was not reached yet, last first. */
    let parts: Buffer[] = []
    let whole = false
    let first = true
    while (position > from) {
      const length = Math.min(chunkBytes, position - from)
      const bytes = readAt(descriptor, position - length, length)
      // Shorter than asked: the file was cut while it was read.
      const base = position - length
      position = base
      const last = bytes.lastIndexOf(newline)
      if (last === -1) {
        parts.push(bytes)
        continue
      }
      const lines: Line[] = []
      const line = joined(bytes.subarray(last + 1), parts)
      if (!first || line.length > 0) lines.push({ bytes: line, start: base + last + 1, whole })
      first = false
      whole = true
      const begin = bytes.indexOf(newline)
      lines.push(...wholeLines(bytes, { from: begin + 1, end: last + 1, base, probe }).reverse())
      parts = [bytes.subarray(0, begin)]
      yield lines
    }
    const line = joined(Buffer.alloc(0), parts)
    if (whole || line.length > 0) yield [{ bytes: line, start: from, whole }]
  } finally {
    closeSync(descriptor)
  }
}

/** Lines of a part of `bytes` that begins and ends where a line does; `base` is the offset of `bytes` in the file. */
function wholeLines(
  bytes: Buffer,
  { from, end, base, probe }: { readonly from: number; readonly end: number; readonly base: number; readonly probe: Buffer | undefined },
): Line[] {
  const lines: Line[] = []
  for (let begin = from; begin < end;) {
    if (probe !== undefined) {
      const at = bytes.indexOf(probe, begin)
      if (at === -1 || at >= end) break
      if (at > begin) begin = Math.max(begin, bytes.lastIndexOf(newline, at - 1) + 1)
    }
    const stop = bytes.indexOf(newline, begin)
    lines.push({ bytes: bytes.subarray(begin, stop), start: base + begin, whole: true })
    begin = stop + 1
  }
  return lines
}

function joined(head: Buffer, rest: readonly Buffer[]): Buffer {
  return rest.length === 0 ? head : Buffer.concat([head, ...rest.toReversed()])
}

function readAt(descriptor: number, position: number, length: number): Buffer {
  const buffer = Buffer.allocUnsafe(length)
  let read = 0
  while (read < length) {
    const count = readSync(descriptor, buffer, read, length - read, position + read)
    if (count === 0) break
    read += count
  }
  return buffer.subarray(0, read)
}
