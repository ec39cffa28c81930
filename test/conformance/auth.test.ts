import { execFile } from 'node:child_process'
import { createRequire } from 'node:module'
import { dirname, join, resolve } from 'node:path'
import { describe, expect, it } from 'vitest'

const root = resolve(import.meta.dirname, '../..')
const driver = `${JSON.stringify(process.execPath)} ${JSON.stringify(join(root, 'test/conformance/auth-client.ts'))}`
/** Milliseconds for one client; they run side by side, on what cores there are. */
const patience = 90_000

const suites = {
  '0.2.0-alpha.12': '@modelcontextprotocol/conformance',
  '0.1.16': 'conformance-2025',
} as const

/** The suite `auth`, as both name it. */
const common = [
  'metadata-default',
  'metadata-var1',
  'metadata-var2',
  'metadata-var3',
  'basic-cimd',
  'scope-from-www-authenticate',
  'scope-from-scopes-supported',
  'scope-omitted-when-undefined',
  'scope-step-up',
  'scope-retry-limit',
  'token-endpoint-auth-basic',
  'token-endpoint-auth-post',
  'token-endpoint-auth-none',
  'pre-registration',
]
/** Beside it, of 2026-07-28. */
const modern = [
  'resource-mismatch',
  'offline-access-scope',
  'offline-access-not-supported',
  'authorization-server-migration',
  'iss-supported',
  'iss-not-advertised',
  'iss-supported-missing',
  'iss-wrong-issuer',
  'iss-unexpected',
  'iss-normalized',
  'metadata-issuer-mismatch',
]

describe('the broker as an OAuth client passes the conformance suite', () => {
  it.each([
    ['0.2.0-alpha.12', '2025-11-25', common],
    ['0.2.0-alpha.12', '2026-07-28', common],
    ['0.1.16', '2025-11-25', common],
  ] as const)(
    '%s for revision %s: every scenario of auth',
    async (version, revision, expected) => {
      const output = await run(version, ['--suite', 'auth', ...(version === '0.1.16' ? [] : ['--spec-version', revision])])
      const [, summary = output] = output.split('SUITE SUMMARY')
      const found = [...summary.matchAll(/^(\S+) auth\/(\S+): (\d+) passed, (\d+) failed/gm)]
      const wrong = found.filter(([, mark, , passed, failed]) => mark !== '✓' || passed === '0' || failed !== '0').map(([line]) => line)
      expect(wrong, output).toEqual([])
      expect(found.map(([, , name]) => name)).toEqual(expect.arrayContaining([...expected]))
    },
    patience * 3,
  )

  it.each(modern)(
    '0.2.0-alpha.12 for revision 2026-07-28: %s',
    async (scenario) => {
      const output = await run('0.2.0-alpha.12', ['--scenario', `auth/${scenario}`, '--spec-version', '2026-07-28'])
      expect(output).toMatch(/Passed: ([1-9]\d*)\/\1, 0 failed, 0 warnings/)
    },
    patience,
  )

  it.each([
    ['0.2.0-alpha.12', '2025-03-26-oauth-metadata-backcompat'],
    ['0.2.0-alpha.12', '2025-03-26-oauth-endpoint-fallback'],
    ['0.1.16', '2025-03-26-oauth-metadata-backcompat'],
    ['0.1.16', '2025-03-26-oauth-endpoint-fallback'],
  ] as const)(
    '%s: %s, of servers of the first revision with OAuth',
    async (version, scenario) => {
      const output = await run(version, ['--scenario', `auth/${scenario}`])
      expect(output).toMatch(/Passed: ([1-9]\d*)\/\1, 0 failed/)
    },
    patience,
  )
})

/** Everything that it prints, whatever its exit code. */
function run(version: keyof typeof suites, more: readonly string[]): Promise<string> {
  const program = join(dirname(createRequire(import.meta.url).resolve(`${suites[version]}/package.json`)), 'dist/index.js')
  const args = [program, 'client', '--command', driver, '--timeout', String(patience), ...more]
  return new Promise((settle) => {
    execFile(process.execPath, args, { cwd: root, maxBuffer: 32 * 1024 * 1024 }, (_, stdout, stderr) => settle(`${stdout}${stderr}`))
  })
}
