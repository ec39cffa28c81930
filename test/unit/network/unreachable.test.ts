import { describe, expect, it } from 'vitest'
import { JitError } from '../../../src/core/errors.ts'
import { unreachableNetwork } from '../../../src/network/unreachable.ts'
import { neverSent } from '../../../src/provider/never-sent.ts'

describe('the network while its config cannot be used', () => {
  it('says why, and that nothing was sent', async () => {
    const network = unreachableNetwork(new JitError('config.invalid', 'network.ca: no such file', { details: { file: 'ca.pem' } }))
    const error = await network.fetch('https://api.github.test').catch((thrown: unknown) => thrown)
    expect(error).toMatchObject({ code: 'config.invalid', message: 'network.ca: no such file', details: { file: 'ca.pem' } })
    expect(neverSent(new Error('fetch failed', { cause: error }))).toBe(true)
  })
})
