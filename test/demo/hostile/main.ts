import { tryMachine } from '../../../src/sandbox/machine.ts'
import { places } from './attempt.ts'
import { createPrinter } from './print.ts'
import { runWithoutPtrace } from './privilege.ts'
import { runAttempts } from './run.ts'

/**
 * `npm run demo -- --hostile`: a server that tries everything, in the sandbox and without one. Answers the exit code: 1 when
 * something was not stopped that should have been, or was not recorded.
 */
export async function runHostile(json: boolean): Promise<number> {
  if (process.platform !== 'linux') {
    console.error('`npm run demo -- --hostile` needs Linux: it looks at /proc and at namespaces.')
    return 1
  }
  const code = runWithoutPtrace()
  if (code !== undefined) return code
  const started = performance.now()
  const machine = await tryMachine()
  const here = machine.kind === 'bubblewrap' ? places : places.filter((place) => place !== 'sandbox')
  if (machine.kind === 'none') console.error(`SKIPPED: the hostile server in the sandbox: ${machine.reason}. ${machine.advice}`)
  const printer = createPrinter(here, json ? () => undefined : console.log)
  if (!json) {
    console.log('A hostile MCP server behind jit, with a stand-in for api.github.com: what it tries,')
    console.log('what is stopped, and what of it stands in the trail or the log.\n')
  }
  printer.head()
  const results = await runAttempts(here, (attempt, rows) => printer.row(attempt, rows))
  const took = Math.round(performance.now() - started)
  printer.foot(results, took)
  const ok = results.every(({ defect }) => defect === '')
  if (json) console.log(JSON.stringify({ ok, took, places: here, results }, null, 2))
  return ok ? 0 : 1
}
