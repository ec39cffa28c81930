import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { seededRandom } from '../support/random.ts'
import { type KillRun, openKillRun } from '../torture/kills.ts'

const kills = 25
/** JIT_TEST_SEED=… repeats a run: the same kill points, as far as two processes can be made to repeat anything. */
const seed = Number(process.env['JIT_TEST_SEED'] ?? Date.now() % 2 ** 31)

/** `npm run torture` does the same with shims and servers, and far more often. */
describe.runIf(process.platform === 'linux')('kill -9 of the daemon at any moment of a running mix of calls', () => {
  let run: KillRun

  beforeAll(async () => {
    console.log(`kill -9 at ${kills} random points, JIT_TEST_SEED=${seed}`)
    run = await openKillRun(seededRandom(seed))
  })
  afterAll(async () => {
    await run.close()
  })

  it.each(Array.from({ length: kills }, (_, index) => index + 1))('kill %i', async (round) => {
    expect(await run.round('daemon'), `JIT_TEST_SEED=${seed}, kill ${round}`).toEqual([])
  })

  it('after all of them, what is revocable is revoked, and the rest is reported as lost', async () => {
    expect(await run.finish()).toEqual([])
    console.log(JSON.stringify(run.counts))
    expect(run.counts.children).toBeGreaterThan(kills)
    // Otherwise the runs above have shown nothing.
    for (const count of Object.values(run.counts)) expect(count).toBeGreaterThan(0)
  })
})
