import type { Random } from '../support/random.ts'

/** What one part is told. */
export interface Setting {
  readonly random: Random
  readonly seed: number
  /** `ci`: a minute or two; `nightly`: what the numbers in docs/performance.md come from. */
  readonly size: 'ci' | 'nightly'
  /** A line of progress. */
  say(line: string): void
}

/** What one part did and what broke. Without a failure, and with all counts above zero, it has shown what it is for. */
export interface Outcome {
  readonly counts: Readonly<Record<string, number>>
  readonly failures: readonly string[]
  /** What the machine lacks for a part of it. */
  readonly skipped?: readonly string[]
  /** Figures for people. */
  readonly figures?: Readonly<Record<string, string>>
}

export interface Part {
  readonly name: string
  readonly summary: string
  run(setting: Setting): Promise<Outcome>
}
