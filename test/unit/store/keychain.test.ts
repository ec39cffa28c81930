import { once } from 'node:events'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { inTime } from '../../../src/store/keychain.ts'

/** Milliseconds. */
const patience = 20

describe('a call of the system’s keychain', () => {
  const unhandled: unknown[] = []
  const note = (reason: unknown): void => void unhandled.push(reason)
  beforeEach(() => {
    unhandled.length = 0
    process.on('unhandledRejection', note)
  })
  afterEach(() => {
    process.off('unhandledRejection', note)
  })

  it('gives what the keychain answers', async () => {
    expect(await inTime(async () => 'value', patience)).toBe('value')
  })

  it('ends where the keychain never answers', async () => {
    await expect(inTime(() => new Promise(() => undefined), patience)).rejects.toThrow(`did not answer within ${patience} ms`)
  })

  it.each([
    [
      'throws at once',
      (): Promise<string> => {
        throw new Error('no Secret Service')
      },
    ],
    ['fails later', (): Promise<string> => Promise.reject(new Error('no Secret Service'))],
  ])('that %s leaves no rejection that nobody handles when its time is over', async (_, call) => {
    let signal: AbortSignal | undefined
    const failed = inTime((given) => {
      signal = given
      return call()
    }, patience)
    await expect(failed).rejects.toThrow('no Secret Service')
    if (signal?.aborted === false) await once(signal, 'abort')
    // Node reports what nobody handles after the microtasks of the turn in which it was rejected.
    await new Promise((resolve) => setImmediate(resolve))
    expect(unhandled).toEqual([])
  })
})
