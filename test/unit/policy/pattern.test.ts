import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { compilePattern } from '../../../src/policy/pattern.ts'
import { cases } from '../../support/cases.ts'

describe('regular expressions in conditions', () => {
  it.each([
    ['^docs/', 'docs/a', true],
    ['^docs/', 'src/docs/a', false],
    ['b$', 'ab', true],
    ['b$', 'ab\n', false],
    ['a.c', 'a\nc', false],
    ['^[a-z0-9_-]+$', 'web-1_x', true],
    ['^[^/]+$', 'a/b', false],
    ['^(main|release/\\d+)$', 'release/12', true],
    ['^(?:a|b){2,3}$', 'aba', true],
    ['^(?:a|b){2,3}$', 'abab', false],
    ['^a{2}$', 'aa', true],
    ['^a{2,}$', 'aaaa', true],
    ['^a{2,}$', 'a', false],
    ['(?i)^ACME$', 'acme', true],
    ['(?i)^[a-c]+$', 'ABC', true],
    ['(?i)^k$', '\u212A', false],
    ['^\\w+\\s\\S+$', 'one two', true],
    ['^\\D$', '1', false],
    ['^[\\d.]+$', '1.2', true],
    ['^[]a]+$', ']a', true],
    ['^[a-]+$', 'a-', true],
    ['\\Aa\\z', 'a', true],
    ['', 'anything', true],
    ['^$', '', true],
    ['^.$', '😀', true],
    ['a*?b', 'aab', true],
    ['\\{x\\}', '{x}', true],
    ['^(a|)+$', 'aaa', true],
    ['(a*)*c', 'aac', true],
  ])('%s on %j: %s', (pattern, text, expected) => {
    expect(compilePattern(pattern).test(text)).toBe(expected)
  })

  it.each([
    '(',
    ')',
    '[a',
    'a**',
    '*a',
    '+',
    '\\b',
    '\\p{L}',
    '(?=a)',
    '(?<x>a)',
    '(?i',
    'a{2,1}',
    'a{',
    '[b-a]',
    '[[:alpha:]]',
    '\\',
    '^*',
    '(a{99}){99}',
    '((((){999}){999}){999}){999}',
    '('.repeat(100),
  ])('refuses %s', (pattern) => {
    expect(() => compilePattern(pattern)).toThrow(/regular expression/)
  })

  it('agrees with the engine of JavaScript wherever both know the syntax', () => {
    const atom = fc.constantFrom('a', 'b', 'c', '.', '[ab]', '[^a]', '(?:ab|c)', '(?:a|)', '\\w', '\\d', '\\.')
    const piece = fc.tuple(atom, fc.constantFrom('', '', '*', '+', '?', '{2}', '{1,2}', '*?')).map(([a, b]) => a + b)
    const body = fc.array(piece, { maxLength: 5 }).map((pieces) => pieces.join(''))
    const pattern = fc
      .tuple(fc.constantFrom('', '^'), body, fc.constantFrom('', '|'), body, fc.constantFrom('', '$'))
      .map((parts) => parts.join(''))
    fc.assert(
      fc.property(pattern, fc.string({ unit: fc.constantFrom('a', 'b', 'c', '.', '1', '\n', '-'), maxLength: 8 }), (source, text) => {
        expect(compilePattern(source).test(text)).toBe(new RegExp(source, 'u').test(text))
      }),
      { numRuns: cases(3000) },
    )
  })

  it.each(['^(a+)+$', '^(a|a)*$', '^(a|aa)+$', '(.*)*x', 'a.*a.*a.*a.*a.*b'])(
    '%s takes linear time on the text that makes others backtrack',
    (source) => {
      const pattern = compilePattern(source)
      const started = performance.now()
      expect(pattern.test(`${'a'.repeat(4000)}!`)).toBe(false)
      expect(performance.now() - started).toBeLessThan(500)
    },
  )
})
