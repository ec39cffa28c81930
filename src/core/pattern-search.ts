/**
 * Horspool's search for many patterns: the last three characters of a window as long as the shortest pattern (at most
 * `widest`) say how far the window may move without missing one.
 */
export interface Matcher {
  /** In order, so that those that begin alike stand together. */
  readonly patterns: readonly string[]
  /** For each pattern: which one is the longest that it begins with; -1 when there is none. */
  readonly inner: readonly number[]
  readonly longest: number
  readonly window: number
  readonly shifts: Uint8Array
  /** First characters, and first three characters, of patterns: for the ends of pieces. */
  readonly first: Uint8Array
  readonly firstThree: Uint8Array
}

const widest = 16
const tableSize = 1 << 16

export function compile(patterns: string[]): Matcher | undefined {
  if (patterns.length === 0) return undefined
  patterns.sort()
  const window = patterns.reduce((least, { length }) => Math.min(least, length), widest)
  const longest = patterns.reduce((most, { length }) => Math.max(most, length), 0)
  const shifts = new Uint8Array(tableSize).fill(window - 2)
  const first = new Uint8Array(256)
  const firstThree = new Uint8Array(tableSize)
  for (const pattern of patterns) {
    first[pattern.charCodeAt(0) & 255] = 1
    firstThree[slotOf(pattern, 2)] = 1
    for (let end = 2; end < window; end += 1) {
      const slot = slotOf(pattern, end)
      shifts[slot] = Math.min(shifts[slot] ?? 0, window - 1 - end)
    }
  }
  return { patterns, inner: innerOf(patterns), longest, window, shifts, first, firstThree }
}

function innerOf(patterns: readonly string[]): number[] {
  const inner: number[] = []
  for (const [index, pattern] of patterns.entries()) {
    let before = index - 1
    while (before >= 0 && !pattern.startsWith(patterns[before] ?? '')) before = inner[before] ?? -1
    inner.push(before)
  }
  return inner
}

function slotOf(text: string, end: number): number {
  return ((text.charCodeAt(end - 2) << 8) ^ (text.charCodeAt(end - 1) << 4) ^ text.charCodeAt(end)) & (tableSize - 1)
}

/** Where the next pattern begins at or after `from`; -1 when there is none. */
export function find(matcher: Matcher, text: string, from: number): number {
  const { window, shifts } = matcher
  for (let end = from + window - 1; end < text.length;) {
    const shift = shifts[slotOf(text, end)] ?? 0
    if (shift > 0) {
      end += shift
      continue
    }
    const at = end - window + 1
    if (lengthAt(matcher, text, at) > 0) return at
    end += 1
  }
  return -1
}

/**
 * Length of the longest pattern that begins at `at`; 0 when none does. All patterns that begin so stand in a row before the
 * text itself, each the beginning of the next: a search by halves finds their end, however many secrets begin alike.
 */
export function lengthAt({ patterns, inner, longest }: Matcher, text: string, at: number): number {
  const rest = text.slice(at, at + longest)
  let index = firstAfter(patterns, rest) - 1
  while (index >= 0 && !rest.startsWith(patterns[index] ?? '')) index = inner[index] ?? -1
  return patterns[index]?.length ?? 0
}

/** Index of the first pattern that stands behind `text` in order. */
function firstAfter(patterns: readonly string[], text: string): number {
  let low = 0
  let high = patterns.length
  while (low < high) {
    const middle = (low + high) >> 1
    if ((patterns[middle] ?? '') > text) high = middle
    else low = middle + 1
  }
  return low
}

/** Where the longest end of `text` begins that is the start of some pattern; its length when none is. */
export function possibleStart({ patterns, longest, first, firstThree }: Matcher, text: string, from: number): number {
  for (let at = Math.max(from, text.length - longest + 1); at < text.length; at += 1) {
    if (first[text.charCodeAt(at) & 255] === 0 || (at + 2 < text.length && firstThree[slotOf(text, at + 2)] === 0)) continue
    const end = text.slice(at)
    if (patterns[firstAfter(patterns, end)]?.startsWith(end) === true) return at
  }
  return text.length
}

export function replaceAll(matcher: Matcher, text: string, replacement: string): string {
  let at = find(matcher, text, 0)
  if (at === -1) return text
  let clean = ''
  let from = 0
  for (; at !== -1; at = find(matcher, text, from)) {
    clean += text.slice(from, at) + replacement
    from = at + lengthAt(matcher, text, at)
  }
  return clean + text.slice(from)
}
