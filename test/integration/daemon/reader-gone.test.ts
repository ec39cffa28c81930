import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { describe, expect, it } from 'vitest'
import { demoEnvironment, launcher, root } from '../../support/command.ts'
import { makeHome, startDaemon } from './running-daemon.ts'

/** As a shell reports what SIGPIPE ended. */
const unread = 141

describe.runIf(process.platform === 'linux')('jit audit --follow', () => {
  it.each([
    [['--follow'], 'true'],
    [['--follow', '--all', '--json'], 'head -1 >/dev/null'],
  ])('%j | %s ends when the reader of its pipe has gone, without another record', async (options, reader) => {
    const daemon = await startDaemon(makeHome())
    const words = [process.execPath, launcher, 'audit', ...options].map((word) => `'${word}'`).join(' ')
    // A shell's pipe is none of Node's: one end is for reading, the other for writing.
    const shell = spawn('bash', ['-c', `${words} | ${reader}; echo "\${PIPESTATUS[0]}"`], {
      cwd: root,
      env: demoEnvironment(daemon.home),
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    expect(await outputOf(shell)).toBe(`${unread}\n`)
    expect((await daemon.ask('GET', '/v1/status')).status).toBe(200)
  })

  it('ends when it has written into a socket that nobody reads any more', async () => {
    const daemon = await startDaemon(makeHome())
    const child = spawn(process.execPath, [launcher, 'audit', '--follow', '--all'], {
      cwd: root,
      env: demoEnvironment(daemon.home),
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    await once(child.stdout, 'data')
    child.stdout.destroy()
    expect(await once(child, 'exit')).toEqual([unread, null])
  })
})

async function outputOf(child: ChildProcess): Promise<string> {
  let text = ''
  child.stdout?.setEncoding('utf8').on('data', (part: string) => (text += part))
  await once(child, 'close')
  return text
}
