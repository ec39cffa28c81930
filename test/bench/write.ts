import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { drawChart } from './chart.ts'
import { cellText, figure, type Machine, type Report, type Table, type Target, verdict } from './report.ts'

/** What stands in `results.json`: the last run of each subject. */
interface Results {
  readonly [subject: string]: { readonly machine: Machine; readonly report: Report }
}

const order = ['mcp', 'http', 'remote', 'egress', 'process', 'leases', 'scale', 'trail']

/** Draws each chart as a file of its own; `results.json` and `results.md` keep the figures, those of subjects not measured now too. */
export function writeReports(reports: readonly Report[], machine: Machine, folder: string): void {
  mkdirSync(folder, { recursive: true })
  const file = join(folder, 'results.json')
  // Our own file, as it was written here.
  const known: Results = existsSync(file) ? JSON.parse(readFileSync(file, 'utf8')) : {}
  const results: Results = { ...known, ...Object.fromEntries(reports.map((report) => [report.subject, { machine, report }])) }
  writeFileSync(file, `${JSON.stringify(results)}\n`)
  for (const { charts } of reports) for (const chart of charts) writeFileSync(join(folder, `${chart.name}.svg`), drawChart(chart))
  writeFileSync(join(folder, 'results.md'), markdown(results))
}

function markdown(results: Results): string {
  const subjects = order.flatMap((name) => results[name] ?? [])
  const head = [
    '# Results of `npm run bench`',
    'Written by the benchmark. Median, and p10–p90 of the rounds in parentheses; ratios are of the same round.',
    '## Targets',
    targetTable(subjects.flatMap(({ report }) => report.targets)),
  ]
  const bodies = subjects.map(({ machine, report }) =>
    [
      `## ${report.subject}`,
      `${machine.processors}, ${machine.memory}, ${machine.system}, Node ${machine.node}; ${machine.rounds} rounds${machine.load === undefined ? '' : `; load ${machine.load}`}.`,
      ...report.charts.map(({ name, title }) => `![${title}](${name}.svg)`),
      ...report.tables.map(tableMarkdown),
      ...report.skipped.map((line) => `Skipped: ${line}`),
    ].join('\n\n'),
  )
  return `${[...head, ...bodies].join('\n\n')}\n`
}

function targetTable(targets: readonly Target[]): string {
  const rows = targets.map(
    (target) =>
      `| ${target.what} | ${cellText(target.measured)} ${target.unit} | ${target.bound === 'at most' ? '≤' : '≥'} ${figure(target.limit)} ${target.unit} | ${verdict(target)} |`,
  )
  return ['| | measured | target | |', '| --- | --- | --- | --- |', ...rows].join('\n')
}

function tableMarkdown({ title, columns, rows }: Table): string {
  const lines = rows.map(({ name, cells }) => `| ${name} | ${cells.map(cellText).join(' | ')} |`)
  return [`**${title}**\n`, `| | ${columns.join(' | ')} |`, `| --- |${columns.map(() => ' --- |').join('')}`, ...lines].join('\n')
}
