import { spawn } from 'node:child_process'
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { z } from 'zod'
import { root } from '../support/command.ts'

export interface Suite {
  /** How the table calls it: release of the suite and what it asks for. */
  readonly name: string
  readonly program: string
  readonly args: readonly string[]
  /** The fixture that serves it. */
  readonly fixture: 'v1' | 'v2'
}

const suite2025 = join(root, 'node_modules/conformance-2025/dist/index.js')
const suite2026 = join(root, 'node_modules/@modelcontextprotocol/conformance/dist/index.js')

export const suites: readonly Suite[] = [
  { name: '0.1.16 all', program: suite2025, args: ['--suite', 'all'], fixture: 'v1' },
  { name: '0.2.0 2025-11-25', program: suite2026, args: ['--requirements', '2025-11-25'], fixture: 'v1' },
  { name: '0.2.0 2025-11-25 v2', program: suite2026, args: ['--requirements', '2025-11-25'], fixture: 'v2' },
  { name: '0.2.0 2026-07-28', program: suite2026, args: ['--requirements', '2026-07-28'], fixture: 'v2' },
]

export type Status = 'SUCCESS' | 'WARNING' | 'FAILURE' | 'SKIPPED' | 'INFO'

export interface Check {
  readonly status: Status
  /** What the suite says of it when it did not pass. */
  readonly message: string
}

/** Checks of one scenario by `id name`; several of one name count as their worst. */
export type Checks = ReadonlyMap<string, Check>

export interface SuiteResult {
  readonly scenarios: ReadonlyMap<string, Checks>
  /** Exit code of the suite: 0 when all that it scores passed. */
  readonly code: number
  readonly seconds: number
}

const checksFile = z.array(
  z.object({
    id: z.string(),
    name: z.string(),
    status: z.enum(['SUCCESS', 'WARNING', 'FAILURE', 'SKIPPED', 'INFO']),
    description: z.string().optional(),
    errorMessage: z.string().optional(),
  }),
)

/** Runs a suite, or one scenario of it, against the server at `url`. Throws when it left no results at all. */
export async function runSuite(suite: Suite, url: string, scenario?: string): Promise<SuiteResult> {
  const folder = mkdtempSync(join(tmpdir(), 'jit-conformance-'))
  const began = performance.now()
  try {
    const args = [suite.program, 'server', '--url', url, ...(scenario === undefined ? suite.args : ['--scenario', scenario]), '-o', folder]
    const { code, words } = await run(args)
    const scenarios = new Map(
      readdirSync(folder)
        .sort()
        .flatMap((name) => readScenario(folder, name)),
    )
    if (scenarios.size === 0) throw new Error(`${suite.name} left no results: ${words.slice(-2000)}`)
    return { scenarios, code, seconds: (performance.now() - began) / 1000 }
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

/** `server-<scenario>-<time>/checks.json` */
function readScenario(folder: string, name: string): [string, Checks][] {
  const scenario = /^server-(.+)-\d{4}-\d\d-\d\dT[\d-]+Z$/.exec(name)?.[1]
  if (scenario === undefined) return []
  const file = join(folder, name, 'checks.json')
  // A scenario that could not even begin leaves its folder empty.
  if (!existsSync(file)) return [[scenario, new Map([['scenario', { status: 'FAILURE', message: 'it ended without results' }]])]]
  const checks = new Map<string, Check>()
  for (const { id, name: title, status, description, errorMessage } of checksFile.parse(JSON.parse(readFileSync(file, 'utf8')))) {
    // What the suite merely noted depends on what came over the wire, message by message.
    if (status === 'INFO') continue
    const key = `${id} ${title}`
    const before = checks.get(key)
    if (before !== undefined && severity[before.status] >= severity[status]) continue
    checks.set(key, { status, message: errorMessage ?? description ?? '' })
  }
  return [[scenario, checks]]
}

const severity: Readonly<Record<Status, number>> = { INFO: 0, SKIPPED: 1, SUCCESS: 2, WARNING: 3, FAILURE: 4 }

function run(args: readonly string[]): Promise<{ code: number; words: string }> {
  return new Promise((settle, fail) => {
    const child = spawn(process.execPath, args, { cwd: tmpdir(), stdio: ['ignore', 'pipe', 'pipe'], timeout: 600_000 })
    let words = ''
    child.stdout.setEncoding('utf8').on('data', (text: string) => (words += text))
    child.stderr.setEncoding('utf8').on('data', (text: string) => (words += text))
    child.once('error', fail)
    child.once('close', (code) => settle({ code: code ?? -1, words }))
  })
}

/** A scenario passes when none of its checks failed. */
export function passes(checks: Checks): boolean {
  return [...checks.values()].every(({ status }) => status !== 'FAILURE')
}
