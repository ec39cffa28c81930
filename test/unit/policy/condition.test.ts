import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { Json } from '../../../src/core/json.ts'
import { formatRead } from '../../../src/policy/condition-reads.ts'
import { createConditions } from '../../../src/policy/condition.ts'
import { Refusal } from '../../../src/policy/refusal.ts'
import { cases } from '../../support/cases.ts'

const compile = createConditions()

function outcome(source: string, args: Record<string, Json>): boolean | string {
  try {
    return compile(source).holds(args)
  } catch (error) {
    if (error instanceof Refusal) return error.message
    throw error
  }
}

describe('a condition', () => {
  it.each<[string, Record<string, Json>, boolean]>([
    ['args.n > 0', { n: 1 }, true],
    ['args.n > 0', { n: -1 }, false],
    ['args.n == 42', { n: 42 }, true],
    ['has(args.a) && args.a == "x"', {}, false],
    ['!has(args.a) || args.a.b', { a: { b: true } }, true],
    ['has(args.body)', { body: 'x'.repeat(100_000) }, true],
    ['args.method in ["get", "list"]', { method: 'list' }, true],
    ['args.files.all(f, f.path.startsWith("docs/"))', { files: [{ path: 'docs/a', content: 'x'.repeat(100_000) }] }, true],
    ['size(args.files) <= 2', { files: [1, 2, 3] }, false],
    ['args.files.size() <= 2 && args.files.exists(f, f.n == 1)', { files: [{ n: 1, big: 'x'.repeat(9000) }] }, true],
    ['args.path.matches("^docs/")', { path: 'docs/x' }, true],
    ['args.path.matches("a") && args.name.matches("(?i)B") || (args.path + "x").matches( "^qx$" )', { path: 'q', name: '' }, true],
    ['("a".matches("b") ? args.x : args.y).matches("^ok$")', { x: 'no', y: 'ok' }, true],
    ['"matches" == args.x && args.x.matches("matches")', { x: 'matches' }, true],
    ['args["odd key"] == 1', { 'odd key': 1 }, true],
    ['["a/", "b/"].exists(p, args.path.startsWith(p))', { path: 'b/x' }, true],
  ])('%s on %j: %s', (source, args, expected) => {
    expect(outcome(source, args)).toBe(expected)
  })

  it.each<[string, Record<string, Json>, RegExp]>([
    ['args.n > 0', {}, /No such key/],
    ['args.n > 0', { n: '1' }, /no such overload/],
    ['args.x', { x: 'true' }, /no true or false/],
    ['args.x', { x: null }, /no true or false/],
    ['args.constructor == 1', {}, /No such key/],
    ['args.path.startsWith("a")', { path: 'a'.repeat(4097) }, /path has 4097 characters; policy reads at most 4096/],
    ['args.files.all(f, f.path == "a")', { files: [{ path: 'a' }, { path: 'x'.repeat(5000) }] }, /files\[\]\.path has 5000 characters/],
    ['args.l.all(x, x == 1)', { l: Array.from({ length: 5000 }, () => 1) }, /holds more values/],
    ['args.l.all(x, x == x)', { l: Array.from({ length: 100 }, () => 'x'.repeat(1000)) }, /holds more characters/],
    ['args.a.all(x, args.a.all(y, x == y))', { a: Array.from({ length: 300 }, () => 1) }, /holds more values/],
    ['args.l.filter(x, x.a == 1).size() > 0', { l: [{ a: 1, b: 'x'.repeat(5000) }] }, /l has 5000 characters|l holds/],
    [
      'args.l.all(x, args.s.matches("(a|b|c|d|e|f|g|h)*(i|j|k|l|m)*$"))',
      { l: Array.from({ length: 1000 }, () => 1), s: 'a'.repeat(4000) },
      /matches\(\) would have to read too much/,
    ],
  ])('%s on hostile arguments is refused: it holds for nobody', (source, args, reason) => {
    expect(outcome(source, args)).toMatch(reason)
  })

  it('reads what it says it reads', () => {
    const reads = compile(
      'has(args.a.b) && args.files.all(f, f.path != "" && f["mode"] == args.m) && args.l[0] == 1 && size(args.n) > 0',
    ).reads
    expect(reads.map((read) => `${formatRead(read)} ${read.depth}`)).toEqual([
      'a.b presence',
      'files own',
      'files[].path all',
      'files[].mode all',
      'm all',
      'l[] all',
      'n own',
    ])
  })

  it('answers within bounds, or refuses, whatever the arguments are', () => {
    const conditions = [
      'args.a.matches("^(x+)+$")',
      'args.l.all(x, args.l.exists(y, x == y))',
      'args.l.map(x, x.p).exists(p, p.matches("^[a-z]*$"))',
      'has(args.a) && args.a.lowerAscii().startsWith("b") && args.b in args.l',
    ].map(compile)
    fc.assert(
      fc.property(
        fc.record(
          { a: fc.anything(), b: fc.jsonValue(), l: fc.oneof(fc.jsonValue(), fc.array(fc.record({ p: fc.string() }))) },
          { requiredKeys: [] },
        ),
        (generated) => {
          const args: Record<string, Json> = JSON.parse(JSON.stringify(generated))
          for (const condition of conditions) {
            try {
              expect(typeof condition.holds(args)).toBe('boolean')
            } catch (error) {
              expect(error).toBeInstanceOf(Refusal)
            }
          }
        },
      ),
      { numRuns: cases(500) },
    )
  })

  it.each<[string, Record<string, Json>]>([
    ['args.a.matches("^(x+)+$")', { a: `${'x'.repeat(4095)}!` }],
    ['args.a.matches("^(x+)+$")', { a: 'x'.repeat(1_000_000) }],
    ['args.l.all(x, args.l.exists(y, x == y))', { l: Array.from({ length: 2000 }, (_, index) => index) }],
    ['args.l.all(x, args.s.split("").all(c, args.s.split("").exists(d, c == d)))', { l: [1], s: 'x'.repeat(4096) }],
  ])('%s decides within a second on the largest arguments', (source, args) => {
    const started = performance.now()
    try {
      outcome(source, args)
    } catch (error) {
      expect(String(error)).toContain('more than two loops')
    }
    expect(performance.now() - started).toBeLessThan(1000)
  })
})
