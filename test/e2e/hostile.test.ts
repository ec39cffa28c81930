import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { beforeAll, describe, expect, it } from 'vitest'
import { z } from 'zod'
import { attempts } from '../demo/hostile/attempts.ts'
import { places as everywhere } from '../demo/hostile/attempt.ts'
import { demoEnvironment, root } from '../support/command.ts'
import { hasSandbox } from '../integration/sandbox/support.ts'

const result = z.object({
  title: z.string(),
  place: z.enum(['sandbox', 'off']),
  tried: z.number(),
  stopped: z.number(),
  recorded: z.number(),
  open: z.boolean(),
  defect: z.string(),
  outcomes: z.array(z.object({ what: z.string(), stopped: z.boolean(), recorded: z.boolean(), told: z.string() })),
})
const shown = z.object({ ok: z.boolean(), places: z.array(z.string()), results: z.array(result) })

const demo = (args: readonly string[]): Promise<{ stdout: string; code: number }> =>
  promisify(execFile)(process.execPath, [join(root, 'test/demo/main.ts'), '--hostile', ...args], {
    cwd: root,
    env: demoEnvironment(''),
    maxBuffer: 32 * 1024 * 1024,
  }).then(
    ({ stdout }) => ({ stdout, code: 0 }),
    (error: { stdout?: string; code?: number }) => ({ stdout: error.stdout ?? '', code: error.code ?? -1 }),
  )

/** Each attempt is judged by what the stand-in, the trap, the trail and the files show; see `test/demo/hostile`. */
describe.runIf(process.platform === 'linux')('npm run demo -- --hostile --json', () => {
  let report: z.infer<typeof shown>
  let code = -1
  let sandboxed = false

  beforeAll(async () => {
    sandboxed = await hasSandbox('the hostile server in the sandbox')
    const ran = await demo(['--json'])
    code = ran.code
    report = shown.parse(JSON.parse(ran.stdout))
  }, 400_000)

  it('makes each attempt in each place that it has', () => {
    const here = sandboxed ? everywhere : everywhere.filter((place) => place !== 'sandbox')
    expect(report.places).toEqual(here)
    const wanted = attempts.flatMap(({ title, places = everywhere }) =>
      places.filter((place) => here.includes(place)).map((place) => `${title}: ${place}`),
    )
    expect(report.results.map(({ title, place }) => `${title}: ${place}`)).toEqual(wanted)
    for (const { title, tried, outcomes } of report.results) expect([title, outcomes.length]).toEqual([title, tried])
  })

  it('stops and records what it should, and ends with 0', () => {
    expect(report.results.filter(({ defect }) => defect !== '').map(({ title, place, defect }) => `${title}: ${place}: ${defect}`)).toEqual(
      [],
    )
    expect({ ok: report.ok, code }).toEqual({ ok: true, code: 0 })
  })

  it('gets what docs/security.md says that it gets: a promise too small is a defect, too', () => {
    const stopped = report.results.filter((found) => found.open && found.stopped === found.tried)
    expect(stopped.map(({ title, place }) => `${title}: ${place}`)).toEqual([])
  })
})
