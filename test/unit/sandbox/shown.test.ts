import { chmodSync, mkdirSync, mkdtempSync, realpathSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { follow, isWithin } from '../../../src/sandbox/links.ts'
import { pathsOf } from '../../../src/sandbox/program.ts'
import { mayShow, mountsFor, placeOf, readDeclared } from '../../../src/sandbox/shown.ts'

let folder: string
const at = (...names: string[]): string => join(folder, ...names)
const file = (path: string, text = ''): string => {
  mkdirSync(join(at(path), '..'), { recursive: true })
  writeFileSync(at(path), text)
  return at(path)
}

beforeEach(() => {
  folder = realpathSync(mkdtempSync(join(tmpdir(), 'jit-shown-')))
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

describe('following a path', () => {
  it('names every link on the way, where it stands and what it says', () => {
    file('real/inner/file')
    symlinkSync('real', at('one'))
    symlinkSync(at('one/inner'), at('two'))
    expect(follow(at('two/file'))).toEqual({
      real: at('real/inner/file'),
      links: [
        { at: at('two'), text: at('one/inner') },
        { at: at('one'), text: 'real' },
      ],
    })
  })

  it.each(['missing', 'loop', 'dangling/x'])('answers nothing for %s', (name) => {
    symlinkSync('loop', at('loop'))
    symlinkSync('nowhere', at('dangling'))
    expect(follow(at(name))).toBeUndefined()
  })

  it.each([
    ['/a/b', '/a', true],
    ['/a', '/a', true],
    ['/ab', '/a', false],
    ['/a', '/a/b', false],
    ['/a', '/', true],
  ] as const)('%s within %s: %s', (path, place, within) => expect(isWithin(path, place)).toBe(within))
})

describe('what may be shown without being declared', () => {
  const places = { home: '/home/ada', hidden: ['/home/ada/.local/state/jit'], fixed: [] }

  it.each([
    ['/', false],
    ['/home', false],
    ['/home/ada', false],
    ['/home/ada/.local', false],
    ['/home/ada/.local/state', false],
    ['/home/ada/.local/state/jit', false],
    ['/home/ada/.local/state/jit/jit.db', false],
    ['/tmp', false],
    ['/etc', false],
    ['/proc/1', false],
    ['/dev/sda', false],
    ['/home/ada/src', true],
    ['/opt/tool', true],
    ['/srv/data', true],
  ] as const)('%s: %s', (path, may) => expect(mayShow(path, places)).toBe(may))
})

describe('mounts', () => {
  it('stand where the path really is, with the links on the way', () => {
    mkdirSync(at('real'))
    symlinkSync('real', at('link'))
    expect(mountsFor([{ path: at('link'), kind: 'read' }])).toEqual([
      { kind: 'read', source: at('real'), target: at('real') },
      { kind: 'link', text: 'real', target: at('link') },
    ])
  })

  it('leave out what is shown already: twice the same, within it, a link within it', () => {
    mkdirSync(at('a/b'), { recursive: true })
    symlinkSync('b', at('a/c'))
    const paths = [at('a'), at('a/b'), at('a/c'), at('a')].map((path) => ({ path, kind: 'read' as const }))
    expect(mountsFor(paths)).toEqual([{ kind: 'read', source: at('a'), target: at('a') }])
  })

  it('keep a writable folder within a readable one, and the writable of two for one path', () => {
    mkdirSync(at('a/b'), { recursive: true })
    const mounts = mountsFor([
      { path: at('a'), kind: 'read' },
      { path: at('a/b'), kind: 'write' },
      { path: at('a/b'), kind: 'read' },
    ])
    expect(mounts.map(({ kind, target }) => [kind, target])).toEqual([
      ['read', at('a')],
      ['write', at('a/b')],
    ])
  })
})

describe('what is declared', () => {
  const none = { readable: [], writable: [], othersWrite: [] }

  it.each([
    ['~', '/home/ada'],
    ['~/x', '/home/ada/x'],
    ['~bob/x', '/base/~bob/x'],
    ['x/../y', '/base/y'],
    ['/a//b/', '/a/b'],
  ] as const)('%s means %s', (given, path) => expect(placeOf(given, '/base', '/home/ada')).toBe(path))

  it('is not mounted again within a folder that the server may write to, since it may have put a link there', () => {
    mkdirSync(at('w/in'), { recursive: true })
    const places = { home: at('home'), hidden: [], fixed: [] }
    const declared = { ...none, writable: [at('w')], readable: [at('w/in')], baseFolder: folder }
    expect(readDeclared('x', declared, places)).toEqual([{ path: at('w'), kind: 'write' }])
  })

  it.each([
    { what: 'what is not there', given: { readable: ['missing'] }, why: 'it is not there' },
    { what: 'the broker’s folder under another name', given: { readable: ['link'] }, why: 'it belongs to jit' },
    {
      what: 'what another server may have put there',
      given: { readable: ['shared/x'], othersWrite: ['shared'] },
      why: 'another server may write',
    },
    { what: 'the config, to be written', given: { writable: ['config/sub'] }, why: 'config of jit' },
    { what: 'what stands around the config, to be written', given: { writable: ['.'] }, why: 'folders of jit stand in it' },
    { what: 'a folder on the way to the broker’s', given: { writable: ['around'] }, why: 'folders of jit stand in it' },
    { what: 'a folder with a link on the way to the broker’s', given: { writable: ['way'] }, why: 'folders of jit stand in it' },
  ])('is refused for $what', ({ given, why }) => {
    for (const name of ['state', 'shared/x', 'config/sub']) mkdirSync(at(name), { recursive: true })
    for (const name of ['around/inner/jit', 'way', 'elsewhere/jit']) mkdirSync(at(name), { recursive: true })
    symlinkSync('state', at('link'))
    symlinkSync('../elsewhere', at('way/link'))
    const places = { home: at('home'), hidden: [at('state'), at('around/inner/jit'), at('way/link/jit')], fixed: [at('config')] }
    expect(() => readDeclared('x', { ...none, ...given, baseFolder: folder }, places)).toThrow(why)
  })

  it('of the config may be read', () => {
    mkdirSync(at('config'))
    const places = { home: at('home'), hidden: [], fixed: [at('config')] }
    expect(readDeclared('x', { ...none, readable: ['config'], baseFolder: folder }, places)).toHaveLength(1)
  })
})

describe('a program needs', () => {
  const manners = { mayShow: (real: string) => real !== folder && real.startsWith(`${folder}/`), trusts: () => true }
  const needs = (command: string, args: readonly string[] = [], path = '/usr/bin', more = {}): string[] =>
    pathsOf({ command, args, cwd: folder, ...more }, path, manners)
      .filter((found) => found.startsWith(folder))
      .map((found) => found.slice(folder.length + 1))
      .sort()

  it('a script’s package and the packages beside it', () => {
    file('app/package.json')
    file('app/node_modules/x/index.js')
    file('app/dist/main.js')
    expect(needs('/usr/bin/node', [at('app/dist/main.js')])).toEqual(['app', 'app/dist/main.js', 'app/node_modules'])
  })

  it('a single script’s folder; not what stands around it', () => {
    file('tools/serve.py')
    expect(needs('/usr/bin/python3', ['-u', 'tools/serve.py'])).toEqual(['tools', 'tools/serve.py'])
    file('lone.py')
    expect(needs('/usr/bin/python3', ['lone.py'])).toEqual(['lone.py'])
  })

  it('of a compiled program its file alone', () => {
    file('bin/tool')
    expect(needs(at('bin/tool'))).toEqual(['bin/tool'])
  })

  it('the environment and the interpreter of a script of Python’s, through its links', () => {
    file('python/lib/python3.12/os.py')
    file('python/bin/python3.12')
    file('venv/pyvenv.cfg')
    file('venv/bin/tool', `#!${at('venv/bin/python')}\n`)
    symlinkSync(at('python/bin/python3.12'), at('venv/bin/python'))
    mkdirSync(at('bin'))
    symlinkSync(at('venv/bin/tool'), at('bin/tool'))
    expect(needs(at('bin/tool'))).toEqual(['bin/tool', 'python', 'venv', 'venv/bin/python'])
  })

  it('what `env` finds for its first line', () => {
    file('bin/tool', '#!/usr/bin/env -S runner --x\n')
    chmodSync(file('other/runner'), 0o755)
    expect(needs(at('bin/tool'), [], `relative:${at('other')}`)).toEqual(['bin/tool', 'other/runner'])
  })

  it('what its arguments name, after an equals sign, too; not what is no file', () => {
    file('data/x')
    file('config.json')
    const args = [at('data'), '--config=config.json', '--flag', 'https://host/data', 'missing', '']
    expect(needs('/usr/bin/tool', args)).toEqual(['config.json', 'data'])
  })

  it('nothing through a link that a server may have made, and no interpreter that it may have named', () => {
    file('secret/key')
    file('w/main.py', `#!${at('secret/key')}\n`)
    symlinkSync(at('secret'), at('w/node_modules'))
    symlinkSync(at('secret/key'), at('w/link'))
    const distrusting = { ...manners, trusts: (path: string) => !path.startsWith(at('w')) }
    const found = pathsOf({ command: at('w/main.py'), args: [at('w/link'), at('w/main.py')], cwd: folder }, '', distrusting)
    expect(found).toEqual([at('w/main.py')])
  })

  it('files that its variables name in the config, and certificates wherever they are', () => {
    file('data.json')
    const hidden = { ...manners, mayShow: (real: string) => !real.includes('/state/') }
    file('state/ca.pem', '-----BEGIN CERTIFICATE-----\nx\n-----END CERTIFICATE-----\n')
    file('state/key.pem', '-----BEGIN CERTIFICATE-----\nx\n-----BEGIN PRIVATE KEY-----\n')
    const named = [at('data.json'), at('state/ca.pem'), at('state/key.pem'), 'data.json', folder]
    expect(pathsOf({ command: '/usr/bin/none', args: [], cwd: folder, named }, '', hidden)).toEqual([at('data.json'), at('state/ca.pem')])
  })
})
