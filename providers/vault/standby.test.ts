import { describe, expect, it } from 'vitest'
import { mayHaveMinted } from '../../src/broker/lost.ts'
import { ask, failureOf, patience, shareBench, webRead } from './fake/bench.ts'

const bench = shareBench()

describe('a node that does not serve', () => {
  it.each([
    ['sealed', 'sealed', 'Unseal it'],
    ['not-initialised', 'not initialised', 'Initialise it'],
    ['standby', 'standby', 'address'],
    ['standby-redirect', 'standby', 'address'],
    ['performance-standby', 'performance standby', 'address'],
  ] as const)('%s: the message says so, and nothing was minted', async (state, words, hint) => {
    const provider = bench.open()
    await provider.prove(patience())
    bench.standIn.become(state)
    for (const one of [provider, bench.open()]) {
      const error = await failureOf(one.mint(ask(webRead), patience()))
      expect(error).toMatchObject({
        code: 'provider.unavailable',
        message: expect.stringContaining(words),
        hint: expect.stringContaining(hint),
      })
      expect(mayHaveMinted(error)).toBe(false)
    }
    bench.standIn.become('active')
    await expect(provider.mint(ask(webRead), patience())).resolves.toMatchObject({ granted: webRead })
  })

  it('that limits requests says for how long', async () => {
    const end = bench.standIn.fault({ path: /create/, status: 429, headers: { 'retry-after': '7' } })
    await expect(bench.open().mint(ask(webRead), patience())).rejects.toMatchObject({
      code: 'provider.unavailable',
      details: { retryAfter: 7000, sent: false },
    })
    end()
  })
})
