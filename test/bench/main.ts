import { mkdirSync, writeFileSync } from 'node:fs'
import { cpus, totalmem } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { drawChart } from './chart.ts'
import { measureEgress } from './egress.ts'
import { measureHttp } from './http.ts'
import { measureLeases } from './leases.ts'
import { measureMcp } from './mcp.ts'
import { measureProcess } from './process.ts'
import { type Report, type Setting, tableText, targetText } from './report.ts'

/**
 * `npm run bench`: what jit adds, beside the floor and beside peers, all of it in one run and by turns. `--only mcp,scale`
 * picks subjects, `--json` prints all figures, `--plots FOLDER` draws them; BENCH_ROUNDS (default 7) is how often each path
 * has its turn.
 */
const subjects: Readonly<Record<string, (setting: Setting) => Promise<Report>>> = {
  mcp: measureMcp,
  http: measureHttp,
  egress: measureEgress,
  process: measureProcess,
  leases: measureLeases,
}

const { values } = parseArgs({
  options: { only: { type: 'string' }, json: { type: 'boolean', default: false }, plots: { type: 'string' } },
})
const chosen = values.only?.split(',') ?? Object.keys(subjects)
const rounds = Number(process.env['BENCH_ROUNDS'] ?? 7)
const machine = {
  node: process.version,
  system: `${process.platform} ${process.arch}`,
  processors: `${cpus().length} × ${cpus()[0]?.model ?? 'unknown'}`,
  memory: `${Math.round(totalmem() / 2 ** 30)} GB`,
  rounds,
}

for (const name of chosen) {
  if (subjects[name] === undefined) {
    console.error(`there is no subject ${JSON.stringify(name)}; there are ${Object.keys(subjects).join(', ')}`)
    process.exit(2)
  }
}

const reports: Report[] = []
for (const name of chosen) {
  const measure = subjects[name]
  if (measure === undefined) continue
  const started = performance.now()
  const report = await measure({ rounds, say: (line) => console.error(`${name}: ${line} …`) })
  console.error(`${name}: done after ${Math.round((performance.now() - started) / 1000)} s`)
  reports.push(report)
  if (!values.json) print(report)
  if (values.plots !== undefined) draw(report, values.plots)
}

if (values.json) console.log(JSON.stringify({ machine, reports }, null, 2))
else console.log(`\n${machine.processors}, ${machine.memory}, ${machine.system}, Node ${machine.node}; ${rounds} rounds, median (p10–p90)`)

function print({ tables, targets, skipped }: Report): void {
  for (const table of tables) console.log(`\n${tableText(table)}`)
  if (targets.length > 0) console.log('')
  for (const target of targets) console.log(targetText(target))
  for (const line of skipped) console.log(`SKIPPED      ${line}`)
}

function draw({ charts }: Report, folder: string): void {
  mkdirSync(folder, { recursive: true })
  for (const chart of charts) writeFileSync(join(folder, `${chart.name}.svg`), drawChart(chart))
}
