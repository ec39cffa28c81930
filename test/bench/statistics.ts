/** The middle of many measurements and where most of them lie. */
export interface Spread {
  readonly median: number
  readonly p10: number
  readonly p90: number
}

/** Of values in ascending order. */
export function quantile(sorted: readonly number[], share: number): number {
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN
}

export function median(values: readonly number[]): number {
  return spread(values).median
}

export function spread(values: readonly number[]): Spread {
  const sorted = [...values].sort((left, right) => left - right)
  return { median: quantile(sorted, 0.5), p10: quantile(sorted, 0.1), p90: quantile(sorted, 0.9) }
}

/**
 * What was measured, by path and figure, a value for each round. Two paths are compared round by round, because both had the
 * same machine at that moment; the middle of these ratios says more than the ratio of two middles.
 */
export class Samples {
  readonly #values = new Map<string, number[]>()

  add(path: string, figures: Readonly<Record<string, number>>): void {
    for (const [figure, value] of Object.entries(figures)) {
      const key = `${path} ${figure}`
      const known = this.#values.get(key)
      if (known === undefined) this.#values.set(key, [value])
      else known.push(value)
    }
  }

  has(path: string, figure: string): boolean {
    return this.#values.has(`${path} ${figure}`)
  }

  spread(path: string, figure: string): Spread {
    return spread(this.#of(path, figure))
  }

  ratio(path: string, other: string, figure: string): Spread {
    return this.compare([path, other], figure, (value, base) => value / base)
  }

  difference(path: string, other: string, figure: string): Spread {
    return this.compare([path, other], figure, (value, base) => value - base)
  }

  /** A value for each round in which all of the paths have one. */
  compare(paths: readonly string[], figure: string, compute: (...values: number[]) => number): Spread {
    const columns = paths.map((path) => this.#of(path, figure))
    const rounds = Math.min(...columns.map((column) => column.length))
    return spread(Array.from({ length: rounds }, (_, round) => compute(...columns.map((column) => column[round] ?? Number.NaN))))
  }

  #of(path: string, figure: string): readonly number[] {
    return this.#values.get(`${path} ${figure}`) ?? []
  }
}

export interface Path {
  readonly name: string
  /** One round: a value for each figure. */
  measure(): Promise<Readonly<Record<string, number>>>
}

/** The paths take turns, and another one begins in each round: a machine that slows down slows all of them. */
export async function takeTurns(paths: readonly Path[], rounds: number, into = new Samples()): Promise<Samples> {
  for (let round = 0; round < rounds; round += 1) {
    for (let turn = 0; turn < paths.length; turn += 1) {
      const path = paths[(round + turn) % paths.length]
      if (path !== undefined) into.add(path.name, await path.measure())
    }
  }
  return into
}
