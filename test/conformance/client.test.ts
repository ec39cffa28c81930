import { execFile } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { root } from '../support/command.ts'

const suite = join(root, 'node_modules/@modelcontextprotocol/conformance/dist/index.js')
const client = `${process.execPath} ${join(root, 'test/conformance/client/main.ts')} --jit`

/** The suite plays the server, and jit is the client it sees. */
describe('jit as the client of a remote server', () => {
  let folder = ''
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'jit-conformance-'))
  })
  afterAll(() => rmSync(folder, { recursive: true, force: true }))

  it.concurrent.each([
    ['2025-11-25', 'initialize'],
    ['2025-11-25', 'tools_call'],
    ['2025-11-25', 'elicitation-sep1034-client-defaults'],
    ['2025-11-25', 'sse-retry'],
    ['2026-07-28', 'tools_call'],
    ['2026-07-28', 'request-metadata'],
    ['2026-07-28', 'sep-2322-client-request-state'],
    ['2026-07-28', 'http-standard-headers'],
    ['2026-07-28', 'http-custom-headers'],
    ['2026-07-28', 'http-invalid-tool-headers'],
    ['2026-07-28', 'json-schema-ref-no-deref'],
  ])('%s: satisfies the scenario %s', async (revision, scenario) => {
    const args = [suite, 'client', '--command', client, '--spec-version', revision, '--scenario', scenario]
    const { stdout, stderr } = await promisify(execFile)(process.execPath, args, { cwd: folder, timeout: 50_000 }).catch(
      (error: { stdout?: string; stderr?: string }) => ({ stdout: error.stdout ?? '', stderr: error.stderr ?? '' }),
    )
    const passed = /Passed: (\d+)\/(\d+), 0 failed/.exec(stdout + stderr)
    expect(passed, stdout + stderr).not.toBeNull()
    expect(Number(passed?.[1])).toBeGreaterThan(0)
    expect(passed?.[1]).toBe(passed?.[2])
  })
})
