import { counts, type Difference } from './compare.ts'
import { type Cell, holds } from './run.ts'

/** One row per run of a suite, one column per pairing: scenarios that pass, and what was lost. */
export function table(cells: readonly Cell[]): string {
  const columns = [...new Set(cells.map(({ pairing }) => pairing))]
  const rows = [...new Set(cells.map(({ suite, run }) => JSON.stringify([suite, run])))]
  const body = rows.map((row) => {
    const [suite, run]: unknown[] = JSON.parse(row)
    return [
      `${String(suite)} #${String(run)}`,
      ...columns.map((column) => {
        const cell = cells.find((one) => one.suite === suite && one.run === run && one.pairing === column)
        return cell === undefined ? '-' : brief(cell)
      }),
    ]
  })
  return aligned([['scenarios passing (checks passed/failed)', ...columns], ...body])
}

export function brief(cell: Cell): string {
  if (cell.result === undefined) return 'did not run'
  const { passing, scenarios, checks, failed } = counts(cell.result)
  const lost = new Set(cell.comparison?.lost.map(({ scenario }) => scenario)).size
  return `${passing}/${scenarios} (${checks}/${failed})${lost > 0 ? ` LOST ${lost}` : ''}${holds(cell) ? '' : ' ✗'}`
}

/** Check by check what passes without jit and not through it. */
export function differences(cells: readonly Cell[]): string {
  return cells
    .flatMap((cell) => {
      const place = `${cell.suite} #${cell.run}, ${cell.pairing}`
      if (cell.problem !== undefined) return [`${place}: ${cell.problem}`]
      if (holds(cell)) return []
      const lost = cell.comparison?.lost ?? []
      return [`${place}:`, ...(lost.length === 0 ? ['  the suite itself is not satisfied'] : lost.map((one) => `  - ${described(one)}`))]
    })
    .join('\n')
}

function described({ scenario, check, before, after }: Difference): string {
  const is = after === undefined ? 'missing' : `${after.status} ${after.message}`
  return `${scenario}: ${check ?? 'no results'}\n      ${before.status} → ${is.slice(0, 600)}`
}

function aligned(rows: readonly (readonly string[])[]): string {
  const widths = (rows[0] ?? []).map((_cell, index) => Math.max(...rows.map((row) => row[index]?.length ?? 0)))
  return rows
    .map((row) =>
      row
        .map((cell, index) => cell.padEnd(widths[index] ?? 0))
        .join('  ')
        .trimEnd(),
    )
    .join('\n')
}
