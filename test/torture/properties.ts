import { spawn } from 'node:child_process'
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { root } from '../support/command.ts'
import type { Outcome, Part, Setting } from './part.ts'

interface Line {
  readonly file: string
  readonly test: string
  readonly cases: number
  readonly seed: number
  readonly failed: boolean
}

/** Of the cases that `npm test` tries: a minute, and more than a million in all. */
const factors = { ci: 2, nightly: 45 }
const quiet = 20_000

/**
 * Every property of the unit tests and providers, from framing to the policy decider beside its naive twin, with many more
 * cases and another seed each time.
 */
export const properties: Part = {
  name: 'properties',
  summary: 'strangers’ text: framing, JSON-RPC, templates, matching, scrubbing, config files, policy beside its naive twin',
  async run(setting) {
    const folder = mkdtempSync(join(tmpdir(), 'jit-cases-'))
    const log = join(folder, 'cases.jsonl')
    try {
      const { code, output } = await runTests(setting, log)
      return outcome(readLines(log), code, output)
    } finally {
      rmSync(folder, { recursive: true, force: true })
    }
  },
}

function runTests({ seed, size, say }: Setting, log: string): Promise<{ code: number; output: string }> {
  const variables = { JIT_CASES_FACTOR: String(factors[size]), JIT_CASES_SEED: String(seed), JIT_CASES_LOG: log, CI: 'true' }
  const args = ['node_modules/vitest/vitest.mjs', 'run', '--project', 'unit', '--project', 'providers', '--reporter=dot', ...files()]
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, args, { cwd: root, env: { ...process.env, ...variables }, stdio: ['ignore', 'pipe', 'pipe'] })
    let output = ''
    for (const stream of [child.stdout, child.stderr])
      stream.setEncoding('utf8').on('data', (text: string) => (output = (output + text).slice(-100_000)))
    const progress = setInterval(() => say(`${readLines(log).reduce((sum, line) => sum + line.cases, 0)} cases so far`), quiet)
    child.once('error', reject)
    child.once('close', (code) => {
      clearInterval(progress)
      resolve({ code: code ?? -1, output })
    })
  })
}

/** The test files that hold properties. */
function files(): string[] {
  return ['test/unit', 'providers'].flatMap((folder) =>
    readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
      .filter((name) => name.endsWith('.test.ts'))
      .map((name) => `${folder}/${name}`)
      .filter((name) => /from 'fast-check'/.test(readFileSync(join(root, name), 'utf8'))),
  )
}

function readLines(log: string): Line[] {
  try {
    return readFileSync(log, 'utf8')
      .split('\n')
      .filter((line) => line !== '')
      .map((line): Line => JSON.parse(line))
  } catch {
    return []
  }
}

function outcome(lines: readonly Line[], code: number, output: string): Outcome {
  const failures = lines.filter(({ failed }) => failed).map(({ file, test, seed }) => `${basename(file)}: ${test} (seed ${seed})`)
  if (code !== 0 && failures.length === 0) failures.push(`the tests ended with ${code}: ${output.slice(-2000)}`)
  if (lines.length === 0) failures.push('no property was tried')
  return { counts: { properties: lines.length, cases: lines.reduce((sum, line) => sum + line.cases, 0) }, failures }
}
