import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { parse } from 'yaml'
import { editConfig } from '../../../src/config/edit.ts'
import { cases } from '../../support/cases.ts'

const text = `# our servers
version: 1

providers:
  acme: { kind: github-app, appId: 1, installation: acme } # the real one

servers:
  # reads issues
  tracker:
    run: [node, server.js]   # pinned
    allow: [read]
ttl: 1m
`

const entry = {
  run: ['node', '/srv/server.js'],
  provider: 'acme',
  inject: { mode: 'egress', env: 'GITHUB_PERSONAL_ACCESS_TOKEN' },
  where: { owner: 'acme', repo: ['web', 'api'] },
  allow: ['get_issue'],
  lifetime: 'call',
}

describe('editing the config file', () => {
  it('starts a new file', () => {
    expect(editConfig('', { set: 'providers', name: 'acme', entry: { kind: 'github-app', appId: 1, installation: 'acme' } })).toBe(
      'version: 1\nproviders:\n  acme:\n    kind: github-app\n    appId: 1\n    installation: acme\n',
    )
  })

  it('adds an entry in the style that people write, and keeps comments', () => {
    const edited = editConfig(text, { set: 'servers', name: 'github', entry })
    expect(edited).toContain('# our servers')
    expect(edited).toContain('# the real one')
    expect(edited).toContain('# reads issues')
    expect(edited).toContain(`  github:
    run: [ node, /srv/server.js ]
    provider: acme
    inject: { mode: egress, env: GITHUB_PERSONAL_ACCESS_TOKEN }
    where: { owner: acme, repo: [ web, api ] }
    allow: [ get_issue ]
    lifetime: call
`)
    expect(parse(edited)).toEqual({ ...parse(text), servers: { ...parse(text).servers, github: entry } })
  })

  it.each([
    ['no `network`', '', { hosts: { 'localhost:1': '127.0.0.1:1' } }],
    ['hosts', 'network:\n  hosts: { a.dev: 10.0.0.1 } # ours\n', { hosts: { 'a.dev': '10.0.0.1', 'localhost:1': '127.0.0.1:1' } }],
    ['other settings', 'network: { timeout: 9s }\n', { timeout: '9s', hosts: { 'localhost:1': '127.0.0.1:1' } }],
    ['another address for it', 'network: { hosts: { "localhost:1": "127.0.0.1:2" } }\n', { hosts: { 'localhost:1': '127.0.0.1:1' } }],
  ])('adds the address of a server on this machine beside %s', (_, before, network) => {
    const dial = { name: 'localhost:1', address: '127.0.0.1:1' }
    const edited = editConfig(text + before, { set: 'servers', name: 'notes', entry: { url: 'http://localhost:1/' }, dial })
    const { servers } = parse(text)
    expect(parse(edited)).toEqual({ ...parse(text), servers: { ...servers, notes: { url: 'http://localhost:1/' } }, network })
    expect(edited).toContain('# reads issues')
    if (before.includes('#')) expect(edited).toContain('# ours')
  })

  it('replaces and removes entries', () => {
    const replaced = editConfig(text, { set: 'servers', name: 'tracker', entry: { run: ['x'] } })
    expect(parse(replaced).servers).toEqual({ tracker: { run: ['x'] } })
    expect(parse(editConfig(replaced, { remove: 'servers', name: 'tracker' })).servers).toEqual({})
    expect(() => editConfig(text, { remove: 'providers', name: 'nobody' })).toThrow('no provider named "nobody"')
  })

  it('keeps comments, order and spelling inside of an entry where they can stay', () => {
    const before = `version: 1
servers:
  tracker:
    run: [node, "server.js"]   # pinned
    where: { repo: [web, api] } # ours
    allow:
      # harmless
      - read
      - list # long
    tools:
      read: { when: args.a }
    ttl: 2m
`
    const { tracker } = parse(before).servers
    const wanted = {
      ...tracker,
      allow: ['read', 'close'],
      where: { repo: ['web', 'api', 'docs'] },
      ask: ['list'],
      tools: { read: { when: 'args.b' } },
      ttl: '1m',
    }
    const edited = editConfig(before, { set: 'servers', name: 'tracker', entry: wanted, keep: true })
    expect(parse(edited).servers).toEqual({ tracker: wanted })
    expect(edited).toContain('"server.js" ] # pinned')
    expect(edited).toContain('where: { repo: [ web, api, docs ] } # ours')
    expect(edited).toContain('      # harmless\n      - read\n      - close\n')
    expect(edited).toContain('    ask: [ list ]\n')
    expect(edited).not.toContain('long')
  })

  it('keeps what it can of any entry, and says exactly what is wanted', () => {
    const value = fc.letrec((tie) => ({
      value: fc.oneof({ maxDepth: 3 }, fc.constantFrom('a', 'b', '1', 1, true), tie('list'), tie('map')),
      list: fc.array(tie('value'), { maxLength: 3 }),
      map: fc.dictionary(fc.constantFrom('x', 'y', 'z'), tie('value'), { maxKeys: 3 }),
    })).map
    fc.assert(
      fc.property(value, value, (from, to) => {
        const start = editConfig('version: 1\n', { set: 'servers', name: 'one', entry: JSON.parse(JSON.stringify(from)) })
        const entry = JSON.parse(JSON.stringify(to))
        expect(parse(editConfig(start, { set: 'servers', name: 'one', entry, keep: true })).servers).toEqual({ one: entry })
      }),
    )
  })

  it('fills a section that is empty or written on one line', () => {
    for (const start of ['version: 1\nservers:\n', 'version: 1\nservers: {}\n', 'version: 1\nservers: { a: { run: [x] } }\n']) {
      expect(parse(editConfig(start, { set: 'servers', name: 'b', entry: { run: ['y'] } })).servers.b).toEqual({ run: ['y'] })
    }
  })

  it.each([
    ['a broken text', 'version: [1'],
    ['no map', '- 1\n'],
    ['a duplicate key', 'version: 1\nversion: 1\n'],
  ])('leaves %s alone', (_, broken) => {
    expect(() => editConfig(broken, { set: 'servers', name: 'a', entry: {} })).toThrow()
  })

  it.each<[string, Parameters<typeof editConfig>[1]]>([
    ['version: 1\nservers:\n  a: &x { run: [x] }\n  b: *x\n', { remove: 'servers', name: 'a' }],
    ['version: 1\nservers: &s\n  a: { run: [x] }\nproviders: *s\n', { set: 'servers', name: 'c', entry: { run: ['y'] } }],
  ])('leaves a file alone whose aliases would carry the change elsewhere: %j', (aliased, change) => {
    expect(() => editConfig(aliased, change)).toThrow(/alias/)
  })

  it('refuses a name that no entry can have', () => {
    for (const name of ['', '__proto__', 'a b', '../x', 'x'.repeat(64)])
      expect(() => editConfig(text, { set: 'servers', name, entry: {} })).toThrow('cannot be a name')
  })

  it('writes any entry so that it reads back the same, and changes nothing else', () => {
    const key = fc.string({ minLength: 1, maxLength: 12 }).filter((name) => !['__proto__', 'constructor', 'prototype'].includes(name))
    const value = fc.oneof(
      fc.string(),
      fc.integer(),
      fc.boolean(),
      fc.array(fc.string(), { maxLength: 4 }),
      fc.dictionary(key, fc.string(), { maxKeys: 3 }),
    )
    fc.assert(
      fc.property(fc.dictionary(key, value, { maxKeys: 5 }), (generated) => {
        const plain = JSON.parse(JSON.stringify(generated))
        const edited = editConfig(text, { set: 'servers', name: 'x', entry: plain })
        expect(parse(edited).servers.x).toEqual(plain)
        expect(parse(editConfig(edited, { remove: 'servers', name: 'x' }))).toEqual(parse(text))
      }),
      { numRuns: cases(200) },
    )
  })
})
