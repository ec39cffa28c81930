import { describe, expect, it } from 'vitest'
import { findPaths } from '../../../src/config/paths.ts'

describe('where everything lives', () => {
  it('is below the account’s home', () => {
    expect(findPaths({}, '/home/ada')).toMatchObject({
      configFile: '/home/ada/.config/jit/jit.yaml',
      state: '/home/ada/.local/state/jit',
      database: '/home/ada/.local/state/jit/jit.db',
      apiSocket: '/home/ada/.local/state/jit/run/api.sock',
    })
  })

  it('is in one folder with JIT_HOME, relative ones made absolute', () => {
    expect(findPaths({ JIT_HOME: '/srv/jit/' }, '/home/ada')).toMatchObject({
      configFile: '/srv/jit/jit.yaml',
      state: '/srv/jit',
      auditFolder: '/srv/jit/audit',
      connectSocket: '/srv/jit/run/connect.sock',
    })
    expect(findPaths({ JIT_HOME: 'here' }, '/home/ada').state).toBe(`${process.cwd()}/here`)
    expect(findPaths({ JIT_HOME: '' }, '/home/ada').state).toBe('/home/ada/.local/state/jit')
  })

  it('keeps sockets short enough to bind, in a folder that differs by state', () => {
    const deep = `/tmp/${'x'.repeat(90)}`
    const paths = findPaths({ JIT_HOME: deep }, '/home/ada')
    expect(paths.state).toBe(deep)
    expect(paths.runtime).toMatch(/^\/tmp\/jit-\d+-[0-9a-f]{12}$/)
    expect(Buffer.byteLength(paths.connectSocket)).toBeLessThanOrEqual(100)
    expect(findPaths({ JIT_HOME: `${deep}y` }, '/home/ada').runtime).not.toBe(paths.runtime)
  })

  it.each([
    [100, '/run/'],
    [101, '/tmp/jit-'],
  ])('at %i bytes sockets live below %s', (bytes, folder) => {
    const home = `/${'x'.repeat(bytes - '/run/connect.sock'.length - 1)}`
    expect(findPaths({ JIT_HOME: home }, '/home/ada').connectSocket).toContain(folder)
  })
})
