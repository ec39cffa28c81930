import { compare, type Comparison } from './compare.ts'
import { type Pairing, pairings } from './pairings.ts'
import { type Suite, type SuiteResult, runSuite, suites } from './suites.ts'

export interface Cell {
  readonly suite: string
  readonly pairing: string
  readonly run: number
  /** Undefined when it could not even be started or left no results. */
  readonly result: SuiteResult | undefined
  readonly problem: string | undefined
  /** Against the pairing without jit; undefined for those without, and where that one is missing. */
  readonly comparison: Comparison | undefined
}

export interface Wanted {
  readonly runs: number
  /** Only scenarios of this name; undefined: whole suites. */
  readonly scenario?: string | undefined
  /** Which suites and pairings, by name. */
  suite(name: string): boolean
  pairing(name: string): boolean
  /** Hold everything against this pairing, instead of each against the one that differs only by jit. Saves a run. */
  readonly against?: string
}

/** Runs everything wanted, one after the other; `told` hears of each cell as it is done. */
export async function runConformance(wanted: Wanted, told: (cell: Cell) => void = () => undefined): Promise<Cell[]> {
  const cells: Cell[] = []
  for (let run = 1; run <= wanted.runs; run += 1) {
    for (const suite of suites.filter(({ name }) => wanted.suite(name))) {
      const results = new Map<string, SuiteResult>()
      for (const pairing of neededFor(wanted, suite)) {
        const cell = await runCell(wanted, suite, pairing, run, results)
        if (cell.result !== undefined) results.set(pairing.name, cell.result)
        cells.push(cell)
        told(cell)
      }
    }
  }
  return cells
}

/** The pairings wanted, and those that they are held against. */
function neededFor(wanted: Wanted, suite: Suite): Pairing[] {
  const chosen = pairings.filter((pairing) => wanted.pairing(pairing.name) && pairing.serves(suite))
  const needed = new Set(chosen.map((pairing) => baseline(wanted, pairing)))
  return pairings.filter((pairing) => chosen.includes(pairing) || needed.has(pairing.name))
}

function baseline({ against }: Wanted, pairing: Pairing): string | undefined {
  return pairing.against === undefined ? undefined : (against ?? pairing.against)
}

async function runCell(
  wanted: Wanted,
  suite: Suite,
  pairing: Pairing,
  run: number,
  results: ReadonlyMap<string, SuiteResult>,
): Promise<Cell> {
  const place = { suite: suite.name, pairing: pairing.name, run }
  try {
    const target = await pairing.start(suite)
    try {
      const result = await runSuite(suite, target.url, wanted.scenario)
      const direct = results.get(baseline(wanted, pairing) ?? '')
      return { ...place, result, problem: undefined, comparison: direct === undefined ? undefined : compare(direct, result) }
    } finally {
      await target.close()
    }
  } catch (error) {
    return { ...place, result: undefined, problem: error instanceof Error ? error.message : String(error), comparison: undefined }
  }
}

/** Whether nothing was lost: every suite that runs without jit is satisfied, and every scenario passes through jit as well. */
export function holds({ result, problem, comparison }: Cell): boolean {
  if (problem !== undefined || result === undefined) return false
  return comparison === undefined ? result.code === 0 : comparison.lost.length === 0
}
