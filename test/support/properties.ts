import { appendFileSync } from 'node:fs'
import { basename } from 'node:path'
import fc, { type RunDetails } from 'fast-check'
import { expect } from 'vitest'
import { cases } from './cases.ts'

/** Runs before each test file: how many cases a property tries, from which seed, and a line for each in JIT_CASES_LOG. */
const seed = process.env['JIT_CASES_SEED']
const log = process.env['JIT_CASES_LOG']

fc.configureGlobal({
  numRuns: cases(100),
  ...(seed === undefined ? {} : { seed: Number(seed) }),
  ...(log === undefined ? {} : { reporter: count }),
})

function count<Ts>(details: RunDetails<Ts>): void {
  const { testPath = '', currentTestName = '' } = expect.getState()
  const line = { file: basename(testPath), test: currentTestName, cases: details.numRuns, seed: details.seed, failed: details.failed }
  if (log !== undefined) appendFileSync(log, `${JSON.stringify(line)}\n`)
  if (details.failed) throw new Error(fc.defaultReportMessage(details))
}
