import { describe, expect, it } from 'vitest'
import { counts } from './compare.ts'
import { differences } from './print.ts'
import { gaps } from './gaps.ts'
import { type Cell, holds, runConformance } from './run.ts'
import { suites } from './suites.ts'

/** One run of each suite over every pairing: `npm run conformance -- --runs 5` does it five times and prints the table. */
describe('the MCP conformance suites', () => {
  it.each(suites.map(({ name }) => name))(
    '%s: every scenario that passes without jit passes through it',
    async (name) => {
      const cells = await runConformance({ runs: 1, suite: (one) => one === name, pairing: () => true })
      const more = cells.map(withoutGaps)
      expect(differences(more.filter((cell) => !holds(cell)))).toBe('')
      for (const { result } of cells) expect(result === undefined ? 0 : counts(result).checks).toBeGreaterThan(40)
    },
    240_000,
  )
})

function withoutGaps(cell: Cell): Cell {
  if (cell.comparison === undefined) return cell
  const lost = cell.comparison.lost.filter(({ scenario }) => !gaps.scenarios.has(scenario))
  return { ...cell, comparison: { ...cell.comparison, lost } }
}
