import { spawnSync } from 'node:child_process'
import { readFileSync, rmSync } from 'node:fs'
import { connect } from 'node:net'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { demoEnvironment, root } from '../../support/command.ts'
import { makeHome, makeHomeFor, type RunningDaemon, startDaemon } from './running-daemon.ts'

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

describe('a request to the API that two readers could read in two ways', () => {
  let daemon: RunningDaemon
  beforeAll(async () => {
    daemon = await startDaemon(makeHomeFor('version: 1\n'), { untilTestEnds: false })
  })
  afterAll(async () => {
    daemon.signal('SIGKILL')
    await daemon.ended
    rmSync(daemon.home, { recursive: true, force: true })
  })

  const behind = 'POST /v1/lock HTTP/1.1\r\nHost: jit\r\nContent-Length: 2\r\n\r\n{}'
  const get = (...lines: string[]): string => ['GET /v1/status HTTP/1.1', ...lines, '', ''].join('\r\n')

  it.each([
    ['two hosts', get('Host: jit', 'Host: evil.example')],
    ['no host', get()],
    ['another address', get('Host: jit').replace('/v1/status', 'http://evil.example/v1/status')],
    ['two lengths', get('Host: jit', 'Content-Length: 0', `Content-Length: ${behind.length}`) + behind],
    ['a length and chunks', `${get('Host: jit', `Content-Length: ${behind.length}`, 'Transfer-Encoding: chunked')}0\r\n\r\n${behind}`],
    ['chunks of another kind', get('Host: jit', 'Transfer-Encoding: xchunked') + behind],
    ['a folded header', get('Host: jit', 'X-A: b', ' c')],
    ['a bare line feed', get('Host: jit').replaceAll('\r\n', '\n')],
    ['a space before the colon', get('Host : jit')],
    ['an upgrade', get('Host: jit', 'Connection: Upgrade', 'Upgrade: websocket')],
    ['another version', get('Host: jit').replace('HTTP/1.1', 'HTTP/1.0')],
    ['a tunnel', 'CONNECT 127.0.0.1:22 HTTP/1.1\r\nHost: jit\r\n\r\n'],
    ['an endless head', get('Host: jit', `X-A: ${'b'.repeat(100_000)}`)],
  ])('is refused: %s', async (_, text) => {
    const answer = await bytesOf(daemon.apiSocket, text)
    expect(answer).not.toMatch(/HTTP\/1\.1 2/)
    expect((answer.match(/^HTTP\/1\.1 /gm) ?? []).length).toBeLessThanOrEqual(1)
    expect((await daemon.ask('GET', '/v1/status')).body).toMatchObject({ locked: false })
  })
})

/** All that comes back before the connection ends, or until it says no more. */
function bytesOf(path: string, text: string): Promise<string> {
  return new Promise((resolve) => {
    let heard = ''
    const socket = connect(path, () => socket.write(text))
    socket.setTimeout(2000, () => socket.destroy())
    socket.on('data', (part) => (heard += part.toString('latin1')))
    socket.once('error', () => undefined).once('close', () => resolve(heard))
  })
}

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
