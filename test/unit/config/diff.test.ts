import { describe, expect, it } from 'vitest'
import { diffConfig } from '../../../src/config/diff.ts'
import { parseConfig } from '../../../src/config/parse.ts'
import { type Config, presetSchema } from '../../../src/config/schema.ts'
import { addedCondition } from '../../../src/policy/added-condition.ts'

const base = `version: 1
providers:
  acme: { kind: github-app, appId: 1 }
servers:
  github:
    run: [node, server.js]
    provider: acme
    where: { owner: acme, repo: [web, api] }
    allow: [get_issue]
    ask: [create_issue]
    deny: [delete_repo]
    ttl: 5m
    open: [https://objects.dev]
    tools:
      get_issue: { scope: { permissions: { issues: read } }, requests: [GET /a, GET /b], lifetime: call }
    startup: { scope: { metadata: true }, requests: [GET /] }
`

const preset = presetSchema.parse({
  preset: 'tracker',
  description: 'x',
  provider: 'github-app',
  source: 'x',
  tools: { close: { scope: { permissions: { issues: 'write' } }, requests: ['PATCH /a'], ttl: '90s' } },
})
const judge = { presets: (name: string) => (name === 'tracker' ? preset : undefined), addedCondition }

function config(text: string): Config {
  return parseConfig('jit.yaml', text).config
}

function changed(from: string, to: string): string[] {
  expect(base).toContain(from)
  return diffConfig(config(base), config(base.replace(from, to)), judge).map(
    (change) => `${change.effect} ${change.path}: ${change.before} → ${change.after}`,
  )
}

describe('what changes between two configs', () => {
  it('is nothing between equal ones, however they are written', () => {
    expect(
      diffConfig(config(base), config(base.replace('{ owner: acme, repo: [web, api] }', '{ repo: [api, web], owner: [acme] }')), judge),
    ).toEqual([])
  })

  it('is wider for everything when there was nothing', () => {
    expect(diffConfig(undefined, config(base), judge).map((change) => [change.effect, change.path])).toEqual([
      ['wider', 'providers.acme'],
      ['wider', 'servers.github'],
    ])
  })

  it('shows what is new without what is empty in it', () => {
    const [, server] = diffConfig(undefined, config(base), judge)
    expect(server?.after).toContain('"allow":["get_issue"]')
    expect(server?.after).not.toMatch(/\[\]|\{\}/)
  })

  const cases: [name: string, from: string, to: string, change: string][] = [
    [
      'a tool newly allowed',
      '[get_issue]',
      '[get_issue, list_issues]',
      'wider servers.github.allow: list_issues: unlisted → list_issues: allow',
    ],
    ['a tool no longer allowed', '[get_issue]', '[]', 'narrower servers.github.allow: get_issue: allow → get_issue: unlisted'],
    [
      'asked before, allowed now',
      '    ask: [create_issue]',
      '    ask: []\n    # x',
      'narrower servers.github.ask: create_issue: ask → create_issue: unlisted',
    ],
    ['a tool that is newly asked for', '[create_issue]', '[create_issue, x]', 'wider servers.github.ask: x: unlisted → x: ask'],
    ['a denial that is gone', '[delete_repo]', '[]', 'wider servers.github.deny: delete_repo: deny → delete_repo: unlisted'],
    [
      'a denial on top of an allowance',
      '[delete_repo]',
      '[delete_repo, get_issue]',
      'narrower servers.github.deny: get_issue: allow → get_issue: deny',
    ],
    ['a constraint that is gone', '{ owner: acme, repo: [web, api] }', '{ repo: [web, api] }', 'wider servers.github.where.owner: acme → '],
    [
      'a new constraint',
      '{ owner: acme, repo: [web, api] }',
      '{ owner: acme, repo: [web, api], n: 1 }',
      'narrower servers.github.where.n:  → 1',
    ],
    ['a constraint that admits more', '[web, api]', '[web, api, secret]', 'wider servers.github.where.repo:  → secret'],
    ['a constraint that admits less', '[web, api]', '[web]', 'narrower servers.github.where.repo: api → '],
    [
      'a value that reads like a sentence, in quotes',
      '[web, api]',
      '[web, api, "x, and web goes"]',
      'wider servers.github.where.repo:  → "x, and web goes"',
    ],
    ['a number that becomes a text', 'owner: acme', 'owner: [acme, 1]', 'wider servers.github.where.owner:  → 1'],
    ['a longer life', 'ttl: 5m', 'ttl: 1h', 'wider servers.github.ttl: 5m → 1h'],
    ['a shorter life', 'ttl: 5m', 'ttl: 1m', 'narrower servers.github.ttl: 5m → 1m'],
    ['no life of its own, and the same by default', '    ttl: 5m\n', '', ''],
    ['a longer life for all', 'version: 1', 'version: 1\nttl: 1h', 'wider ttl: 5m → 1h'],
    ['an open origin', '[https://objects.dev]', '[https://objects.dev, https://x.dev]', 'wider servers.github.open:  → https://x.dev'],
    ['more lanes', 'ttl: 5m', 'ttl: 5m\n    lanes: 8', 'wider servers.github.lanes: 4 → 8'],
    [
      'one scope for what names none',
      'ttl: 5m',
      'ttl: 5m\n    scope: { metadata: true }',
      'wider servers.github.scope:  → {"metadata":true}',
    ],
    ['another transport', 'ttl: 5m', 'ttl: 5m\n    transport: sse', 'other servers.github.transport:  → sse'],
    ['no isolation', 'ttl: 5m', 'ttl: 5m\n    isolation: none', 'wider servers.github.isolation: partition → none'],
    ['sampling', 'ttl: 5m', 'ttl: 5m\n    sampling: allow', 'wider servers.github.sampling: deny → allow'],
    ['another program', 'server.js', 'other.js', 'wider servers.github.run: ["node","server.js"] → ["node","other.js"]'],
    [
      'another way in',
      'ttl: 5m',
      'ttl: 5m\n    inject: { mode: env, env: X }',
      'wider servers.github.inject: {"mode":"egress"} → {"env":"X","mode":"env"}',
    ],
    ['a request more', 'GET /b]', 'GET /b, GET /c]', 'wider servers.github.tools.get_issue.requests:  → GET /c'],
    ['a request less', 'GET /a, GET /b', 'GET /a', 'narrower servers.github.tools.get_issue.requests: GET /b → '],
    [
      'another scope',
      'issues: read',
      'issues: write',
      'wider servers.github.tools.get_issue.scope: {"permissions":{"issues":"read"}} → {"permissions":{"issues":"write"}}',
    ],
    ['no constraint for a row', 'lifetime: call }', 'lifetime: call, where: none }', 'wider servers.github.tools.get_issue.where:  → none'],
    ['a credential that lives on', 'lifetime: call', 'lifetime: ttl', 'wider servers.github.tools.get_issue.lifetime: call → ttl'],
    [
      'other requests at the start',
      '[GET /]',
      '[GET /x]',
      'wider servers.github.startup: {"requests":["GET /"],"scope":{"metadata":true}} → {"requests":["GET /x"],"scope":{"metadata":true}}',
    ],
    ['another account', 'appId: 1', 'appId: 2', 'wider providers.acme: {"appId":1,"kind":"github-app"} → {"appId":2,"kind":"github-app"}'],
    [
      'a host dialled elsewhere',
      'version: 1',
      'version: 1\nnetwork: { hosts: { a.dev: 127.0.0.1 } }',
      'wider network.hosts: {} → {"a.dev":"127.0.0.1"}',
    ],
    ['a trusted certificate', 'version: 1', 'version: 1\nnetwork: { ca: [x.pem] }', 'wider network.ca:  → x.pem'],
    ['a larger limit', 'version: 1', 'version: 1\nlimits: { depth: 128 }', 'wider limits.depth: 64 → 128'],
    ['less in the trail', 'version: 1', 'version: 1\naudit: { arguments: none }', 'wider audit.arguments: digest → none'],
    ['a waiting time', 'ttl: 5m', 'ttl: 5m\n    queueTimeout: 1s', 'other servers.github.queueTimeout: 30000 → 1000'],
  ]
  it.each(cases)('names %s', (_, from, to, change) => {
    expect(changed(from, to)).toEqual(change === '' ? [] : [change])
  })

  /** The row of one tool, before and after, of a server without a provider. */
  const rowChanges = (before: string, after: string, more = ''): string[] => {
    const withRow = (row: string): Config =>
      config(`version: 1\nservers:\n  notes:\n    run: [x]\n    allow: [read]\n    tools: { ${row} }\n${more}`)
    return diffConfig(withRow(before), withRow(after), judge).map(
      (change) => `${change.effect} ${change.path.replace('servers.notes.tools.', '')}: ${change.before} → ${change.after}`,
    )
  }

  it.each<[name: string, before: string, after: string, effects: string[]]>([
    ['a first condition', 'read: { arguments: [a] }', 'read: { arguments: [a], when: args.a }', ['narrower']],
    ['a condition more', 'read: { when: args.a }', 'read: { when: args.a && args.b }', ['narrower']],
    ['a condition more, in front', 'read: { when: args.a }', 'read: { when: (args.b) && (args.a) }', ['narrower']],
    [
      'a condition that is an alternative by itself',
      'read: { when: args.a }',
      'read: { when: (args.a) && (args.b || args.c) }',
      ['narrower'],
    ],
    ['an alternative', 'read: { when: args.a }', 'read: { when: args.a || args.b }', ['wider']],
    ['an alternative in the clothes of a condition', 'read: { when: args.a }', 'read: { when: (args.a) && (true) || (true) }', ['wider']],
    [
      'an alternative within a part',
      'read: { when: args.a && args.b }',
      'read: { when: args.a && (args.b || args.c) && args.d }',
      ['wider'],
    ],
    [
      'a comment that swallows a condition',
      'read: { when: args.a && args.b }',
      'read: { when: "args.a // && args.b && args.c" }',
      ['wider'],
    ],
    ['a condition less', 'read: { when: args.a && args.b }', 'read: { when: args.b }', ['wider']],
    ['a condition that is gone', 'read: { when: args.a }', 'read: {}', ['wider']],
    ['another value', 'read: { when: args.a == 1 }', 'read: { when: args.a == 1.0 && args.b }', ['wider']],
    ['another order of searches', 'read: { when: args.a && args.b }', 'read: { when: args.b && args.a }', ['wider']],
    ['a condition that is written in another way', 'read: { when: args.a }', 'read: { when: "( args.a )" }', ['other']],
    ['a condition for a tool that had no row', '', 'read: { when: args.a }', ['narrower']],
    ['a tool without a row again', 'read: { when: args.a }', '', ['wider']],
    [
      'a condition on the first of two cases: its calls fall through to the other',
      'read: [{ when: args.a }, { where: none }]',
      'read: [{ when: args.a && args.b }, { where: none }]',
      ['wider'],
    ],
    ['a condition on the last case', 'read: [{ when: args.a }, {}]', 'read: [{ when: args.a }, { when: args.b }]', ['narrower']],
    [
      'the same condition on every case',
      'read: [{ when: args.a }, { where: none }]',
      'read: [{ when: (args.a) && (args.b) }, { where: none, when: args.b }]',
      ['narrower', 'narrower'],
    ],
    [
      'different conditions on the cases',
      'read: [{ when: args.a }, {}]',
      'read: [{ when: (args.a) && (args.b) }, { when: args.c }]',
      ['wider', 'wider'],
    ],
    ['a request less', 'read: { requests: [GET /a, "GET /${args.a}"] }', 'read: { requests: ["GET /${args.a}"] }', ['narrower']],
    [
      'a request less, and nothing that looks at its argument',
      'read: { requests: [GET /a, "GET /${args.a}"] }',
      'read: { requests: [GET /a] }',
      ['wider'],
    ],
    [
      'a request less, and its argument in a query, where more will do',
      'read: { requests: ["GET /a?b=${args.a}", { request: "GET /${args.a}" }] }',
      'read: { requests: ["GET /a?b=${args.a}"] }',
      ['wider'],
    ],
    [
      'a request less, and its argument in another’s path',
      'read: { requests: ["GET /a?b=${args.a}", { request: "GET /${args.a}" }] }',
      'read: { requests: [{ request: "GET /${args.a}" }] }',
      ['narrower'],
    ],
    ['a case less', 'read: [{ when: args.a }, {}]', 'read: [{ when: args.a }]', ['wider']],
  ])('tells what %s means', (_, before, after, effects) => {
    expect(rowChanges(before, after).map((line) => line.split(' ')[0])).toEqual(effects)
  })

  it('compares a row that takes the place of a preset’s with that', () => {
    const row = 'scope: { permissions: { issues: write } }, requests: [PATCH /a], ttl: 90s'
    expect(rowChanges('', `close: { ${row}, when: args.a }`, '    preset: tracker')).toEqual([
      'narrower close.when:  → args.a',
      'other close: row of preset tracker → row in this file',
    ])
    expect(rowChanges('', `close: { ${row.replace('PATCH', 'DELETE')} }`, '    preset: tracker')[0]).toBe(
      'wider close.requests:  → DELETE /a',
    )
    expect(rowChanges(`close: { ${row}, when: args.a }`, '', '    preset: tracker')[0]).toBe('wider close.when: args.a → ')
  })

  it('knows that a token in an environment lives for one call where nothing else is said', () => {
    const mode = '\n    inject: { mode: env, env: X }'
    const changes = diffConfig(
      config(base.replace('ttl: 5m', `ttl: 5m${mode}`)),
      config(base.replace('ttl: 5m', `ttl: 5m${mode}\n    lifetime: ttl`)),
      judge,
    )
    expect(changes).toEqual([{ path: 'servers.github.lifetime', before: 'call', after: 'ttl', effect: 'wider' }])
  })

  it('calls a row that comes or goes wider where nothing is there to compare it with', () => {
    const row = base.slice(base.indexOf('    tools:'), base.indexOf('    startup:'))
    expect(changed(row, '').map((line) => line.slice(0, 38))).toEqual(['wider servers.github.tools.get_issue: '])
    expect(changed('lifetime: call }', 'lifetime: call }\n      x: {}').map((line) => line.slice(0, 30))).toEqual([
      'wider servers.github.tools.x: ',
    ])
  })

  it('sees a new server and a removed provider', () => {
    expect(changed('servers:\n', 'servers:\n  new: { run: [x] }\n')[0]).toMatch(/^wider servers.new: /)
    expect(changed('  acme: { kind: github-app, appId: 1 }\n', '').map((line) => line.split(':')[0])).toEqual(['narrower providers.acme'])
  })
})
