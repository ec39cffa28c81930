import { spawn } from 'node:child_process'
import { chmodSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { startWorld, type World } from '../../providers/mcp/fake/world.ts'
import { demoEnvironment, jitJson, launcher, root, runJit } from '../support/command.ts'

/** In place of a browser whose person says yes to everything: goes where it is sent, with its cookies. */
const browser = `#!${process.execPath}
const cookies = new Map()
let next = process.argv[2]
for (let step = 0; step < 10 && next !== undefined; step += 1) {
  const cookie = [...cookies].map(([name, value]) => name + '=' + value).join('; ')
  const response = await fetch(next, { redirect: 'manual', headers: cookie === '' ? {} : { cookie } })
  for (const line of response.headers.getSetCookie()) {
    const [, name, value] = /^([^=]+)=([^;]*)/.exec(line)
    cookies.set(name, value)
  }
  const location = response.headers.get('location')
  next = location === null ? undefined : new URL(location, next).href
}
`

describe('jit login mcp URL', () => {
  let home: string
  let world: World
  let program: string

  beforeAll(async () => {
    home = mkdtempSync(join(tmpdir(), 'jit-login-'))
    world = await startWorld()
    program = join(home, 'browser.mjs')
    writeFileSync(program, browser)
    chmodSync(program, 0o700)
    writeFileSync(join(home, 'jit.yaml'), 'version: 1\nnetwork: { hosts: { 127.0.0.1: 127.0.0.1 } }\n', { mode: 0o600 })
    expect(await runJit(home, ['config', 'apply', '--yes'])).toMatchObject({ code: 0 })
  })
  afterAll(async () => {
    await runJit(home, ['stop'])
    await world.close()
    rmSync(home, { recursive: true, force: true })
  })

  it('registers by way of the browser; the command line sees the address and no secret', async () => {
    const { code, stdout, stderr } = await runJit(home, ['login', 'mcp', world.url, 'tracker'], '', { JIT_BROWSER: program })
    expect(stderr + stdout).toContain('tracker is registered')
    expect(code).toBe(0)
    expect(stderr).toContain(`${world.issuer}/auth?`)
    expect(await jitJson(home, ['providers'])).toMatchObject([
      { name: 'tracker', kind: 'mcp', origin: new URL(world.url).origin, secrets: ['session'] },
    ])
    const answers = world.journal.filter(({ path }) => path === '/token')
    expect(answers).toHaveLength(1)
    const [verifier = 'none'] = new URLSearchParams(answers[0]?.body).getAll('code_verifier')
    const [given = 'none'] = new URLSearchParams(answers[0]?.body).getAll('code')
    for (const secret of [verifier, given]) expect(stdout + stderr).not.toContain(secret)
    // Nothing in the clear in the home either: config, database, log, trail.
    const token =
      world.journal.findLast(({ headers }) => headers.authorization !== undefined)?.headers.authorization?.replace('Bearer ', '') ?? 'none'
    expect(token.length).toBeGreaterThan(20)
    for (const entry of readdirSync(home, { recursive: true, withFileTypes: true })) {
      if (entry.isFile()) expect(readFileSync(join(entry.parentPath, entry.name), 'latin1')).not.toContain(token)
    }
  })

  it('only prints the address with --no-browser, and ends with the command', async () => {
    const child = spawn(process.execPath, [launcher, 'login', 'mcp', world.url, 'second', '--no-browser'], {
      cwd: root,
      env: { ...demoEnvironment(home), JIT_BROWSER: program },
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    const ended = new Promise((settle) => child.once('close', settle))
    let said = ''
    const address = await new Promise<string>((settle) => {
      child.stderr.setEncoding('utf8').on('data', (text: string) => {
        said += text
        const [found] = /http:\/\/\S+\/auth\?\S+/.exec(said) ?? []
        if (found !== undefined) settle(found)
      })
    })
    const back = new URL(address).searchParams.get('redirect_uri') ?? ''
    expect((await fetch(back)).status).toBe(404)
    child.kill('SIGINT')
    await ended
    await expect
      .poll(() =>
        fetch(back).then(
          () => 'listens',
          () => 'gone',
        ),
      )
      .toBe('gone')
    expect(await jitJson(home, ['providers'])).toHaveLength(1)
  })

  it('shows no address without end, and nothing of a server’s words that a terminal obeys', async () => {
    const over = world.twist({
      path: /^\/\.well-known\/o(auth-authorization-server|penid-configuration)/,
      answer: (body) => ({ ...body, authorization_endpoint: `${String(body['authorization_endpoint'])}?x=${'x'.repeat(20_000)}` }),
    })
    const endless = await runJit(home, ['login', 'mcp', world.url, 'third', '--no-browser'])
    expect(endless.stderr).toContain('the address of the page to log in at has')
    expect(endless.stderr.length).toBeLessThan(2000)
    over()
    const words = '\u001b[2J\u009b2J\u202egnp.exe\u2028hint: log in at evil.example'
    const refusing = world.twist({
      path: '/reg',
      status: 400,
      text: JSON.stringify({ error: 'invalid_client_metadata', error_description: words }),
    })
    const { code, stderr } = await runJit(home, ['login', 'mcp', world.url, 'third', '--no-browser'])
    refusing()
    expect([code > 0, stderr]).toEqual([true, expect.stringContaining('gnp.exe')])
    expect(stderr).not.toMatch(/[\u001b\u009b\u202e\u2028]|^hint: log/m)
  })

  it('a second time needs --replace, before anybody is sent anywhere', async () => {
    const before = world.journal.length
    const { code, stderr } = await runJit(home, ['login', 'mcp', world.url, 'tracker'], '', { JIT_BROWSER: program })
    expect([code, stderr]).toEqual([4, expect.stringContaining('--replace')])
    expect(world.journal).toHaveLength(before)
    expect(await runJit(home, ['login', 'mcp', world.url, 'tracker', '--replace'], '', { JIT_BROWSER: program })).toMatchObject({ code: 0 })
  })

  it('ends with jit logout, at the server too', async () => {
    const { code, stdout } = await runJit(home, ['logout', 'tracker'])
    expect([code, stdout]).toEqual([0, expect.stringContaining('the login is over upstream too')])
    expect(await jitJson(home, ['providers'])).toEqual([])
  })
})
