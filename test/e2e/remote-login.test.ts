import { spawn } from 'node:child_process'
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Client } from '@modelcontextprotocol/sdk/client/index.js'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { startWorld, type World } from '../../providers/mcp/fake/world.ts'
import { remoteFixture } from '../integration/gateway/remote.ts'
import { openAgent } from '../support/agent.ts'
import { demoEnvironment, launcher, root, runJit } from '../support/command.ts'

/** From `jit login mcp URL` to `jit logout`: a real daemon, a real authorization server, a server of the SDK that wants its tokens. */
describe('a remote server that people log in to', () => {
  const home = mkdtempSync(join(tmpdir(), 'jit-remote-login-'))
  /** All that anybody could read. */
  const said: string[] = []
  let world: World
  let client: Client | undefined

  const jit = async (...args: readonly string[]): Promise<string> => {
    const { code, stdout, stderr } = await runJit(home, args)
    said.push(stdout, stderr)
    expect(code, stderr || stdout).toBe(0)
    return stdout
  }
  /** Without a browser: the person opens the address that the command prints. */
  const logIn = async (...more: readonly string[]): Promise<void> => {
    const child = spawn(process.execPath, [launcher, 'login', 'mcp', world.url, 'tracker', '--no-browser', ...more], {
      cwd: root,
      env: demoEnvironment(home),
      stdio: ['ignore', 'pipe', 'pipe'],
      timeout: 60_000,
    })
    let text = ''
    let isOpen = false
    const hear = (chunk: string): void => {
      text += chunk
      const [address] = /http:\/\/\S+\/auth\?\S+(?=\s)/.exec(text) ?? []
      if (address === undefined || isOpen) return
      isOpen = true
      world.visit(address).catch(() => child.kill())
    }
    child.stdout.setEncoding('utf8').on('data', hear)
    child.stderr.setEncoding('utf8').on('data', hear)
    const code = await new Promise((settle) => child.once('close', settle))
    said.push(text)
    expect(code, text).toBe(0)
  }
  const say = async (text: string): Promise<string> => {
    const answer = await client?.callTool({ name: 'say', arguments: { text } }).catch((error: unknown) => String(error))
    said.push(JSON.stringify(answer))
    return typeof answer === 'string' ? answer : JSON.stringify(answer?.content)
  }
  const renewals = (): number =>
    world.journal.filter(({ path, body }) => path === '/token' && body.includes('grant_type=refresh_token')).length

  beforeAll(async () => {
    const fixture = remoteFixture()
    world = await startWorld({ tokenLife: 14, serve: fixture.handle })
    writeFileSync(join(home, 'jit.yaml'), 'version: 1\nnetwork: { hosts: { 127.0.0.1: 127.0.0.1 } }\n', { mode: 0o600 })
  })
  afterAll(async () => {
    await client?.close()
    await runJit(home, ['stop'])
    await world.close()
    rmSync(home, { recursive: true, force: true })
  })

  it('takes two commands; the first `jit add` shows which tools there are, and allows none', async () => {
    await logIn()
    const shown = await jit('add', 'tracker', '--url', world.url)
    expect(shown).toMatch(/0 tools allowed/)
    expect(shown).toMatch(/login +tracker, found by its address/)
    expect(shown).toMatch(/It has 3 tools[^]*\nsay +may write/)
    expect(await jit('add', 'tracker', '--url', world.url, '--replace', '--allow', 'say')).toMatch(/1 tool allowed/)
    const config = readFileSync(join(home, 'jit.yaml'), 'utf8')
    expect(config).toContain('mode: header')
    expect(config.match(new RegExp(`resource: ${world.url}`, 'g'))).toHaveLength(2)
  })

  it('is called by an agent that holds no token', async () => {
    client = await openAgent(home, 'tracker')
    expect((await client.listTools()).tools.map(({ name }) => name)).toEqual(['say'])
    expect(await say('hello')).toContain('hello')
  })

  it('that forgets its tokens is given another, and the call with it', async () => {
    const before = renewals()
    world.store.forget('AccessToken')
    expect(await say('again')).toContain('again')
    expect(renewals()).toBe(before + 1)
    expect(await jit('audit', '--tool', 'say', '--json')).toMatch(/"status":401[^]*"status":200/)
  })

  it('whose tokens run out is given new ones in time', async () => {
    const before = renewals()
    await expect
      .poll(async () => [await say('on'), renewals() > before], { timeout: 30_000, interval: 500 })
      .toEqual([expect.stringContaining('on'), true])
  })

  it('that wants more says for what, and a new login helps', async () => {
    world.require(['admin'])
    expect(await say('more')).toMatch(/it wants a login with more: .{0,2}admin/)
    await logIn('--replace')
    expect(await say('more')).toContain('"more"')
  })

  it('ends with `jit revoke` and `jit logout`, which say what became of its tokens', async () => {
    expect(await jit('revoke', '--all')).toMatch(/expires|until/)
    await jit('remove', 'tracker')
    expect(await jit('logout', 'tracker')).toMatch(/the login is over upstream too/)
    // The login that was replaced is not ended there: that could have ended the new one.
    expect(world.store.alive('RefreshToken')).toBe(1)
  })

  it('has shown its tokens to nobody', async () => {
    const bearers = world.journal.flatMap(({ headers }) => (headers.authorization ?? '').replace('Bearer ', ''))
    const renewed = world.journal.flatMap(({ body }) => new URLSearchParams(body).getAll('refresh_token'))
    const tokens = new Set([...bearers, ...renewed].filter((token) => token !== ''))
    expect(tokens.size).toBeGreaterThan(4)
    const files = readdirSync(home, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile())
    const texts = [...said, ...files.map((entry) => readFileSync(join(entry.parentPath, entry.name), 'latin1'))]
    for (const token of tokens) expect(texts.filter((text) => text.includes(token))).toEqual([])
  })
})
