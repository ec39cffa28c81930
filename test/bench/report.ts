import type { Chart } from './chart.ts'
import type { Spread } from './statistics.ts'

/** What one subject found. */
export interface Report {
  readonly subject: string
  readonly tables: readonly Table[]
  readonly targets: readonly Target[]
  readonly charts: readonly Chart[]
  /** What could not be measured, and why. */
  readonly skipped: readonly string[]
}

export interface Table {
  readonly title: string
  /** Heads of the columns, with their units. */
  readonly columns: readonly string[]
  readonly rows: readonly Row[]
}

export interface Row {
  readonly name: string
  /** One for each column; undefined where the path cannot do it. */
  readonly cells: readonly (Spread | undefined)[]
}

export interface Target {
  readonly what: string
  readonly measured: Spread
  /** `×`, `ms`, `MB`. */
  readonly unit: string
  readonly limit: number
  readonly bound: 'at most' | 'at least'
}

/** Where figures come from. */
export interface Machine {
  readonly node: string
  readonly system: string
  readonly processors: string
  readonly memory: string
  readonly rounds: number
  /** Processes that wanted a processor, in the last five minutes, the benchmark's own included. */
  readonly load?: number
}

/** What a subject works with. */
export interface Setting {
  readonly rounds: number
  /** Tells a person what goes on. */
  say(line: string): void
}

export function verdict({ measured, limit, bound }: Target): 'met' | 'missed' | 'not reliably' {
  const meets = (value: number): boolean => (bound === 'at most' ? value <= limit : value >= limit)
  if (!meets(measured.median)) return 'missed'
  return meets(bound === 'at most' ? measured.p90 : measured.p10) ? 'met' : 'not reliably'
}

/** Three digits that count. */
export function figure(value: number): string {
  if (!Number.isFinite(value)) return '–'
  if (value === 0) return '0'
  const size = Math.abs(value)
  if (size >= 1000) return Math.round(value).toLocaleString('en')
  return value.toFixed(size >= 100 ? 0 : size >= 10 ? 1 : size >= 1 ? 2 : size >= 0.01 ? 3 : 4)
}

/** JSON has null for undefined. */
export function cellText(cell: Spread | undefined | null): string {
  return cell === undefined || cell === null ? '–' : `${figure(cell.median)} (${figure(cell.p10)}–${figure(cell.p90)})`
}

/** For a terminal; a column is as wide as what stands in it. */
export function tableText({ title, columns, rows }: Table): string {
  const lines = [['', ...columns], ...rows.map(({ name, cells }) => [name, ...cells.map(cellText)])]
  const widths = lines[0]?.map((_, column) => Math.max(...lines.map((line) => line[column]?.length ?? 0))) ?? []
  const body = lines.map((line) =>
    line.map((cell, column) => (column === 0 ? cell.padEnd(widths[0] ?? 0) : cell.padStart(widths[column] ?? 0))).join('   '),
  )
  return [title, ...body.map((line) => `  ${line}`)].join('\n')
}

export function targetText(target: Target): string {
  const { what, measured, unit, limit, bound } = target
  return `${verdict(target).padEnd(12)} ${what}: ${cellText(measured)} ${unit}, ${bound} ${figure(limit)} ${unit}`
}
