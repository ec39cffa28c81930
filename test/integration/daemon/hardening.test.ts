import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { connect } from 'node:net'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { demoEnvironment, root } from '../../support/command.ts'
import { makeHome, startDaemon } from './running-daemon.ts'

const guard = join(root, 'src/daemon/guard.ts')

/** Node with such flags, on a script that guards itself as the daemon does. */
function guarded(
  flags: readonly string[],
  script: string,
  environment: Record<string, string> = {},
): { status: number | null; text: string } {
  const text = `import { guardProcess, hardenProcess } from ${JSON.stringify(guard)}; guardProcess({}, process.execArgv.filter((flag) => !/^--input-type/.test(flag))); ${script}`
  const ran = spawnSync(process.execPath, [...flags, '--input-type=module', '-e', text], {
    env: { ...demoEnvironment(''), ...environment },
    encoding: 'utf8',
    timeout: 20_000,
  })
  return { status: ran.status, text: ran.stdout + ran.stderr }
}

describe('the daemon', () => {
  it.each([
    ['--inspect=127.0.0.1:0'],
    ['--heapsnapshot-signal=SIGUSR2'],
    ['--report-on-signal'],
    ['--import=data:text/javascript,0'],
    ['-r', 'node:fs'],
    ['--trace-tls'],
    ['--expose-gc'],
    ['--abort-on-uncaught-exception'],
  ])('does not start with %s', (...flags) => {
    const { status, text } = guarded(flags, `console.log('went on')`)
    expect(text).toContain('the daemon does not start with')
    expect(text).not.toContain('went on')
    expect(status).not.toBe(0)
  })

  it('puts nothing of its environment into a report', () => {
    const canary = 'canary-in-the-environment'
    const { status, text } = guarded([], `console.log(JSON.stringify(process.report.getReport()))`, { CANARY: canary })
    expect(status).toBe(0)
    expect(text).toContain('"header"')
    expect(text).not.toContain(canary)
  })

  it('makes files that others cannot read', () => {
    expect(guarded([], `console.log(process.umask().toString(8))`).text).toContain('77')
  })
})

describe.runIf(process.platform === 'linux')('a running daemon', () => {
  it('opens no debugger at a signal, leaves no core, and keeps its memory from programs of its account', async () => {
    const before = await listens(9229)
    const daemon = await startDaemon(makeHome())
    daemon.signal('SIGUSR1')
    // What came before the answer was done: the signal, too.
    for (let round = 0; round < 5; round += 1) expect((await daemon.ask('GET', '/v1/status')).status).toBe(200)
    expect(await listens(9229)).toBe(before)
    expect(readFileSync(`/proc/${daemon.pid}/limits`, 'utf8')).toMatch(/Max core file size\s+0\s+0\s/)
    expect(readMemoryOf(daemon.pid)).toMatch(/EACCES|EPERM/)
  })
})

/** As a program of the same account does, without what root alone may: its error, or `read`. */
function readMemoryOf(pid: number): string {
  const script = `try { require('fs').openSync('/proc/${pid}/mem', 'r'); console.log('read') } catch (error) { console.log(error.code) }`
  const asRoot = process.getuid?.() === 0
  const ran = asRoot
    ? spawnSync('setpriv', ['--bounding-set=-sys_ptrace', '--inh-caps=-sys_ptrace', process.execPath, '-e', script], { encoding: 'utf8' })
    : spawnSync(process.execPath, ['-e', script], { encoding: 'utf8' })
  return ran.stdout.trim()
}

function listens(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1')
    socket.once('error', () => resolve(false)).once('connect', () => (socket.destroy(), resolve(true)))
  })
}
