import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** `npm test`: runs every project and closes with the line `N passed, N failed, N skipped`. */
const folder = mkdtempSync(join(tmpdir(), 'jit-tests-'))
const report = join(folder, 'report.json')
const run = spawnSync(
  process.execPath,
  [
    'node_modules/vitest/vitest.mjs',
    'run',
    '--reporter=default',
    '--reporter=json',
    `--outputFile.json=${report}`,
    ...process.argv.slice(2),
  ],
  { stdio: 'inherit', env: cleanEnvironment() },
)
const counts = readCounts()
rmSync(folder, { recursive: true, force: true })
console.log(`\n${counts.passed} passed, ${counts.failed} failed, ${counts.skipped} skipped`)
process.exitCode = run.status === 0 && counts.failed === 0 && counts.passed > 0 ? 0 : 1

function readCounts(): { passed: number; failed: number; skipped: number } {
  try {
    const json: unknown = JSON.parse(readFileSync(report, 'utf8'))
    if (typeof json !== 'object' || json === null) throw new Error('no report')
    const number = (name: string): number => {
      const value: unknown = Reflect.get(json, name)
      return typeof value === 'number' ? value : 0
    }
    // A file that cannot be loaded has no tests in it but is a failure all the same.
    const broken = number('numFailedTestSuites') > 0 && number('numFailedTests') === 0 ? number('numFailedTestSuites') : 0
    return {
      passed: number('numPassedTests'),
      failed: number('numFailedTests') + broken,
      skipped: number('numPendingTests') + number('numTodoTests'),
    }
  } catch {
    return { passed: 0, failed: 1, skipped: 0 }
  }
}

/** Tests of trust and of proxies must not see what a developer's machine presets. */
function cleanEnvironment(): NodeJS.ProcessEnv {
  const environment = { ...process.env }
  for (const name of Object.keys(environment)) {
    if (
      /^(NODE_EXTRA_CA_CERTS|SSL_CERT_FILE|SSL_CERT_DIR|CURL_CA_BUNDLE|REQUESTS_CA_BUNDLE|GIT_SSL_CAINFO|AWS_CA_BUNDLE|NODE_OPTIONS|NODE_USE_ENV_PROXY)$/.test(
        name,
      )
    )
      delete environment[name]
    if (/^(https?|all|no)_proxy$/i.test(name)) delete environment[name]
  }
  return environment
}
