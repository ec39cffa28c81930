import { chmodSync, existsSync, mkdirSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, relative } from 'node:path'
import { spawnSync } from 'node:child_process'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { errorTable } from '../../../src/core/errors.ts'
import { fits } from '../../../src/shim/launch.js'
import { createInstallation, type Installation } from './installation.ts'
import { newHome, nodes, Shim } from './shim.ts'

const unreachable = errorTable['daemon.unreachable']

describe('a daemon that does not run', () => {
  let installation: Installation
  let home: string
  const shims: Shim[] = []

  beforeEach(() => {
    home = newHome()
    installation = createInstallation('runs')
  })
  afterEach(() => {
    for (const shim of shims.splice(0)) shim.kill()
    installation.close()
    rmSync(home, { recursive: true, force: true })
  })

  function open(options: ConstructorParameters<typeof Shim>[1] = {}): Shim {
    const shim = new Shim(home, { launcher: installation.launcher, ...options })
    shims.push(shim)
    return shim
  }

  it.each(nodes)('is started by jit connect on %s', async (node) => {
    expect((await open({ node }).ask(0, 'initialize')).result).toBeDefined()
    expect(installation.starts()).toHaveLength(1)
  })

  it('gets nothing of the client’s environment but what it needs, and not its folder', async () => {
    const environment = {
      GITHUB_TOKEN: 'canary',
      HTTPS_PROXY: 'http://127.0.0.1:1',
      LD_LIBRARY_PATH: '/nowhere',
      JIT_SECRET: 'canary',
      LC_ALL: 'C',
      JIT_LOG: 'debug',
    }
    await open({ environment }).ask(0, 'initialize')
    const [start] = installation.starts()
    expect(
      Object.keys(start?.environment ?? {}).filter(
        (name) =>
          !/^(PATH|HOME|USER|LOGNAME|LANG|LC_ALL|TMPDIR|JIT_HOME|JIT_LOG|JIT_KEYCHAIN|MALLOC_ARENA_MAX|NODE_COMPILE_CACHE)$/.test(name),
      ),
    ).toEqual([])
    expect(start?.environment).toMatchObject({ LC_ALL: 'C', JIT_LOG: 'debug', JIT_HOME: home })
    expect(JSON.stringify(start)).not.toContain('canary')
    expect(start?.folder).not.toBe(process.cwd())
  })

  it('finds its home though JIT_HOME is relative to the client’s folder', async () => {
    await open({ environment: { JIT_HOME: relative(process.cwd(), home) } }).ask(0, 'initialize')
    expect(installation.starts()[0]?.environment['JIT_HOME']).toBe(home)
  })

  it('outlives the client that started it', async () => {
    const shim = open()
    await shim.ask(0, 'initialize')
    expect(await shim.close()).toBe(0)
    expect((await open().ask(0, 'initialize')).result).toBeDefined()
    expect(installation.starts()).toHaveLength(1)
  })

  it('is started once by ten clients at the same time', async () => {
    const answers = await Promise.all(Array.from({ length: 10 }, () => open().ask(0, 'initialize')))
    expect(answers.every((answer) => answer.result !== undefined)).toBe(true)
    expect(installation.starts()).toHaveLength(1)
    expect(existsSync(join(home, 'starting'))).toBe(false)
  })

  it('and cannot start has its own words passed on; once it can, the next request gets through', async () => {
    installation.program('fails')
    const shim = open()
    const { error } = await shim.ask(0, 'initialize')
    expect(error).toMatchObject({ code: unreachable.rpc, data: { hint: 'Correct the line that is named.' } })
    expect(error?.message).toContain('jit.yaml:3:1: servers: "alow" is no key')
    expect(shim.stderr).toBe('jit: jit.yaml:3:1: servers: "alow" is no key\n     Correct the line that is named.\n')
    installation.program('runs')
    expect((await shim.ask(1, 'initialize')).result).toBeDefined()
    expect(await shim.close()).toBe(0)
  })

  it('and cannot start gives the exit code of the error table', async () => {
    installation.program('fails')
    const shim = open()
    await shim.ask(0, 'initialize')
    expect(await shim.close()).toBe(unreachable.exit)
  })

  it('and never listens is not waited for longer than ten seconds', async () => {
    installation.program('dumb')
    expect((await open().ask(0, 'initialize')).error?.message).toContain('did not come up within 10 s')
  })

  it('while another one still holds the store is started again', async () => {
    installation.program('held twice, then runs')
    expect((await open().ask(0, 'initialize')).result).toBeDefined()
    expect(installation.starts()).toHaveLength(3)
  })

  it.each([
    ['of a starter that is gone', '999999999', 0],
    ['that holds rubbish', 'x', 0],
    ['of a starter that takes far too long', String(process.pid), 60],
  ])('is started in spite of a lock %s', async (_, content, age) => {
    lock(content, age)
    expect((await open().ask(0, 'initialize')).result).toBeDefined()
  })

  it('is waited for while somebody else starts it', async () => {
    lock(String(process.pid), 0)
    const shim = open()
    const answer = shim.ask(0, 'initialize')
    await new Promise((resolve) => setTimeout(resolve, 500))
    expect(installation.starts()).toHaveLength(0)
    rmSync(join(home, 'starting'))
    expect((await answer).result).toBeDefined()
  })

  it('is not looked for in a folder that others can write to', async () => {
    mkdirSync(join(home, 'run'))
    chmodSync(join(home, 'run'), 0o777)
    const { error } = await open().ask(0, 'initialize')
    expect(error?.message).toContain(join(home, 'run'))
    expect(installation.starts()).toHaveLength(0)
  })

  it('leaves the state folder closed to others', async () => {
    const deep = join(home, 'a/b')
    await open({ environment: { JIT_HOME: deep } }).ask(0, 'initialize')
    expect(statSync(deep).mode & 0o077).toBe(0)
  })

  const old = nodes.find((node) => !fits(spawnSync(node, ['--version'], { encoding: 'utf8' }).stdout.trim()))
  const others = ['/usr/local/bin/node', '/opt/homebrew/bin/node', '/usr/bin/node'].filter(
    (path) => existsSync(path) && fits(spawnSync(path, ['--version'], { encoding: 'utf8' }).stdout.trim()),
  )
  it.runIf(old !== undefined && others.length === 0)('on a machine without a Node that fits says which one is needed', async () => {
    rmSync(join(installation.launcher, '../../../node_modules'))
    const environment = { PATH: tmpdir() }
    const shim = open({ node: old ?? '', environment })
    expect((await shim.ask(0, 'initialize')).error?.message).toMatch(/Node 22\.21 or newer; this is v\d+/)
    const status = spawnSync(old ?? '', [installation.launcher, 'status'], { encoding: 'utf8', env: { ...environment, JIT_HOME: home } })
    expect([status.status, status.stdout]).toEqual([69, ''])
    expect(status.stderr).toMatch(/^error: jit needs Node 22\.21 or newer.*\nhint: .*\n$/)
  })

  function lock(content: string, age: number): void {
    const file = join(home, 'starting')
    writeFileSync(file, content)
    const time = Date.now() / 1000 - age
    utimesSync(file, time, time)
  }
})
