import { spawnSync } from 'node:child_process'
import { closeSync, openSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'

const guard = join(import.meta.dirname, '../../../src/daemon/guard.ts')

/** What a script prints that runs in a process of its own, with these files open in it beside its streams. */
function printed(script: string, open: readonly (number | undefined)[] = []): unknown {
  const ran = spawnSync(process.execPath, ['--no-warnings', '--input-type=module', '-e', script], {
    stdio: ['ignore', 'pipe', 'pipe', ...open.map((file) => file ?? ('ignore' as const))],
  })
  expect(ran.stderr.toString()).toBe('')
  return JSON.parse(ran.stdout.toString())
}

describe.skipIf(process.platform !== 'linux')('the daemon’s process', () => {
  it('leaves no file open to servers that whoever started it had left open', () => {
    const folder = openSync('/', 'r')
    const gap = Array.from({ length: 17 }, () => undefined)
    const server = `readdirSync('/proc/self/fd').flatMap((fd) => { try { return readlinkSync('/proc/self/fd/' + fd) } catch { return [] } })`
    const script = (before: string) => `
      import { spawnSync } from 'node:child_process'
      import { closeInherited } from ${JSON.stringify(guard)}
      ${before}
      const child = spawnSync(process.execPath, ['-e', ${JSON.stringify(`const { readdirSync, readlinkSync } = require('fs'); console.log(JSON.stringify(${server}))`)}])
      console.log(child.stdout.toString())`
    expect(printed(script(''), [...gap, folder])).toContain('/')
    expect(printed(script('closeInherited()'), [...gap, folder])).not.toContain('/')
    closeSync(folder)
  })

  it('has a session keyring of its own: what the account keeps in its own reaches no server', () => {
    const found = printed(`
      import koffi from 'koffi'
      import { hardenProcess } from ${JSON.stringify(guard)}
      const number = { x64: [248, 250], arm64: [217, 219] }[process.arch]
      const syscall = koffi.load('libc.so.6').func('long syscall(long, ...)')
      const session = -3
      const look = () => syscall(number[1], 'long', 10, 'long', session, 'str', 'user', 'str', 'jit-test', 'long', 0) > 0
      syscall(number[1], 'long', 1, 'void *', null)
      syscall(number[0], 'str', 'user', 'str', 'jit-test', 'str', 'x', 'long', 1, 'long', session)
      const before = look()
      await hardenProcess()
      console.log(JSON.stringify({ before, after: look() }))`)
    if (JSON.stringify(found).includes('"before":false')) console.error('SKIPPED: keyrings are forbidden here')
    expect(found).toMatchObject({ after: false })
  })
})
