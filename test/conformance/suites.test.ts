import { describe, expect, it } from 'vitest'
import { counts } from './compare.ts'
import { differences } from './print.ts'
import { gaps } from './gaps.ts'
import { type Cell, holds, runConformance } from './run.ts'

/** One run of each suite, against its own fixture; `npm run conformance -- --runs 5` does five of everything and prints the table. */
describe('the MCP conformance suites', () => {
  it.each([
    ['0.1.16 all', 'http'],
    ['0.2.0 2025-11-25', 'http'],
    // What HTTP adds to this revision, no stdio server does, so that one is held against stdio without jit.
    ['0.2.0 2026-07-28', undefined],
  ])(
    '%s: every scenario that passes without jit passes through it',
    async (name, against) => {
      const pairing = (one: string): boolean => one === 'http' || (one.includes('jit') && !gaps.pairings.has(one))
      const cells = await runConformance({ runs: 1, suite: (one) => one === name, pairing, ...(against === undefined ? {} : { against }) })
      expect(cells.some(({ comparison }) => comparison !== undefined)).toBe(true)
      expect(differences(cells.map(withoutGaps).filter((cell) => !holds(cell)))).toBe('')
      for (const { result } of cells) expect(result === undefined ? 0 : counts(result).checks).toBeGreaterThan(40)
    },
    300_000,
  )
})

function withoutGaps(cell: Cell): Cell {
  if (cell.comparison === undefined) return cell
  const lost = cell.comparison.lost.filter(({ scenario }) => !gaps.scenarios.has(scenario))
  return { ...cell, comparison: { ...cell.comparison, lost } }
}
