import { hash } from 'node:crypto'
import { closeSync, constants, fstatSync, readSync } from 'node:fs'
import { join } from 'node:path'
import { openRegular } from '../core/regular-file.ts'
import { segmentFile } from './segments.ts'
import { anyTerm } from './terms.ts'

/**
 * Which blocks of a closed segment hold what. Derived from the segment, and only there to make searches fast: it says where to
 * look, and what is found there is read from the segment itself. Never used to prove anything.
 *
 * The file, in the byte order of the machine (a foreign one is made again):
 * SHA-256 of all that follows · magic · size and time of the segment · SHA-256 of its two ends · number of blocks, of terms ·
 * offset of each block · oldest and newest time of each block · terms, ascending · the block of each term.
 */
export interface SegmentIndex {
  /** Bytes of the segment. */
  readonly size: number
  /** Offset of each block's first line, ascending, the first one 0. */
  readonly starts: Float64Array
  /** Milliseconds since 1970; infinite where a record's time is none. */
  readonly oldest: Float64Array
  readonly newest: Float64Array
  /** Ascending; beside each the number of a block that holds it. */
  readonly terms: Uint32Array
  readonly blocks: Uint32Array
}

/** What ties an index to the bytes it was made from. */
export interface SegmentState {
  readonly size: number
  /** Nanoseconds since 1970, as the system keeps them: who may write a file can set its time of modification, not this one. */
  readonly changed: bigint
  /** SHA-256 of the segment's first and last bytes. */
  readonly ends: Buffer
}

/** What a search asks of a block. */
export interface BlockFilter {
  readonly terms: readonly number[]
  readonly since?: number | undefined
  readonly until?: number | undefined
}

/** Bytes of a segment, from the start of a line to the end of one. */
export interface Range {
  readonly from: number
  readonly end: number
}

const magic = 0x6a_69_74_31
const digestBytes = 32
const headBytes = 96
const endBytes = 4096
/** A larger file is none of ours: an index is about a hundredth of its segment. */
const largestIndex = 512 * 1024 * 1024

export function indexFile(folder: string, segment: number): string {
  return join(folder, `${String(segment).padStart(6, '0')}.index`)
}

/** The index of a segment; undefined when there is none, or none that can be relied on: then the segment itself is searched. */
export function readIndex(folder: string, segment: number): SegmentIndex | undefined {
  try {
    const found = decodeIndex(readWhole(indexFile(folder, segment)))
    if (found === undefined) return undefined
    const { size, changed, ends } = lookAt(segmentFile(folder, segment))
    return found.state.size === size && found.state.changed === changed && found.state.ends.equals(ends) ? found.index : undefined
  } catch {
    // Absent, unreadable, a pipe, another account's: all the same to a search.
    return undefined
  }
}

/** Throws what the file system says. */
export function lookAt(segment: string): SegmentState {
  const descriptor = openRegular(segment, constants.O_RDONLY, { ofAnyone: true })
  try {
    const { size, ctimeNs } = fstatSync(descriptor, { bigint: true })
    const bytes = Buffer.alloc(2 * endBytes)
    const first = readSync(descriptor, bytes, 0, endBytes, 0)
    const last = readSync(descriptor, bytes, first, endBytes, Math.max(0, Number(size) - endBytes))
    return { size: Number(size), changed: ctimeNs, ends: hash('sha256', bytes.subarray(0, first + last), 'buffer') }
  } finally {
    closeSync(descriptor)
  }
}

export function encodeIndex({ starts, oldest, newest, terms, blocks }: SegmentIndex, state: SegmentState): Buffer {
  const bytes = Buffer.from(new ArrayBuffer(headBytes + starts.length * 24 + terms.length * 8))
  new Uint32Array(bytes.buffer, 32, 2).set([magic, 0])
  new Float64Array(bytes.buffer, 40, 1)[0] = state.size
  new BigUint64Array(bytes.buffer, 48, 1)[0] = state.changed
  state.ends.copy(bytes, 56)
  new Uint32Array(bytes.buffer, 88, 2).set([starts.length, terms.length])
  const views = viewsOf(bytes.buffer, starts.length, terms.length)
  views.starts.set(starts)
  views.oldest.set(oldest)
  views.newest.set(newest)
  views.terms.set(terms)
  views.blocks.set(blocks)
  hash('sha256', bytes.subarray(digestBytes), 'buffer').copy(bytes)
  return bytes
}

/** Undefined for what `encodeIndex` did not write. */
export function decodeIndex(bytes: Buffer<ArrayBuffer>): { readonly index: SegmentIndex; readonly state: SegmentState } | undefined {
  if (bytes.length < headBytes || bytes.byteOffset !== 0) return undefined
  const [found, , count = 0, termCount = 0] = [...new Uint32Array(bytes.buffer, 32, 2), ...new Uint32Array(bytes.buffer, 88, 2)]
  if (found !== magic || bytes.length !== headBytes + count * 24 + termCount * 8) return undefined
  if (!hash('sha256', bytes.subarray(digestBytes), 'buffer').equals(bytes.subarray(0, digestBytes))) return undefined
  const size = new Float64Array(bytes.buffer, 40, 1)[0] ?? 0
  const changed = new BigUint64Array(bytes.buffer, 48, 1)[0] ?? 0n
  const views = viewsOf(bytes.buffer, count, termCount)
  if (!areOffsets(views.starts, size)) return undefined
  return { index: { size, ...views }, state: { size, changed, ends: bytes.subarray(56, 88) } }
}

/** The parts of a segment in which there may be what is asked for, ascending; neighbours are one. */
export function rangesOf(
  index: SegmentIndex,
  { terms, since = Number.NEGATIVE_INFINITY, until = Number.POSITIVE_INFINITY }: BlockFilter,
): Range[] {
  const { starts, oldest, newest, size } = index
  const marked = terms.map((term) => blocksWith(index, term))
  const ranges: { from: number; end: number }[] = []
  for (const [block, from] of starts.entries()) {
    if (!((newest[block] ?? 0) >= since && (oldest[block] ?? 0) <= until)) continue
    if (!marked.every((blocks) => blocks[block] === 1)) continue
    const end = starts[block + 1] ?? size
    const before = ranges.at(-1)
    if (before?.end === from) before.end = end
    else ranges.push({ from, end })
  }
  return ranges
}

/** One for each block that holds the term, or one that stands for all terms. */
function blocksWith({ starts, terms, blocks }: SegmentIndex, wanted: number): Uint8Array {
  const marked = new Uint8Array(starts.length)
  for (const term of [anyTerm, wanted]) {
    for (let at = firstAt(terms, term); terms[at] === term; at += 1) marked[blocks[at] ?? 0] = 1
  }
  return marked
}

/** Where the first term stands that is not smaller. */
function firstAt(terms: Uint32Array, wanted: number): number {
  let [low, high] = [0, terms.length]
  while (low < high) {
    const middle = (low + high) >>> 1
    if ((terms[middle] ?? 0) < wanted) low = middle + 1
    else high = middle
  }
  return low
}

function viewsOf(buffer: ArrayBuffer, blocks: number, terms: number): Omit<SegmentIndex, 'size'> {
  const tables = headBytes + blocks * 24
  return {
    starts: new Float64Array(buffer, headBytes, blocks),
    oldest: new Float64Array(buffer, headBytes + blocks * 8, blocks),
    newest: new Float64Array(buffer, headBytes + blocks * 16, blocks),
    terms: new Uint32Array(buffer, tables, terms),
    blocks: new Uint32Array(buffer, tables + terms * 4, terms),
  }
}

/** In order, so that no search yields a line twice, or before another one that is older. */
function areOffsets(starts: Float64Array, size: number): boolean {
  if (starts.length > 0 && starts[0] !== 0) return false
  return starts.every((start, block) => Number.isSafeInteger(start) && start < (starts[block + 1] ?? size))
}

/** In memory of its own, so that numbers lie where the machine can read them. */
function readWhole(file: string): Buffer<ArrayBuffer> {
  const descriptor = openRegular(file, constants.O_RDONLY)
  try {
    const { size } = fstatSync(descriptor)
    if (size > largestIndex) return Buffer.from(new ArrayBuffer(0))
    const bytes = Buffer.from(new ArrayBuffer(size))
    const length = readSync(descriptor, bytes, 0, size, 0)
    return length === size ? bytes : Buffer.from(new ArrayBuffer(0))
  } finally {
    closeSync(descriptor)
  }
}
