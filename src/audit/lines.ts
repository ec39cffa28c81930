import { closeSync, constants, fstatSync, readSync } from 'node:fs'
import { open } from 'node:fs/promises'
import { OddFile, openRegular } from '../core/regular-file.ts'

const chunkBytes = 256 * 1024
const newline = 10

export interface Line {
  /** Without its newline; valid until the next step of the reader only in the sense that it may share a larger buffer. */
  readonly bytes: Buffer
  /** Offset of its first byte in the file. */
  readonly start: number
  /** False for bytes after the last newline. */
  readonly whole: boolean
}

/** The lines of `file` from offset `from` up to `end` (default: the end of the file), in batches, oldest first. */
export async function* linesForward(file: string, from = 0, end = Number.POSITIVE_INFINITY): AsyncGenerator<Line[]> {
  const handle = await open(file, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK)
  try {
    if (!(await handle.stat()).isFile()) throw new OddFile(`${file} is not a regular file`)
    let rest = Buffer.alloc(0)
    let start = from
    for (let position = from; position < end;) {
      const wanted = Math.min(chunkBytes, end - position)
      const { bytesRead, buffer } = await handle.read(Buffer.allocUnsafe(wanted), 0, wanted, position)
      if (bytesRead === 0) break
      position += bytesRead
      const bytes = Buffer.concat([rest, buffer.subarray(0, bytesRead)])
      const lines: Line[] = []
      let begin = 0
      for (let stop = bytes.indexOf(newline); stop !== -1; stop = bytes.indexOf(newline, begin)) {
        lines.push({ bytes: bytes.subarray(begin, stop), start: start + begin, whole: true })
        begin = stop + 1
      }
      rest = bytes.subarray(begin)
      start += begin
      if (lines.length > 0) yield lines
    }
    if (rest.length > 0) yield [{ bytes: rest, start, whole: false }]
  } finally {
    await handle.close()
  }
}

/** The lines of `file` that end at or before `end` (default: the end of the file), newest first. Reads as little as it must. */
export function* linesBackward(file: string, end = Number.POSITIVE_INFINITY): Generator<Line> {
  const descriptor = openRegular(file, constants.O_RDONLY, { ofAnyone: true })
  try {
    let position = Math.min(end, fstatSync(descriptor).size)
    /** Chunks of the line whose start was not reached yet, last first. */
    let parts: Buffer[] = []
    let whole = false
    let first = true
    while (position > 0) {
      const bytes = readAt(descriptor, Math.max(0, position - chunkBytes), Math.min(chunkBytes, position))
      const base = position - bytes.length
      let stop = bytes.length
      for (let at = bytes.lastIndexOf(newline); at !== -1; at = at === 0 ? -1 : bytes.lastIndexOf(newline, at - 1)) {
        const line = joined(bytes.subarray(at + 1, stop), parts)
        if (!first || line.length > 0) yield { bytes: line, start: base + at + 1, whole }
        first = false
        whole = true
        parts = []
        stop = at
      }
      parts.push(bytes.subarray(0, stop))
      position = base
    }
    const line = joined(Buffer.alloc(0), parts)
    if (whole || line.length > 0) yield { bytes: line, start: 0, whole }
  } finally {
    closeSync(descriptor)
  }
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
