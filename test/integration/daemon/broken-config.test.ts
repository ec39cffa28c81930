import { readFileSync, rmSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { CONTROL, frame, frameReader } from '../../../src/api/frames.js'
import { root } from '../../support/command.ts'
import { makeHome, type RunningDaemon, startDaemon } from './running-daemon.ts'

const fixture = join(root, 'test/support/fixture-server.mjs')
const good = `version: 1\nservers:\n  one:\n    run: [node, ${JSON.stringify(fixture)}]\n    allow: [big]\n`
const authority = '-----BEGIN CERTIFICATE-----\n'

describe('a config that cannot be used', () => {
  it('does not keep the daemon from its first start: it denies everything and says why', async () => {
    const daemon = await startDaemon(makeHome('version: 1\nservrs: {}\n'))
    expect(await warnings(daemon)).toContainEqual(expect.stringContaining('servrs'))
    expect(await hello(daemon, 'one')).toMatchObject({ error: { code: 'config.invalid', message: expect.stringContaining('servrs') } })
    writeFileSync(join(daemon.home, 'jit.yaml'), good)
    expect(await apply(daemon)).toMatchObject({ applied: true, problems: [] })
    expect(await warnings(daemon)).toEqual([])
    expect(await hello(daemon, 'one')).toMatchObject({ welcome: 1 })
  })

  it('does not keep it from a later start either, and revoke, lock and audit work meanwhile', async () => {
    const home = makeHome(`${good}network:\n  ca: [authority.pem]\n`)
    writeFileSync(join(home, 'authority.pem'), authority)
    const first = await startDaemon(home)
    expect(await warnings(first)).toEqual([])
    first.signal('SIGTERM')
    await first.ended
    rmSync(join(home, 'authority.pem'))

    const daemon = await startDaemon(home)
    expect(await warnings(daemon)).toContainEqual(expect.stringContaining('authority.pem'))
    expect(await doctor(daemon, 'config')).toMatchObject({ state: 'fail', found: expect.stringContaining('authority.pem') })
    expect(await hello(daemon, 'one')).toMatchObject({
      error: {
        code: 'config.invalid',
        message: expect.stringContaining('authority.pem'),
        hint: expect.stringContaining('jit config apply'),
      },
    })
    expect((await daemon.ask('POST', '/v1/revoke', { body: { all: true } })).body).toEqual({ receipts: [] })
    expect((await daemon.ask('POST', '/v1/lock')).body).toMatchObject({ locked: true })
    expect((await daemon.ask('POST', '/v1/unlock')).body).toMatchObject({ locked: false })
    expect((await daemon.ask('GET', '/v1/audit')).text).toContain('"daemon.locked"')
    expect((await daemon.ask('GET', '/v1/audit/verify')).body).toMatchObject({ ok: true })
    expect(await apply(daemon)).toMatchObject({ applied: false, problems: [{ path: 'network.ca', line: 7 }] })
    const added = await daemon.ask('POST', '/v1/servers', { body: { name: 'two', entry: { run: ['node', fixture] } } })
    expect(added).toMatchObject({ status: 422, body: { error: { code: 'config.invalid' } } })

    writeFileSync(join(home, 'authority.pem'), authority)
    expect(await apply(daemon)).toMatchObject({ applied: true })
    expect(await hello(daemon, 'one')).toMatchObject({ welcome: 1 })
    expect(readFileSync(join(home, 'jit.yaml'), 'utf8')).toContain('authority.pem')
  })

  it('changes nothing when it is applied: network, servers and connections go on', async () => {
    const daemon = await startDaemon(makeHome(good))
    for (const [broken, path] of [
      [`${good}network:\n  ca: [missing.pem]\n`, 'network.ca'],
      [`${good}network:\n  hosts: { api.github.com: nowhere }\n`, 'network.hosts'],
      [`${good}    alow: [x]\n`, 'servers.one.alow'],
      ['{', ''],
    ] as const) {
      writeFileSync(join(daemon.home, 'jit.yaml'), broken)
      expect(await apply(daemon)).toMatchObject({ applied: false, problems: [{ path }] })
      expect((await daemon.ask('POST', '/v1/config/check', { body: {} })).body).toMatchObject({ applied: false, problems: [{ path }] })
      expect(await warnings(daemon)).toContainEqual(expect.stringContaining('not in force'))
      expect(await hello(daemon, 'one')).toMatchObject({ welcome: 1 })
    }
    rmSync(join(daemon.home, 'jit.yaml'))
    expect((await daemon.ask('GET', '/v1/status')).body).toMatchObject({ config: { pending: true } })
  })
})

async function warnings(daemon: RunningDaemon): Promise<unknown> {
  const { body } = await daemon.ask('GET', '/v1/status')
  return typeof body === 'object' && body !== null ? Reflect.get(body, 'warnings') : undefined
}

async function doctor(daemon: RunningDaemon, name: string): Promise<unknown> {
  const { text } = await daemon.ask('GET', '/v1/doctor')
  const { checks }: { checks: { name: string }[] } = JSON.parse(text)
  return checks.find((check) => check.name === name)
}

async function apply(daemon: RunningDaemon): Promise<unknown> {
  return (await daemon.ask('POST', '/v1/config/apply', { body: {} })).body
}

/** The daemon's answer to a shim that wants this server. */
function hello(daemon: RunningDaemon, server: string): Promise<unknown> {
  return new Promise((settle, fail) => {
    const socket = connect(daemon.connectSocket)
    const read = frameReader((kind, payload) => {
      if (kind === CONTROL) settle(JSON.parse(payload.toString()))
      socket.destroy()
    })
    socket.on('data', read).once('error', fail)
    const said = { hello: 1, server, pid: process.pid, parent: { pid: process.ppid, name: 'test', startTime: 0 }, cwd: '/', resume: false }
    socket.write(frame(CONTROL, JSON.stringify(said)))
  })
}
