import { fold } from './scan.ts'

/** A key that some reader takes for one of these names though it is spelled in another way; undefined when there is none. */
export function otherSpelling(object: object, names: readonly string[]): string | undefined {
  const folded = new Set(names.map(fold))
  return Object.keys(object).find((key) => !names.includes(key) && folded.has(fold(key)))
}
