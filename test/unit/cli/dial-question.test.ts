import { describe, expect, it } from 'vitest'
import { agreeToDial } from '../../../src/cli/dial-question.ts'
import { JitError } from '../../../src/core/errors.ts'

const dial = { name: '127.0.0.1:3000', address: '127.0.0.1:3000' }
const refused = new JitError('usage', 'on this machine', { details: { dial } })

describe('a server on this machine', () => {
  it('is dialled when a person agrees to the line that they are shown', async () => {
    const shown: string[] = []
    const ask = async (...words: string[]): Promise<boolean> => shown.push(...words) > 0
    expect(await agreeToDial(refused, ask)).toEqual(dial)
    expect(shown[0]).toContain('network: { hosts: { "127.0.0.1:3000": "127.0.0.1:3000" } }')
    expect(shown[1]).toBe('Let jit dial 127.0.0.1:3000?')
  })

  it('is not with a no, nor where nobody is asked', async () => {
    await expect(agreeToDial(refused, async () => false)).rejects.toMatchObject({ code: 'cancelled' })
    await expect(agreeToDial(refused, undefined)).rejects.toBe(refused)
  })

  it('is no question of another failure', async () => {
    const other = new JitError('usage', 'no', { details: { dial: { name: 'x' } } })
    for (const error of [other, new Error('no')])
      await expect(agreeToDial(error, async () => Promise.reject(new Error('asked')))).rejects.toBe(error)
  })
})
