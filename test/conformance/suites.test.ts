import { describe, expect, it } from 'vitest'
import { counts } from './compare.ts'
import { differences } from './print.ts'
import { holds, runConformance } from './run.ts'
import { suites } from './suites.ts'

/** One run of each suite over every pairing: `npm run conformance -- --runs 5` does it five times and prints the table. */
describe('the MCP conformance suites', () => {
  it.each(suites.map(({ name }) => name))(
    '%s: every scenario that passes without jit passes through it',
    async (name) => {
      const cells = await runConformance({ runs: 1, suite: (one) => one === name, pairing: () => true })
      expect(differences(cells.filter((cell) => !holds(cell)))).toBe('')
      for (const { result } of cells) expect(result === undefined ? 0 : counts(result).checks).toBeGreaterThan(40)
    },
    240_000,
  )
})
