import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { mcp } from '../../../providers/mcp/index.ts'
import type { KindView } from '../../../src/api/schema.ts'
import { openBrowser } from '../../../src/cli/browser.ts'
import { followLogin, type LoginScreen } from '../../../src/cli/login-browser.ts'
import { readLogin } from '../../../src/cli/login-fields.ts'
import { fillLogin } from '../../../src/cli/login-values.ts'

const page = 'https://login.example.com/authorize?state=abc&client_id=x%20y'
const registered = { name: 'a', kind: 'mcp', revocation: 'expiry', origin: 'https://a', secrets: [], servers: [] }
const eventsOf = (...events: object[]): Readable => Readable.from(events.map((event) => `${JSON.stringify(event)}\n`))

function screen(): LoginScreen & { readonly opened: string[]; readonly said: string[] } {
  const opened: string[] = []
  const said: string[] = []
  return { opened, said, open: (url) => void opened.push(url), say: (text) => void said.push(text), note: (text) => void said.push(text) }
}

describe('a login that goes through the browser, on the terminal', () => {
  it('shows the whole address, opens it, and answers what was registered', async () => {
    const shown = screen()
    const answer = await followLogin(eventsOf({ open: page, notes: ['why \u001b[31m'] }, { registered }), true, shown)
    expect(answer).toEqual(registered)
    expect(shown.opened).toEqual([page])
    expect(shown.said.join('\n')).toContain(page)
    expect(shown.said.join('\n')).not.toContain('\u001b[31m')
  })

  it('opens nothing with --no-browser', async () => {
    const shown = screen()
    await followLogin(eventsOf({ open: page, notes: [] }, { registered }), false, shown)
    expect(shown.opened).toEqual([])
    expect(shown.said.join('\n')).toContain(page)
  })

  it('throws the daemon’s error, and one of its own when the daemon is gone', async () => {
    const error = { code: 'provider.refused', message: 'no', hint: 'h', details: {} }
    await expect(followLogin(eventsOf({ error }), true, screen())).rejects.toMatchObject({ code: 'provider.refused', message: 'no' })
    await expect(followLogin(eventsOf({ open: page, notes: [] }), true, screen())).rejects.toMatchObject({ code: 'daemon.unreachable' })
  })
})

describe('opening a browser', () => {
  let folder: string
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'jit-browser-'))
    writeFileSync(
      join(folder, 'browser'),
      `#!${process.execPath}\nrequire('fs').writeFileSync(__dirname + '/seen', JSON.stringify(process.argv.slice(2)))\n`,
    )
    chmodSync(join(folder, 'browser'), 0o700)
  })
  afterEach(() => rmSync(folder, { recursive: true, force: true }))
  const seen = (): unknown => (existsSync(join(folder, 'seen')) ? JSON.parse(readFileSync(join(folder, 'seen'), 'utf8') || 'null') : null)

  it.each(['JIT_BROWSER', 'BROWSER'])('starts the program that %s names, with the address as it is: no shell sees it', async (variable) => {
    const hostile = `https://login.example.com/?a=$(touch${folder}/ran)&b=;id`
    openBrowser(hostile, { [variable]: join(folder, 'browser') })
    await expect.poll(seen, { timeout: 5000 }).toEqual([new URL(hostile).href])
    expect(existsSync(join(folder, 'ran'))).toBe(false)
  })

  it('opens nothing but pages', async () => {
    for (const address of ['javascript:alert(1)', 'file:///etc/passwd', '--help', 'data:text/html,x', 'vbscript:x', ''])
      openBrowser(address, { JIT_BROWSER: join(folder, 'browser') })
    openBrowser(page, { JIT_BROWSER: join(folder, 'browser') })
    await expect.poll(seen, { timeout: 5000 }).toEqual([page])
  })

  it('is no error where there is none', () => {
    expect(() => openBrowser(page, { JIT_BROWSER: join(folder, 'nothing') })).not.toThrow()
  })
})

describe('jit login mcp', () => {
  const kind: KindView = { kind: 'mcp', summary: '', revocation: 'expiry', login: [...mcp.login] }

  it.each([
    [['https://mcp.linear.app/mcp'], 'https://mcp.linear.app/mcp', 'linear'],
    [['https://mcp.linear.app/mcp', 'work'], 'https://mcp.linear.app/mcp', 'work'],
    [['--url', 'https://mcp.linear.app/mcp', 'work'], 'https://mcp.linear.app/mcp', 'work'],
    [['https://example.com/mcp'], 'https://example.com/mcp', 'example'],
    [['https://api.mcp.acme-corp.dev'], 'https://api.mcp.acme-corp.dev', 'acme-corp'],
    [['http://127.0.0.1:8080/mcp'], 'http://127.0.0.1:8080/mcp', undefined],
    [['http://localhost:8080/mcp'], 'http://localhost:8080/mcp', 'localhost'],
  ] as const)('%j is about that server, and finds a name', async (words, url, name) => {
    const login = readLogin(kind, words)
    const { config, account } = await fillLogin(kind, login.values, undefined)
    expect(config['url']).toBe(url)
    expect(login.name ?? account).toBe(name)
  })

  it('takes no third word', () => {
    expect(() => readLogin(kind, ['https://a.example', 'one', 'two'])).toThrow('there is one name to give')
  })
})
