import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { describe, expect, it } from 'vitest'
import { z } from 'zod'
import { demoEnvironment, root } from '../support/command.ts'

const shown = z.object({
  ok: z.boolean(),
  took: z.number(),
  steps: z.array(
    z.object({
      number: z.number(),
      title: z.string(),
      ok: z.boolean(),
      failures: z.array(z.string()),
      facts: z.record(z.string(), z.json()),
    }),
  ),
})

describe('npm run demo -- --json', () => {
  it('keeps every promise it makes', { timeout: 120_000 }, async () => {
    const run = promisify(execFile)
    const { stdout } = await run(process.execPath, [join(root, 'test/demo/main.ts'), '--json'], {
      cwd: root,
      env: demoEnvironment(''),
      maxBuffer: 32 * 1024 * 1024,
    }).catch((error: { stdout?: string }) => ({ stdout: error.stdout ?? '' }))
    const report = shown.parse(JSON.parse(stdout))
    expect(report.steps.flatMap((step) => step.failures.map((failure) => `${step.number}: ${failure}`))).toEqual([])
    expect(report.steps).toHaveLength(9)
    expect(report.ok).toBe(true)
  })
})
