import { parseArgs } from 'node:util'
import { brief, differences, table } from './print.ts'
import { type Cell, holds, runConformance } from './run.ts'

const usage = `npm run conformance -- [--runs N] [--only PATTERN] [--pairing PATTERN] [--scenario NAME] [--json]

Runs the MCP conformance suites against the fixture servers, directly and through jit, and compares check by check.
  --runs N            so many times (default 1)
  --only PATTERN      only suites whose name contains it, like 2026
  --pairing PATTERN   only pairings whose name contains it, like "jit→stdio" ("->" will do), and what they are held against
  --scenario NAME     only this scenario
  --parallel N        so many side by side (default 2)
  --json              the results as JSON on stdout

Exit code 1 when a scenario that passes without jit does not pass through it.`

const { values } = parseArgs({
  options: {
    runs: { type: 'string', default: '1' },
    only: { type: 'string', default: '' },
    pairing: { type: 'string', default: '' },
    scenario: { type: 'string' },
    parallel: { type: 'string', default: '2' },
    json: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
})

if (values.help) {
  console.log(usage)
} else {
  const runs = count('runs', values.runs)
  const wantedPairing = values.pairing.replaceAll('->', '→')
  const cells = await runConformance(
    {
      runs,
      parallel: count('parallel', values.parallel),
      scenario: values.scenario,
      suite: (name) => name.includes(values.only),
      pairing: (name) => name.includes(wantedPairing),
    },
    (cell) => {
      if (!values.json) console.log(`${cell.suite} #${cell.run}  ${cell.pairing}: ${brief(cell)}`)
    },
  )
  if (cells.length === 0) throw new Error('no suite and pairing is called so')
  const held = cells.every(holds)
  if (values.json) console.log(JSON.stringify({ held, cells: cells.map(plain) }, undefined, 2))
  else console.log(`\n${table(cells)}\n\n${held ? 'nothing is lost through jit' : differences(cells)}`)
  process.exitCode = held ? 0 : 1
}

function count(option: string, value: string): number {
  const number = Number(value)
  if (!Number.isInteger(number) || number < 1) throw new Error(`--${option} takes a number from 1, not ${JSON.stringify(value)}`)
  return number
}

function plain({ result, ...cell }: Cell): unknown {
  if (result === undefined) return cell
  const scenarios = Object.fromEntries([...result.scenarios].map(([name, checks]) => [name, Object.fromEntries(checks)]))
  return { ...cell, code: result.code, seconds: result.seconds, scenarios }
}
