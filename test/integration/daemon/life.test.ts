import { spawnSync } from 'node:child_process'
import { chmodSync, existsSync, lstatSync, mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest'
import type { Client } from '@modelcontextprotocol/sdk/client/index.js'
import { openAgent } from '../../support/agent.ts'
import { root } from '../../support/command.ts'
import { configureServers, githubServer, login, must } from '../../support/servers.ts'
import { openStage, type Stage } from '../../support/stage.ts'
import { makeHome, recordsOf, startDaemon } from './running-daemon.ts'

describe('a second daemon on the same home', () => {
  it('ends with an error that says who is there, and disturbs nothing', async () => {
    const first = await startDaemon(makeHome())
    const second = await startDaemon(first.home)
    expect(await second.ended).toBe(75)
    expect(second.stderr()).toMatch(/^error: .*jit\.db\nhint: .*jit status/)
    expect((await first.ask('GET', '/v1/status')).body).toMatchObject({ pid: first.pid })
    expect(existsSync(first.connectSocket)).toBe(true)
  })

  it('of many that start at once, one serves', async () => {
    const home = makeHome()
    const all = await Promise.all(Array.from({ length: 4 }, () => startDaemon(home)))
    const codes: (number | null)[] = []
    await new Promise<void>((settle) => {
      for (const daemon of all) void daemon.ended.then((code) => codes.push(code) === 3 && settle())
    })
    expect(codes).toEqual([75, 75, 75])
    const alive = all.filter((daemon) => daemon.alive())
    expect(alive).toHaveLength(1)
    expect((await alive[0]?.ask('GET', '/v1/status'))?.body).toMatchObject({ pid: alive[0]?.pid })
  })

  it('takes the place of one that was killed, with its stale sockets', async () => {
    const first = await startDaemon(makeHome())
    first.signal('SIGKILL')
    await first.ended
    expect(existsSync(first.apiSocket)).toBe(true)
    const second = await startDaemon(first.home)
    expect((await second.ask('GET', '/v1/status')).body).toMatchObject({ pid: second.pid })
  })
})

describe('the folder of the state', () => {
  it.each([
    ['the home', ''],
    ['the sockets', 'run'],
  ])('that is open to others is closed before anything is in it: %s', async (_, name) => {
    const home = makeHome()
    mkdirSync(join(home, 'run'), { mode: 0o700 })
    chmodSync(join(home, name), 0o777)
    const daemon = await startDaemon(home)
    expect(daemon.alive()).toBe(true)
    expect(lstatSync(join(home, name)).mode & 0o777).toBe(0o700)
    for (const file of ['jit.db', 'key', 'jit.log']) expect([file, lstatSync(join(home, file)).mode & 0o077]).toEqual([file, 0])
  })

  it.each([
    ['is a link', (home: string) => symlinkSync(makeHome(), join(home, 'run')), /run is not a folder/],
    ['is a file', (home: string) => writeFileSync(join(home, 'run'), ''), /run/],
  ])('that %s is refused', async (_, spoil, said) => {
    const home = makeHome()
    spoil(home)
    const daemon = await startDaemon(home)
    expect(await daemon.ended).toBe(77)
    expect(daemon.stderr()).toMatch(said)
    expect(daemon.stderr()).not.toContain('    at ')
    expect(existsSync(join(home, 'jit.db'))).toBe(false)
  })

  it.each([
    ['a link for a store', (home: string) => symlinkSync(join(home, 'elsewhere'), join(home, 'jit.db')), 77],
    ['a store that is none', (home: string) => writeFileSync(join(home, 'jit.db'), 'x'.repeat(5000)), 74],
    ['a key that others may read', (home: string) => writeFileSync(join(home, 'key'), 'x', { mode: 0o644 }), 77],
  ])('with %s is refused, and what is there stays', async (_, spoil, code) => {
    const home = makeHome()
    spoil(home)
    const daemon = await startDaemon(home)
    expect(await daemon.ended).toBe(code)
    expect(daemon.stderr()).toMatch(/^error: .+\nhint: .+\n$/)
  })

  it.runIf(process.getuid?.() === 0)('of another account is refused', async () => {
    const home = makeHome()
    spawnSync('chown', ['65534', home])
    onTestFinished(() => void spawnSync('chown', ['0', home]))
    const daemon = await startDaemon(home)
    expect(await daemon.ended).toBe(77)
    expect(daemon.stderr()).toContain('belongs to another user')
  })

  it.each([
    ['NODE_OPTIONS', '--no-warnings'],
    ['SSLKEYLOGFILE', '/tmp/keys'],
    ['NODE_TLS_REJECT_UNAUTHORIZED', '0'],
  ])('is not opened under %s', async (name, value) => {
    const home = makeHome()
    const daemon = await startDaemon(home, { environment: { [name]: value } })
    expect(await daemon.ended).toBe(77)
    expect(daemon.stderr()).toContain(name)
    expect(existsSync(join(home, 'jit.db'))).toBe(false)
  })
})

/** Connects as another account and tells what comes of it; only root can become one. */
const asNobody = `require('node:net').connect(process.argv[1]).on('connect', function () { this.write('GET /v1/status HTTP/1.1\\r\\nHost: jit\\r\\n\\r\\n') })
  .on('data', (data) => { console.log(String(data)); process.exit() }).on('error', (error) => console.log(error.code)).on('close', () => console.log('closed'))`

describe.skipIf(process.getuid?.() !== 0 || process.platform !== 'linux')('the API', () => {
  it('does not answer another account, also when its folder was opened', async () => {
    const daemon = await startDaemon(makeHome())
    for (const path of [daemon.home, join(daemon.home, 'run'), daemon.apiSocket]) chmodSync(path, 0o777)
    const told = spawnSync(process.execPath, ['-e', asNobody, daemon.apiSocket], { uid: 65534, gid: 65534, cwd: '/', encoding: 'utf8' })
    expect(told.stdout).not.toContain('HTTP/1.1')
    expect(told.stdout).toContain('closed')
    expect(daemon.log()).toContain('user 65534 connected to the daemon of user 0')
    expect((await daemon.ask('GET', '/v1/status')).status).toBe(200)
  })
})

describe('a locked daemon', () => {
  it('stays locked through kill -9, and when either of the two marks is lost', async () => {
    const home = makeHome()
    for (const lose of [() => undefined, () => rmSync(join(home, 'locked'))]) {
      const daemon = await startDaemon(home)
      await daemon.ask('POST', '/v1/lock')
      daemon.signal('SIGKILL')
      await daemon.ended
      lose()
      const next = await startDaemon(home)
      expect((await next.ask('GET', '/v1/status')).body).toMatchObject({ locked: true })
      expect((await next.ask('POST', '/v1/unlock')).body).toMatchObject({ locked: false })
      next.signal('SIGKILL')
      await next.ended
    }
    const last = await startDaemon(home)
    expect((await last.ask('GET', '/v1/status')).body).toMatchObject({ locked: false })
  })
})

describe('SIGTERM', () => {
  let stage: Stage

  beforeAll(async () => {
    stage = await openStage()
    await login(stage)
    const fixture = join(root, 'test/support/fixture-server.mjs')
    await configureServers(stage, `${githubServer('github')}  other:\n    run: [node, ${JSON.stringify(fixture)}]\n    allow: [big]\n`)
  })
  afterAll(async () => {
    await stage.close()
  })

  /** The result, or the error as text. */
  const call = (client: Client, repo = 'web', number = 42): Promise<unknown> =>
    client
      .callTool({ name: 'get_issue', arguments: { owner: 'acme', repo, issue_number: number } })
      .then((result) => (result.isError === true ? JSON.stringify(result) : 'ok'))
      .catch((error: unknown) => String(error))

  it('is not what a change of another server is to a call: that goes on', async () => {
    const client = await openAgent(stage.home, 'github')
    // Decided, but not injected yet: the mint takes its time.
    const hung = stage.github.fault({ match: { method: 'POST', path: /access_tokens$/ }, delay: 2500, times: 1 })
    const answer = call(client, 'api', 1)
    await hung.hit()
    const file = join(stage.home, 'jit.yaml')
    writeFileSync(file, readFileSync(file, 'utf8').replace('allow: [big]', 'allow: [big, misbehave]'))
    await must(stage, ['config', 'apply', '--yes'])
    expect(await answer).toBe('ok')
    await client.close()
  })

  it('ends a call whose own server changed, and the client goes on', async () => {
    const client = await openAgent(stage.home, 'github')
    const hung = stage.github.fault({ match: { method: 'GET', path: '/repos/acme/web/issues/42' }, delay: 30_000, times: 1 })
    const answer = call(client)
    await hung.hit()
    const file = join(stage.home, 'jit.yaml')
    writeFileSync(file, readFileSync(file, 'utf8').replace('allow: [get_issue, list_issues]', 'allow: [get_issue]'))
    await must(stage, ['config', 'apply', '--yes'])
    expect(await answer).toMatch(/changed|1203|1403/)
    expect(await call(client)).toBe('ok')
    await client.close()
  })

  it('in the middle of a call: it gets its answer, its credential is revoked, no child stays, and the daemon ends in order', async () => {
    const client = await openAgent(stage.home, 'github')
    expect(await call(client)).toBe('ok')
    const status: { pid: number; servers: { lanes: { pid: number }[] }[] } = JSON.parse(await must(stage, ['status', '--json']))
    const children = status.servers.flatMap((server) => server.lanes.map((lane) => lane.pid))
    expect(children.length).toBeGreaterThan(0)
    const records = recordsOf(stage.home, '/v1/audit?follow=true&type=call.close')
    const hung = stage.github.fault({ match: { method: 'GET', path: '/repos/acme/web/issues/42' }, delay: 30_000, times: 1 })
    const answer = call(client)
    await hung.hit()
    process.kill(status.pid, 'SIGTERM')
    expect(await answer).toContain('1203')
    expect(await records.first((record) => JSON.stringify(record['error'])?.includes('daemon.restarted') === true)).toMatchObject({
      type: 'call.close',
      result: 'error',
      error: { code: 'daemon.restarted' },
    })
    await gone(status.pid)
    for (const pid of children) expect(isAlive(pid)).toBe(false)
    expect(stage.github.tokens().filter((token) => token.alive)).toEqual([])
    expect(existsSync(join(stage.home, 'run', 'api.sock'))).toBe(false)

    expect(await call(client)).toBe('ok')
    await client.close()
    const trail = await must(stage, ['audit', '--json'])
    expect(trail).toContain('"daemon.stopped"')
    await must(stage, ['audit', 'verify'])
  })
})

/** Ends once the process has; the test's own time limit is the bound. */
async function gone(pid: number): Promise<void> {
  while (isAlive(pid)) await new Promise((settle) => setTimeout(settle, 20))
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'))
  } catch {
    return false
  }
}
