import { chmodSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import type { KindView } from '../../../src/api/schema.ts'
import { changeText } from '../../../src/cli/changes.ts'
import { clientBlock, isOnPath } from '../../../src/cli/client-block.ts'
import { entryOf } from '../../../src/cli/commands/add.ts'
import type { Options } from '../../../src/cli/context.ts'
import { readLogin } from '../../../src/cli/login-fields.ts'
import { fillLogin } from '../../../src/cli/login-values.ts'
import { absolute } from '../../../src/cli/server-command.ts'
import { Secret } from '../../../src/core/secret.ts'

const kind: KindView = {
  kind: 'github-app',
  summary: '',
  revocation: 'immediate',
  login: [
    { name: 'appId', label: 'App id', help: 'the number', secret: false, required: true, type: 'text', pattern: '[1-9][0-9]*|Iv[a-z]+' },
    { name: 'installation', label: 'Account', help: 'the login', secret: false, required: true, type: 'text', pattern: '[a-z]+' },
    { name: 'port', label: 'Port', help: 'a port', secret: false, required: false, type: 'number' },
    { name: 'privateKey', label: 'Private key', help: 'the .pem file', secret: true, required: true, type: 'file', pattern: 'THE KEY\\s*' },
    { name: 'webhookSecret', label: 'Webhook secret', help: 'if there is one', secret: true, required: false, type: 'text' },
  ],
}

let folder: string
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'jit-cli-'))
})
afterAll(() => rmSync(folder, { recursive: true, force: true }))

describe('the words of jit login', () => {
  it.each([
    ['the name first', ['acme', '--app-id', '1', '--private-key', 'k']],
    ['the name last', ['--app-id', '1', '--private-key', 'k', 'acme']],
    ['the name between', ['--app-id=1', 'acme', '--private-key=k']],
  ])('are read with %s', (_, words) => {
    expect(readLogin(kind, words)).toEqual({ name: 'acme', values: new Map(Object.entries({ appId: '1', privateKey: 'k' })) })
  })

  it('keep what stands behind the first = whole', () => {
    expect(readLogin(kind, ['--private-key=a=b']).values.get('privateKey')).toBe('a=b')
  })

  it('take - as a value: stdin', () => {
    expect(readLogin(kind, ['--private-key', '-']).values.get('privateKey')).toBe('-')
  })

  it.each([
    ['an option of another kind', ['--role-arn', 'x'], 'has no option "--role-arn"'],
    ['an option without its value', ['--app-id'], '--app-id needs a value'],
    ['an option in place of a value', ['--app-id', '--installation', 'acme'], '--app-id needs a value'],
    ['an option twice', ['--app-id', '1', '--app-id=2'], 'given twice'],
    ['two names', ['a', 'b'], 'one name'],
  ])('are refused with %s', (_, words, message) => {
    expect(() => readLogin(kind, words)).toThrow(message)
  })
})

describe('the values of jit login', () => {
  const given = (more: Record<string, string> = {}): Map<string, string> =>
    new Map(Object.entries({ appId: '123', installation: 'acme', ...more }))
  const keyFile = (): string => {
    const file = join(folder, 'key.pem')
    writeFileSync(file, 'THE KEY', { mode: 0o600 })
    return file
  }

  it('hold a secret only as a Secret, from its file', async () => {
    const login = await fillLogin(kind, given({ privateKey: keyFile() }))
    expect(login.config).toEqual({ appId: 123, installation: 'acme' })
    expect(login.secrets['privateKey']).toBeInstanceOf(Secret)
    expect(JSON.stringify(login)).not.toContain('THE KEY')
    expect(login.secrets['privateKey']?.seal((text) => text)).toBe('THE KEY')
    expect([login.account, login.files]).toEqual(['acme', [join(folder, 'key.pem')]])
  })

  it('take also a secret that is no file from a file only, never from the command line', async () => {
    await expect(fillLogin(kind, given({ privateKey: keyFile(), webhookSecret: 'hunter2hunter2hunter2' }))).rejects.toThrow(
      '--webhook-secret',
    )
  })

  it.each([
    ['a key itself', '-----BEGIN RSA PRIVATE KEY-----\nMIIE\n-----END RSA PRIVATE KEY-----'],
    ['a token', 'ghp_aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa'],
  ])('never repeat %s that was given where a file is meant', async (_, secret) => {
    const error: unknown = await fillLogin(kind, given({ privateKey: secret })).catch((thrown: unknown) => thrown)
    expect(String(error)).toContain('names no file')
    expect(JSON.stringify(error) + String(error)).not.toContain(secret.slice(0, 12))
  })

  it.each([
    ['a file that is not there', { privateKey: '/nowhere/key.pem' }, '"/nowhere/key.pem" cannot be read: there is no such file'],
    ['a word where a number belongs', { port: 'many', privateKey: '-' }, '--port takes a number, not "many"'],
    ['two secrets from stdin', { privateKey: '-', webhookSecret: '-' }, 'cannot both be read from stdin'],
  ])('are refused with %s', async (_, more, message) => {
    await expect(fillLogin(kind, given(more))).rejects.toThrow(message)
  })

  it.each([
    ['App id', { appId: '12x' }, '--app-id takes the number, not "12x"'],
    ['App id on every line', { appId: 'x\nIvab' }, '--app-id takes the number, not "x\\nIvab"'],
    ['account', { installation: 'https://github.com/acme' }, '--installation takes the login, not "https://github.com/acme"'],
  ])('are refused with what is no %s, which is shown with its option before the key is read', async (_, more, message) => {
    await expect(fillLogin(kind, given({ privateKey: '/nowhere/key.pem', ...more }))).rejects.toThrow(message)
  })

  it('refuse a file that holds something else, without a word of it', async () => {
    const file = join(folder, 'other.pem')
    writeFileSync(file, 'ANOTHER SECRET', { mode: 0o600 })
    const error: unknown = await fillLogin(kind, given({ privateKey: file })).catch((thrown: unknown) => thrown)
    expect(String(error)).toContain(`--private-key takes the .pem file, and ${JSON.stringify(file)} holds something else`)
    expect(JSON.stringify(error) + String(error)).not.toContain('ANOTHER')
  })

  it('say what is missing where nobody can be asked', async () => {
    await expect(fillLogin(kind, new Map([['appId', '1']]))).rejects.toThrow('--installation is missing: the login')
    const [first] = kind.login
    if (first === undefined) throw new TypeError('the kind has fields')
    await expect(fillLogin({ ...kind, login: [{ ...first, name: 'url', argument: true }] }, new Map())).rejects.toThrow(
      'URL is missing: the number',
    )
  })

  it('refuse an empty secret', async () => {
    const file = join(folder, 'empty.pem')
    writeFileSync(file, '\n')
    await expect(fillLogin(kind, given({ privateKey: file }))).rejects.toThrow('empty.pem" is empty')
  })
})

describe('the entry that jit add writes', () => {
  const options = (values: Record<string, string | string[]>): Options => ({
    flag: () => false,
    text: (name) => (typeof values[name] === 'string' ? values[name] : undefined),
    list: (name) => (Array.isArray(values[name]) ? values[name] : []),
  })

  it('holds what was given and nothing else', () => {
    expect(entryOf(['npx', '-y', 'x'], options({}))).toEqual({ run: ['npx', '-y', 'x'], allow: [] })
    expect(
      entryOf(
        ['npx', 'x'],
        options({
          provider: 'acme',
          preset: 'p',
          mode: 'env',
          env: 'TOKEN',
          allow: ['a,b', ' c ,a'],
          ask: ['d'],
          where: ['owner=acme', 'repo=web,api', 'repo=ui', 'path=a=b'],
          lifetime: 'call',
          ttl: '5m',
        }),
      ),
    ).toEqual({
      run: ['npx', 'x'],
      provider: 'acme',
      preset: 'p',
      inject: { mode: 'env', env: 'TOKEN' },
      where: { owner: 'acme', repo: ['web', 'api', 'ui'], path: 'a=b' },
      allow: ['a', 'b', 'c'],
      ask: ['d'],
      lifetime: 'call',
      ttl: '5m',
    })
  })

  it('of a remote server takes its credential in a header, with one scope for calls and lists', () => {
    const url = 'https://mcp.acme.dev/mcp'
    expect(entryOf([], options({ url }))).toEqual({ url, allow: [] })
    expect(
      entryOf(
        [],
        options({ url, provider: 'acme', transport: 'sse', scope: '{"scopes":["read"]}', header: 'X-Api-Key: ${token}', allow: ['a'] }),
      ),
    ).toEqual({
      url,
      transport: 'sse',
      provider: 'acme',
      inject: { mode: 'header', header: { name: 'X-Api-Key', value: '${token}' } },
      scope: { scopes: ['read'] },
      startup: { scope: { scopes: ['read'] } },
      allow: ['a'],
    })
  })

  it.each([
    ['a --scope that is no JSON', [], { url: 'https://a.example', scope: '{' }, '--scope is not JSON'],
    ['a --header without a name', [], { url: 'https://a.example', header: 'x' }, '--header takes "Name: value", not "x"'],
    ['no command', [], {}, 'the command of the server is missing'],
    ['a command and an address', ['x'], { url: 'https://a.example' }, 'not both'],
    ['a --where without a value', ['x'], { where: ['owner'] }, '--where takes argument=value, not "owner"'],
    ['a --where without an argument', ['x'], { where: ['=acme'] }, '--where takes'],
    ['an empty --where', ['x'], { where: ['owner='] }, '--where takes'],
  ])('is refused with %s', (_, run, values, message) => {
    expect(() => entryOf(run, options(values))).toThrow(message)
  })
})

describe('the command of a server', () => {
  beforeAll(() => writeFileSync(join(folder, 'server.js'), ''))

  it.each([
    [
      ['npx', '-y', '@a/b@1', './data'],
      ['npx', '-y', '@a/b@1', '$/data'],
    ],
    [
      ['node', 'server.js', 'notes'],
      ['node', '$/server.js', 'notes'],
    ],
    [
      ['node', '--no-warnings', 'server.js'],
      ['node', '--no-warnings', '$/server.js'],
    ],
    [
      ['node', 'missing.js'],
      ['node', 'missing.js'],
    ],
    [['bin/server'], ['$/bin/server']],
    [
      ['/usr/bin/x', '/abs', '..x'],
      ['/usr/bin/x', '/abs', '..x'],
    ],
    [
      ['uvx', 'mcp-server'],
      ['uvx', 'mcp-server'],
    ],
  ])('%j names files of the folder where it was typed', (run, expected) => {
    expect(absolute(run, folder)).toEqual(expected.map((word) => word.replace('$', folder)))
  })
})

describe('jit on the PATH', () => {
  it('is what a client finds there, this one and no other', () => {
    const launcher = join(folder, 'jit.js')
    writeFileSync(launcher, '')
    chmodSync(launcher, 0o755)
    for (const name of ['bin', 'other', 'node_modules/.bin']) mkdirSync(join(folder, name), { recursive: true })
    symlinkSync(launcher, join(folder, 'bin/jit'))
    symlinkSync(launcher, join(folder, 'node_modules/.bin/jit'))
    writeFileSync(join(folder, 'other/jit'), '', { mode: 0o755 })
    expect(isOnPath(launcher, `/nowhere:${join(folder, 'bin')}`)).toBe(true)
    expect(isOnPath(launcher, `${join(folder, 'other')}:${join(folder, 'bin')}`)).toBe(false)
    expect(isOnPath(launcher, join(folder, 'node_modules/.bin'))).toBe(false)
    expect(isOnPath(launcher, 'bin')).toBe(false)
    expect(isOnPath(launcher, '')).toBe(false)
  })
})

describe('the lines for a client', () => {
  it.each([
    [undefined, undefined],
    ['', undefined],
    ['/srv/jit', { JIT_HOME: '/srv/jit' }],
    ['own', { JIT_HOME: resolve('own') }],
  ])('carry JIT_HOME=%j, which no client hands on', (home, env) => {
    vi.stubEnv('JIT_HOME', home)
    expect(clientBlock('github').env).toEqual(env)
    vi.unstubAllEnvs()
  })
})

describe('a change of the config', () => {
  it.each([
    ['', 'secret', 'added: secret'],
    ['secret', '', 'removed: secret'],
    ['5m', '10m', '5m → 10m'],
  ])('from %j to %j is %j', (before, after, text) => {
    expect(changeText(before, after)).toBe(text)
  })
})
