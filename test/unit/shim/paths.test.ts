import { describe, expect, it } from 'vitest'
import { findPaths } from '../../../src/config/paths.ts'
import { errorTable } from '../../../src/core/errors.ts'
import { restarted } from '../../../src/shim/connect.js'
import { runtimeFolder } from '../../../src/shim/paths.js'

describe('the shim, which imports nothing of the daemon', () => {
  it.each([
    ['no JIT_HOME', undefined, '/home/ada'],
    ['an empty JIT_HOME', '', '/home/ada'],
    ['a JIT_HOME', '/tmp/jit', '/home/ada'],
    ['a relative JIT_HOME', 'here/jit', '/home/ada'],
    ['a home too long for a socket', undefined, `/home/${'a'.repeat(90)}`],
    ['a JIT_HOME too long for a socket', `/tmp/${'ü'.repeat(60)}`, '/home/ada'],
  ])('finds the same folder as the daemon with %s', (_, jitHome, home) => {
    expect(runtimeFolder(jitHome, home)).toBe(findPaths({ JIT_HOME: jitHome }, home).runtime)
  })

  it('uses the error table’s number for a restart', () => {
    expect(restarted.code).toBe(errorTable['daemon.restarted'].rpc)
  })
})
