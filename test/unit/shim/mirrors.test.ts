import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { findPaths } from '../../../src/config/paths.ts'
import { errorTable } from '../../../src/core/errors.ts'
import { errors } from '../../../src/shim/errors.js'
import { exitCodes } from '../../../src/shim/exit-codes.js'
import { findPlaces } from '../../../src/shim/paths.js'

/** The shim imports nothing of the daemon; what it says again must say the same. */
describe('the shim and the daemon', () => {
  it.each([
    ['no JIT_HOME', undefined, '/home/ada'],
    ['an empty JIT_HOME', '', '/home/ada'],
    ['a JIT_HOME', '/tmp/jit', '/home/ada'],
    ['a JIT_HOME with a slash at its end', '/tmp/jit/', '/home/ada'],
    ['a relative JIT_HOME', 'here/../jit', '/home/ada'],
    ['a home that is the root', undefined, '/'],
    ['a home whose socket has 100 bytes', undefined, `/${'a'.repeat(100 - '//.local/state/jit/run/connect.sock'.length)}`],
    ['a home whose socket has 101 bytes', undefined, `/${'a'.repeat(101 - '//.local/state/jit/run/connect.sock'.length)}`],
    ['a JIT_HOME that is long in bytes, not in letters', `/tmp/${'ü'.repeat(45)}`, '/home/ada'],
  ])('find the same files with %s', async (_, jitHome, home) => {
    expect(findPaths({ JIT_HOME: jitHome }, home)).toMatchObject(await findPlaces(jitHome, home))
  })

  it('find the same files whatever the names', async () => {
    const name = fc.string({ unit: 'binary', maxLength: 120 }).filter((text) => !text.includes('\0'))
    await fc.assert(
      fc.asyncProperty(fc.option(name, { nil: undefined }), name, async (jitHome, home) => {
        expect(findPaths({ JIT_HOME: jitHome }, `/${home}`)).toMatchObject(await findPlaces(jitHome, `/${home}`))
      }),
    )
  })

  it('give the errors that the shim makes the same number and hint', () => {
    for (const [code, { rpc, hint }] of Object.entries(errors))
      expect(errorTable).toHaveProperty([code], expect.objectContaining({ rpc, hint }))
    expect(Object.keys(errors)).toHaveLength(3)
  })

  it('end with the same exit codes', () => {
    expect(exitCodes).toEqual(Object.fromEntries(Object.entries(errorTable).map(([code, row]) => [code, row.exit])))
  })
})
