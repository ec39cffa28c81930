import { describe, expect, it } from 'vitest'
import { counts } from './compare.ts'
import { differences } from './print.ts'
import { holds, runConformance } from './run.ts'

/**
 * Some pairings of each suite, so that each transport stands on each side of jit in each era; `npm run conformance -- --runs 5`
 * runs all of them five times and prints the table.
 */
describe('the MCP conformance suites', () => {
  it.each<[string, string[]]>([
    ['0.1.16 all', ['http→jit→sse', 'stdio→jit→http']],
    ['0.2.0 2025-11-25', ['http→jit→http', 'stdio→jit→sse']],
    ['0.2.0 2025-11-25 v2', ['http→jit→stdio']],
    ['0.2.0 2026-07-28', ['http→jit→stdio', 'stdio→jit→http']],
  ])(
    '%s: every scenario that passes without jit passes through it (%j)',
    async (suite, wanted) => {
      const cells = await runConformance({
        runs: 1,
        parallel: 4,
        suite: (name) => name === suite,
        pairing: (name) => wanted.includes(name),
      })
      expect(cells.filter(({ comparison }) => comparison !== undefined)).toHaveLength(wanted.length)
      expect(differences(cells.filter((cell) => !holds(cell)))).toBe('')
      for (const { result } of cells) expect(result === undefined ? 0 : counts(result).checks).toBeGreaterThan(40)
    },
    300_000,
  )
})
