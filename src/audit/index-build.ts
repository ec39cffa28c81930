import { closeSync, constants, openSync, readdirSync, renameSync, rmSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { readBlock } from './block.ts'
import { blockLength, stretchesForward } from './lines.ts'
import { encodeIndex, indexFile, lookAt, type SegmentIndex, type SegmentState } from './segment-index.ts'
import { segmentFile, segmentNumbers } from './segments.ts'

/** Bytes of a block, unless its last line is longer: what a search reads for one record. */
const blockBytes = 64 * 1024
/** Terms and blocks are sorted as one number each, which has 53 bits. */
const mostBlocks = 2 ** 21

/**
 * Makes the index of a closed segment anew, in one step: readers see the old one, none, or all of it (0600). Throws what the
 * file system says; says no when the segment was changed meanwhile, or is too large.
 */
export async function buildIndex(folder: string, segment: number, block = blockBytes): Promise<boolean> {
  const file = segmentFile(folder, segment)
  const state = lookAt(file)
  const index = await derive(file, state, block)
  const after = lookAt(file)
  if (index === undefined || after.changed !== state.changed || after.size !== state.size) return false
  replace(indexFile(folder, segment), encodeIndex(index, state))
  return true
}

/** Removes what is left of indexes whose segment is gone, and of builds that were killed. Throws what the file system says. */
export function removeStrayIndexes(folder: string): void {
  const segments = new Set(segmentNumbers(folder))
  for (const name of readdirSync(folder)) {
    const [, number, half] = /^(\d{6,})\.index(-new)?$/.exec(name) ?? []
    if (number !== undefined && (half !== undefined || !segments.has(Number(number)))) rmSync(join(folder, name), { force: true })
  }
}

async function derive(file: string, { size }: SegmentState, block: number): Promise<SegmentIndex | undefined> {
  const starts: number[] = []
  const oldest: number[] = []
  const newest: number[] = []
  const pairs: number[] = []
  for await (const stretch of stretchesForward(file, { end: size })) {
    for (let from = 0; from < stretch.bytes.length;) {
      if (starts.length === mostBlocks) return undefined
      const rest = stretch.bytes.subarray(from)
      const bytes = rest.subarray(0, blockLength(rest, block))
      const contents = readBlock(bytes)
      for (const term of contents.terms) pairs.push(term * mostBlocks + starts.length)
      starts.push(stretch.start + from)
      oldest.push(contents.oldest)
      newest.push(contents.newest)
      from += bytes.length
    }
  }
  const sorted = Float64Array.from(pairs).sort()
  return {
    size,
    starts: Float64Array.from(starts),
    oldest: Float64Array.from(oldest),
    newest: Float64Array.from(newest),
    terms: Uint32Array.from(sorted, (pair) => Math.floor(pair / mostBlocks)),
    blocks: Uint32Array.from(sorted, (pair) => pair % mostBlocks),
  }
}

function replace(file: string, bytes: Buffer): void {
  const half = `${file}-new`
  rmSync(half, { force: true })
  const descriptor = openSync(half, constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW, 0o600)
  try {
    try {
      // Not made durable: what a power cut leaves of it does not have the hash it states.
      for (let written = 0; written < bytes.length;) written += writeSync(descriptor, bytes, written)
    } finally {
      closeSync(descriptor)
    }
    renameSync(half, file)
  } catch (error) {
    rmSync(half, { force: true })
    throw error
  }
}
