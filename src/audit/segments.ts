import { existsSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { isRegular } from '../core/regular-file.ts'

/** A place in the trail: so many bytes into a segment. */
export interface TrailPosition {
  readonly segment: number
  readonly bytes: number
}

/** Numbers of the segments in the folder, ascending, whatever stands under their names; none when there is no such folder. */
export function segmentNumbers(folder: string): number[] {
  if (!existsSync(folder)) return []
  return readdirSync(folder)
    .map((name) => ({ name, number: Number(/^(\d{6,})\.jsonl$/.exec(name)?.[1]) }))
    .filter(({ name, number }) => Number.isSafeInteger(number) && number > 0 && segmentName(number) === name)
    .map(({ number }) => number)
    .toSorted((one, other) => one - other)
}

/**
 * Numbers of those segments that a reader must read: a link, a pipe, a folder or a device can be no part of a trail. The one
 * where the trail ends, `last`, is a part of it: what took its place since it was written is not passed over in silence.
 */
export function readableSegments(folder: string, last: number): number[] {
  return segmentNumbers(folder).filter((number) => number === last || isRegular(segmentFile(folder, number), { ofAnyone: true }))
}

export function segmentName(number: number): string {
  return `${String(number).padStart(6, '0')}.jsonl`
}

export function segmentFile(folder: string, number: number): string {
  return join(folder, segmentName(number))
}
