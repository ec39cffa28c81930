import { cpus, loadavg, totalmem } from 'node:os'
import { parseArgs } from 'node:util'
import { measureEgress } from './egress.ts'
import { measureHttp } from './http.ts'
import { measureLeases } from './leases.ts'
import { measureMcp } from './mcp.ts'
import { measureProcess } from './process.ts'
import { type Machine, type Report, type Setting, tableText, targetText } from './report.ts'
import { measureRemote } from './remote.ts'
import { measureScale } from './scale.ts'
import { measureTrail } from './trail.ts'
import { writeReports } from './write.ts'

/**
 * `npm run bench`: what jit adds, beside the floor and beside peers, all of it in one run and by turns. `--only mcp,scale`
 * picks subjects, `--json` prints all figures, `--write FOLDER` draws them (docs/performance is such a folder); BENCH_ROUNDS
 * (default 5) is how often each path has its turn.
 */
const subjects: Readonly<Record<string, (setting: Setting) => Promise<Report>>> = {
  mcp: measureMcp,
  http: measureHttp,
  remote: measureRemote,
  egress: measureEgress,
  process: measureProcess,
  leases: measureLeases,
  scale: measureScale,
  trail: measureTrail,
}

const { values } = parseArgs({
  options: { only: { type: 'string' }, json: { type: 'boolean', default: false }, write: { type: 'string' } },
})
const chosen = values.only?.split(',') ?? Object.keys(subjects)
const rounds = Number(process.env['BENCH_ROUNDS'] ?? 5)
const machine: Machine = {
  node: process.version,
  system: `${process.platform} ${process.arch}`,
  processors: `${cpus().length} × ${cpus()[0]?.model ?? 'unknown'}`,
  memory: `${Math.round(totalmem() / 2 ** 30)} GB`,
  rounds,
}

for (const name of chosen) {
  if (subjects[name] !== undefined) continue
  console.error(`there is no subject ${JSON.stringify(name)}; there are ${Object.keys(subjects).join(', ')}`)
  process.exit(2)
}

const reports: Report[] = []
for (const name of chosen) {
  const started = performance.now()
  try {
    const report = await subjects[name]?.({ rounds, say: (line) => console.error(`${name}: ${line} …`) })
    if (report === undefined) continue
    reports.push(report)
    if (!values.json) print(report)
    if (values.write !== undefined) writeReports([report], { ...machine, load: Math.round(loadavg()[1] ?? 0) }, values.write)
  } catch (error) {
    // The other subjects are worth their time all the same.
    console.error(`${name}: FAILED`, error)
    process.exitCode = 1
  }
  console.error(`${name}: done after ${Math.round((performance.now() - started) / 1000)} s`)
}

if (values.json) console.log(JSON.stringify({ machine, reports }, null, 2))
else console.log(`\n${machine.processors}, ${machine.memory}, ${machine.system}, Node ${machine.node}; ${rounds} rounds, median (p10–p90)`)

function print({ tables, targets, skipped }: Report): void {
  for (const table of tables) console.log(`\n${tableText(table)}`)
  if (targets.length > 0) console.log('')
  for (const target of targets) console.log(targetText(target))
  for (const line of skipped) console.log(`SKIPPED      ${line}`)
}
