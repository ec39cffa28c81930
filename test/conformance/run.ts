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
  /** How many run side by side (default 1): most of a suite's time is waiting. */
  readonly parallel?: number
}

/** Runs everything wanted, a few at a time; `told` hears of each cell as it is done. */
export async function runConformance(wanted: Wanted, told: (cell: Cell) => void = () => undefined): Promise<Cell[]> {
  const cells: Cell[] = []
  for (let run = 1; run <= wanted.runs; run += 1) {
    const queue = limited(wanted.parallel ?? 1)
    const running = suites
      .filter(({ name }) => wanted.suite(name))
      .flatMap((suite) => runPairings(wanted, suite, run, queue))
      .map(async (cell) => {
        told(await cell)
        return cell
      })
    cells.push(...(await Promise.all(running)))
  }
  return cells
}

type Queue = <Result>(work: () => Promise<Result>) => Promise<Result>

interface Outcome {
  readonly result: SuiteResult | undefined
  readonly problem: string | undefined
}

function runPairings(wanted: Wanted, suite: Suite, run: number, queue: Queue): Promise<Cell>[] {
  const outcomes = new Map<string, Promise<Outcome>>()
  const needed = neededFor(wanted, suite)
  for (const pairing of needed)
    outcomes.set(
      pairing.name,
      queue(() => runPairing(suite, pairing, wanted.scenario)),
    )
  return needed.map(async ({ name, against = '', excuses }) => {
    const { result, problem } = (await outcomes.get(name)) ?? notRun
    const direct = (await outcomes.get(against))?.result
    const comparison = result === undefined || direct === undefined ? undefined : compare(direct, result, excuses)
    return { suite: suite.name, pairing: name, run, result, problem, comparison }
  })
}

const notRun: Outcome = { result: undefined, problem: 'it was not run' }

/** The pairings wanted, and before each that which it is held against. */
function neededFor(wanted: Wanted, suite: Suite): Pairing[] {
  const chosen = pairings.filter((pairing) => wanted.pairing(pairing.name) && pairing.serves(suite))
  const needed = new Set(chosen.map(({ against }) => against))
  return pairings.filter((pairing) => chosen.includes(pairing) || needed.has(pairing.name))
}

async function runPairing(suite: Suite, pairing: Pairing, scenario: string | undefined): Promise<Outcome> {
  try {
    const target = await pairing.start(suite)
    try {
      return { result: await runSuite(suite, target.url, scenario), problem: undefined }
    } finally {
      await target.close()
    }
  } catch (error) {
    return { result: undefined, problem: error instanceof Error ? error.message : String(error) }
  }
}

/** Lets so many pieces of work run at once; the others wait their turn. */
function limited(most: number): Queue {
  let running = 0
  const waiting: (() => void)[] = []
  return async (work) => {
    if (running >= most) await new Promise<void>((go) => waiting.push(go))
    else running += 1
    try {
      return await work()
    } finally {
      const next = waiting.shift()
      if (next === undefined) running -= 1
      else next()
    }
  }
}

/** Whether nothing was lost: every suite that runs without jit is satisfied, and every scenario passes through jit as well. */
export function holds({ result, problem, comparison }: Cell): boolean {
  if (problem !== undefined || result === undefined) return false
  return comparison === undefined ? result.code === 0 : comparison.lost.length === 0
}
