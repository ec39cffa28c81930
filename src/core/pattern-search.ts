import { PatternTable } from './pattern-table.ts'

/** What was added together, and goes together. */
export interface PatternGroup {
  readonly patterns: readonly string[]
}

/** Patterns in order, so that those that begin alike stand together. */
interface Run {
  readonly patterns: readonly string[]
  /** Of each pattern. */
  readonly groups: readonly PatternGroup[]
  /** For each pattern: which one is the longest that it begins with; -1 when there is none. */
  readonly inner: Int32Array
}

/** Fewer characters are in too many words. */
export const shortestPattern = 8
const widest = 16

/**
 * Finds many patterns, none of them shorter than `shortestPattern`, which come and go. To add one costs the same however many there
 * are: they stand in few sorted runs, each at least twice as long as the next, which are merged as they grow. What was removed may be
 * found for some time yet.
 */
export class PatternSearch {
  readonly #live = new Set<PatternGroup>()
  #runs: Run[] = []
  #table = new PatternTable(widest, 0)
  #longest = 0
  #count = 0
  /** Patterns in the runs whose group is gone. */
  #dead = 0
  /** Looks into the runs since they were joined, or added to. */
  #looks = 0

  /** Characters of the longest pattern. */
  get longest(): number {
    return this.#longest
  }

  get isEmpty(): boolean {
    return this.#count === 0
  }

  /** Those that are too short are not looked for. */
  add(patterns: readonly string[]): PatternGroup {
    const group = { patterns: patterns.filter(({ length }) => length >= shortestPattern) }
    if (group.patterns.length === 0) return group
    this.#live.add(group)
    const shortest = group.patterns.reduce((least, { length }) => Math.min(least, length), widest)
    this.#longest = group.patterns.reduce((most, { length }) => Math.max(most, length), this.#longest)
    this.#count += group.patterns.length
    this.#push(runOf(group.patterns.toSorted(byCode), group))
    if (shortest < this.#table.window || this.#table.isCrowded) this.#makeTable()
    else for (const pattern of group.patterns) this.#table.add(pattern)
    return group
  }

  remove(group: PatternGroup): void {
    if (!this.#live.delete(group)) return
    this.#dead += group.patterns.length
    if (this.#dead * 2 <= this.#count) return
    this.#runs = this.#runs.map((run) => keep(run, this.#live)).filter(({ patterns }) => patterns.length > 0)
    this.#count -= this.#dead
    this.#dead = 0
    this.#makeTable()
  }

  /** Where the next pattern begins at or after `from`; -1 when there is none. */
  find(text: string, from: number): number {
    if (this.#count === 0) return -1
    const table = this.#table
    const { window } = table
    for (let end = from + window - 1; end < text.length;) {
      const shift = table.shiftAt(text, end)
      if (shift > 0) {
        end += shift
        continue
      }
      const at = end - window + 1
      if (this.lengthAt(text, at) > 0) return at
      end += 1
    }
    return -1
  }

  /** Length of the longest pattern that begins at `at`; 0 when none does. */
  lengthAt(text: string, at: number): number {
    if (this.#count === 0 || !this.#table.mayBegin(text, at)) return 0
    if (this.#runs.length > 1 && (this.#looks += 1) > this.#count) this.#join()
    const rest = text.slice(at, at + this.#longest)
    let longest = 0
    for (const run of this.#runs) longest = Math.max(longest, longestAtStart(run, rest))
    return longest
  }

  /** Where the longest end of `text` begins that is the start of some pattern; its length when none is. */
  possibleStart(text: string, from: number): number {
    for (let at = Math.max(from, text.length - this.#longest + 1); at < text.length; at += 1) {
      if (!this.#table.mayBegin(text, at)) continue
      const end = text.slice(at)
      if (this.#runs.some(({ patterns }) => patterns[firstAfter(patterns, end)]?.startsWith(end) === true)) return at
    }
    return text.length
  }

  replaceAll(text: string, replacement: string): string {
    let at = this.find(text, 0)
    if (at === -1) return text
    let clean = ''
    let from = 0
    for (; at !== -1; at = this.find(text, from)) {
      clean += text.slice(from, at) + replacement
      from = at + this.lengthAt(text, at)
    }
    return clean + text.slice(from)
  }

  #push(run: Run): void {
    this.#looks = 0
    let added = run
    for (let last = this.#runs.at(-1); last !== undefined; last = this.#runs.at(-1)) {
      if (last.patterns.length >= 2 * added.patterns.length) break
      this.#runs.pop()
      added = merge(last, added)
    }
    this.#runs.push(added)
  }

  /** A text that is full of beginnings looks into each run again and again: then one is worth the time that it takes to make it. */
  #join(): void {
    const [first, ...others] = this.#runs
    if (first !== undefined) this.#runs = [others.reduce(merge, first)]
    this.#looks = 0
  }

  #makeTable(): void {
    let window = widest
    this.#longest = 0
    for (const { patterns } of this.#runs) {
      for (const { length } of patterns) {
        if (length < window) window = length
        if (length > this.#longest) this.#longest = length
      }
    }
    this.#table = new PatternTable(window, this.#count * 2)
    for (const { patterns } of this.#runs) for (const pattern of patterns) this.#table.add(pattern)
  }
}

function byCode(one: string, other: string): number {
  return one < other ? -1 : one > other ? 1 : 0
}

function runOf(patterns: readonly string[], group: PatternGroup): Run {
  return { patterns, groups: patterns.map(() => group), inner: innerOf(patterns) }
}

function merge(one: Run, other: Run): Run {
  const patterns: string[] = []
  const groups: PatternGroup[] = []
  let left = 0
  let right = 0
  while (left < one.patterns.length || right < other.patterns.length) {
    const [first, second] = [one.patterns[left], other.patterns[right]]
    const isLeft = second === undefined || (first !== undefined && first <= second)
    const [run, index] = isLeft ? [one, left++] : [other, right++]
    const [pattern, group] = [run.patterns[index], run.groups[index]]
    if (pattern === undefined || group === undefined) break
    patterns.push(pattern)
    groups.push(group)
  }
  return { patterns, groups, inner: innerOf(patterns) }
}

/** What of it is left. */
function keep({ patterns, groups }: Run, live: ReadonlySet<PatternGroup>): Run {
  const isKept = (index: number): boolean => {
    const group = groups[index]
    return group !== undefined && live.has(group)
  }
  const kept = patterns.filter((_, index) => isKept(index))
  return { patterns: kept, groups: groups.filter((_, index) => isKept(index)), inner: innerOf(kept) }
}

function innerOf(patterns: readonly string[]): Int32Array {
  const inner = new Int32Array(patterns.length)
  for (const [index, pattern] of patterns.entries()) {
    let before = index - 1
    while (before >= 0 && !pattern.startsWith(patterns[before] ?? '')) before = inner[before] ?? -1
    inner[index] = before
  }
  return inner
}

/**
 * All patterns that begin so stand in a row before the text itself, each the beginning of the next: a search by halves finds their
 * end, however many begin alike.
 */
function longestAtStart({ patterns, inner }: Run, text: string): number {
  let index = firstAfter(patterns, text) - 1
  while (index >= 0 && !text.startsWith(patterns[index] ?? '')) index = inner[index] ?? -1
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
