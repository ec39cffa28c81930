import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { stringify } from 'yaml'
import { diffConfig } from '../../../src/config/diff.ts'
import { parseConfig } from '../../../src/config/parse.ts'
import type { Config } from '../../../src/config/schema.ts'
import type { Json } from '../../../src/core/json.ts'
import type { Decision } from '../../../src/core/types.ts'
import { addedCondition } from '../../../src/policy/added-condition.ts'
import { cases } from '../../support/cases.ts'
import { type MadeRow, type MadeServer, policyOf, presets, toolCall } from './support.ts'

const names = ['a', 'b', 'c']
const tools = ['t1', 't2']
const value = fc.constantFrom<Json>('x', 'y', 'x/y', '..', '', 1, true, null, ['x'])
const args = fc.dictionary(fc.constantFrom(...names, 'A'), value)
const where = fc.dictionary(fc.constantFrom(...names), fc.oneof(fc.constantFrom<Json>('x', 'y', 1), fc.constant<Json>(['x', 'y'])), {
  maxKeys: 2,
})
const atoms = ['args.a == "x"', 'args.b == "y"', 'has(args.c)', 'args.c == "x"', '"x" == args.a', 'true', 'args.a.size() > 0']
const when = fc.oneof(
  fc.constantFrom(...atoms),
  fc.array(fc.constantFrom(...atoms), { minLength: 2, maxLength: 3 }).map((parts) => parts.join(' && ')),
  fc.tuple(fc.constantFrom(...atoms), fc.constantFrom(...atoms)).map(([one, other]) => `${one} || ${other}`),
)
const one = fc
  .record(
    {
      when,
      where: fc.oneof(fc.constant<'none'>('none'), where),
      scope: fc.constantFrom<Record<string, Json>>({ k: '${args.a}' }, { k: 'fixed' }),
      requests: fc.subarray(['GET /r', 'GET /r/${args.a}', 'PUT /r/${args.b}', 'GET /q?z=${args.c}']),
    },
    { requiredKeys: ['scope', 'requests'] },
  )
  .map((made): MadeRow => ({ ...made, arguments: names }))
const free = fc.constant<MadeRow>({ credential: 'none', arguments: names })
const rows = fc.oneof(fc.tuple(one), fc.array(fc.oneof(one, free), { minLength: 1, maxLength: 3 }))
const server: fc.Arbitrary<Server> = fc.record({
  run: fc.constant(['x']),
  provider: fc.constant('plain'),
  inject: fc.constant({ env: 'T' }),
  where,
  allow: fc.subarray(tools),
  ask: fc.subarray(tools, { maxLength: 1 }),
  deny: fc.subarray(tools, { maxLength: 1 }),
  tools: fc.record({ t1: rows, t2: rows }),
})

interface Server extends Omit<MadeServer, 'tools'> {
  readonly tools: { readonly t1: readonly MadeRow[]; readonly t2: readonly MadeRow[] }
}

/** One place of a config that is another one. */
type Edit = (from: Server) => Server
const inRows = (tool: 't1' | 't2', change: (row: MadeRow, index: number) => MadeRow): Edit => {
  return (from) => ({ ...from, tools: { ...from.tools, [tool]: from.tools[tool].map(change) } })
}
const also = (row: MadeRow, added: string): MadeRow => ({ ...row, when: row.when === undefined ? added : `(${row.when}) && (${added})` })
const first = (row: MadeRow, added: string): MadeRow => ({ ...row, when: row.when === undefined ? added : `(${added}) && (${row.when})` })
const tool = fc.constantFrom('t1' as const, 't2' as const)
const index = fc.nat(2)
const edit = fc.oneof<fc.Arbitrary<Edit>[]>(
  where.map((found) => (from) => ({ ...from, where: found })),
  fc.tuple(fc.constantFrom('allow', 'ask', 'deny'), fc.subarray(tools)).map(([list, found]) => (from) => ({ ...from, [list]: found })),
  fc
    .tuple(tool, index, where)
    .map(([name, at, found]) => inRows(name, (row, own) => (own === at && row.credential === undefined ? { ...row, where: found } : row))),
  fc
    .tuple(tool, index)
    .map(([name, at]) => inRows(name, (row) => (row.requests === undefined ? row : { ...row, requests: row.requests.slice(at) }))),
  fc.tuple(tool, when).map(([name, added]) => inRows(name, (row) => also(row, added))),
  fc.tuple(tool, when).map(([name, added]) => inRows(name, (row, own) => (own % 2 === 0 ? also : first)(row, added))),
  fc.tuple(tool, index, when).map(([name, at, added]) => inRows(name, (row, own) => (own < at ? row : also(row, added)))),
)
const pair = fc.tuple(server, fc.array(edit, { minLength: 1, maxLength: 3 })).map(([from, edits]) => {
  const to = edits.reduce((made, change) => change(made), from)
  return [from, to] as const
})

const text = (one: Server): string => stringify({ s: one }).replace(/^/gm, '  ')
const config = (one: Server): Config =>
  parseConfig('jit.yaml', `version: 1\nproviders:\n  acme: { kind: github-app }\n  plain: { kind: plain }\nservers:\n${text(one)}`).config
const rank = { deny: 0, ask: 1, allow: 2 }

function grants(decision: Decision): { scope: string; requests: readonly string[] } {
  if (decision.effect === 'deny' || decision.grant.credential === 'none') return { scope: 'none', requests: [] }
  return { scope: JSON.stringify(decision.grant.scope), requests: decision.grant.requests.map((rule) => rule.text) }
}

describe('a change that is shown without anything wider', () => {
  it('lets no call through, and grants no call anything, that it did not before', () => {
    let met = 0
    fc.assert(
      fc.property(pair, fc.array(fc.tuple(tool, args), { minLength: 12, maxLength: 12 }), ([from, to], calls) => {
        const changes = diffConfig(config(from), config(to), { presets, addedCondition })
        if (changes.length === 0 || changes.some(({ effect }) => effect === 'wider')) return
        met += 1
        const [before, after] = [policyOf(text(from)), policyOf(text(to))]
        for (const [name, given] of calls) {
          const [was, is] = [before.decide(toolCall('s', name, given)), after.decide(toolCall('s', name, given))]
          const about = JSON.stringify([changes, name, given, was, is])
          expect(rank[is.effect], about).toBeLessThanOrEqual(rank[was.effect])
          if (is.effect === 'deny') continue
          expect([grants(was).scope, 'none'], about).toContain(grants(is).scope)
          for (const request of grants(is).requests) expect(grants(was).requests, about).toContain(request)
        }
      }),
      { numRuns: cases(200) },
    )
    expect(met).toBeGreaterThan(20)
  })
})
