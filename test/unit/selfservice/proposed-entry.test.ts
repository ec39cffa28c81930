import { describe, expect, it } from 'vitest'
import { server } from '../../../src/config/schema.ts'
import type { JsonObject } from '../../../src/core/json.ts'
import { incomplete, type ProposedChange, proposedChange } from '../../../src/selfservice/change.ts'
import { proposedEntry } from '../../../src/selfservice/proposed-entry.ts'

const entry: JsonObject = {
  run: ['x'],
  where: { owner: 'acme', repo: ['web', 'api'] },
  allow: ['read', 'list'],
  ask: ['write'],
  deny: ['drop'],
  tools: { list: { when: 'args.page > 0' } },
}

type Wish = Omit<Partial<ProposedChange>, 'server' | 'reason'>

function apply(wish: Wish, from: JsonObject = entry): JsonObject {
  const parsed = server.parse(from)
  const change = proposedChange.parse({ server: 'github', reason: 'a task', ...wish })
  return proposedEntry(from, change, {
    server: parsed,
    rows: (tool) => {
      const row = tool === 'cases' ? [{ when: 'args.a' }, { credential: 'none' as const, ttl: 90_000 }] : parsed.tools[tool]
      return row === undefined ? [] : Array.isArray(row) ? row : [row]
    },
  })
}

describe('a proposal in the entry of its server', () => {
  const tables: readonly (readonly [string, Wish, JsonObject])[] = [
    ['a tool that is new is added to its list', { tool: 'close', effect: 'allow' }, { allow: ['read', 'list', 'close'] }],
    ['a tool that was asked for is in one list only', { tool: 'write', effect: 'allow' }, { allow: ['read', 'list', 'write'], ask: [] }],
    ['a tool that was denied leaves that list', { tool: 'drop', effect: 'ask' }, { ask: ['write', 'drop'], deny: [] }],
    ['a tool that is given up is denied', { tool: 'read', effect: 'deny' }, { allow: ['list'], deny: ['drop', 'read'] }],
    [
      'a condition stands beside the old one',
      { tool: 'list', when: 'args.a || args.b' },
      { tools: { list: { when: '(args.page > 0) && (args.a || args.b)' } } },
    ],
    [
      'a condition is the first of a tool without a row',
      { tool: 'read', when: 'args.a' },
      { tools: { list: { when: 'args.page > 0' }, read: { arguments: ['owner', 'repo'], when: 'args.a' } } },
    ],
    [
      'a condition narrows every case',
      { tool: 'cases', when: 'args.b' },
      {
        tools: {
          list: { when: 'args.page > 0' },
          cases: [{ when: '(args.a) && (args.b)' }, { credential: 'none', when: 'args.b', ttl: '90s' }],
        },
      },
    ],
    [
      'a value joins those that are let through',
      { argument: 'repo', admit: ['docs'] },
      { where: { owner: 'acme', repo: ['web', 'api', 'docs'] } },
    ],
    ['one value becomes a list', { argument: 'owner', admit: ['evil'] }, { where: { owner: ['acme', 'evil'], repo: ['web', 'api'] } }],
    ['a value is taken out', { argument: 'repo', refuse: ['api'] }, { where: { owner: 'acme', repo: ['web'] } }],
    [
      'an argument that was free is bound',
      { argument: 'state', admit: ['open'] },
      { where: { owner: 'acme', repo: ['web', 'api'], state: 'open' } },
    ],
    ['lives of credentials', { ttl: '2m', lifetime: 'call' }, { ttl: '2m', lifetime: 'call' }],
  ]

  it.each(tables)('%s', (_, wish, changed) => {
    expect(apply(wish)).toEqual({ ...entry, ...changed })
  })

  it('does not fit when no value would be left, when there is none to refuse, or without a row to narrow', () => {
    expect(() => apply({ argument: 'repo', refuse: ['web', 'api'] })).toThrow('no value of "repo" would be left')
    expect(() => apply({ argument: 'state', refuse: ['open'] })).toThrow('says nothing about "state"')
    expect(() => apply({ tool: 'read', when: 'args.a' }, { ...entry, provider: 'acme' })).toThrow('has no row')
    // The scope of a remote server is that of its tools without a row.
    const remote = { url: 'https://mcp.acme.dev/mcp', provider: 'acme', scope: { metadata: true } }
    expect(apply({ tool: 'read', when: 'args.a' }, remote)).toEqual({ ...remote, tools: { read: { when: 'args.a' } } })
  })

  it.each<[string, Wish, string]>([
    ['nothing', {}, 'nothing is proposed'],
    ['an effect without a tool', { effect: 'allow' }, 'need a `tool`'],
    ['a tool alone', { tool: 'read' }, 'needs an `effect`'],
    ['values without an argument', { admit: ['x'] }, 'need an `argument`'],
    ['an argument alone', { argument: 'repo' }, 'needs values'],
    ['a condition on what is denied', { tool: 'read', effect: 'deny', when: 'true' }, 'is denied'],
  ])('%s is not whole', (_, wish, message) => {
    expect(incomplete(proposedChange.parse({ server: 'github', reason: 'a task', ...wish }))).toContain(message)
  })

  it.each<[string, object]>([
    ['a control character in the reason', { reason: 'fine\u001b[2K', tool: 'a', effect: 'allow' }],
    ['a text that runs from right to left', { reason: '\u202egnp', tool: 'a', effect: 'allow' }],
    ['an invisible character in a value', { reason: 'x', argument: 'repo', admit: ['we\u200bb'] }],
    ['a tag character in a condition', { reason: 'x', tool: 'a', when: 'true\u{e0041}' }],
    ['a name that objects inherit', { reason: 'x', argument: '__proto__', admit: ['a'] }],
    ['a tool that is no name', { reason: 'x', tool: 'a b', effect: 'allow' }],
    ['a reason that is too long', { reason: 'x'.repeat(501), tool: 'a', effect: 'allow' }],
    ['more values than a person would read', { reason: 'x', argument: 'repo', admit: Array.from({ length: 21 }, String) }],
    ['a key that nobody knows', { reason: 'x', tool: 'a', effect: 'allow', run: ['evil'] }],
  ])('%s is refused', (_, change) => {
    expect(proposedChange.safeParse({ server: 'github', ...change }).success).toBe(false)
  })
})
