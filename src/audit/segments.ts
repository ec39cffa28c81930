import { existsSync, readdirSync } from 'node:fs'
import { join } from 'node:path'

/** A place in the trail: so many bytes into a segment. */
export interface TrailPosition {
  readonly segment: number
  readonly bytes: number
}

/** Numbers of the segments in the folder, ascending; none when there is no such folder. */
export function segmentNumbers(folder: string): number[] {
  if (!existsSync(folder)) return []
  return readdirSync(folder)
    .map((name) => Number(/^(\d{6,})\.jsonl$/.exec(name)?.[1]))
    .filter((number) => Number.isSafeInteger(number) && number > 0)
    .toSorted((one, other) => one - other)
}

export function segmentName(number: number): string {
  return `${String(number).padStart(6, '0')}.jsonl`
}

export function segmentFile(folder: string, number: number): string {
  return join(folder, segmentName(number))
}
