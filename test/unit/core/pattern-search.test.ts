import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { type PatternGroup, PatternSearch } from '../../../src/core/pattern-search.ts'
import { cases } from '../../support/cases.ts'

const pattern = fc.string({ unit: fc.constantFrom('a', 'b', '€'), minLength: 8, maxLength: 20 })

/** Length of the longest pattern that stands there. */
function naive(patterns: readonly string[], text: string, at: number): number {
  return patterns.reduce((most, one) => (one.length > most && text.startsWith(one, at) ? one.length : most), 0)
}

describe('a search for many patterns', () => {
  it('finds what a naive one finds, however they were added', () => {
    fc.assert(
      fc.property(
        fc.array(fc.array(pattern, { maxLength: 4 }), { maxLength: 12 }),
        fc.array(fc.oneof(pattern, fc.nat(40)), { maxLength: 12 }),
        (groups, parts) => {
          const search = new PatternSearch()
          for (const patterns of groups) search.add(patterns)
          const all = groups.flat()
          const text = parts.map((part) => (typeof part === 'string' ? part : (all[part] ?? '-'))).join('')
          const expected = [...Array(text.length).keys()].map((at) => naive(all, text, at))
          expect([...Array(text.length).keys()].map((at) => search.lengthAt(text, at))).toEqual(expected)
          for (let from = 0; from < text.length; from += 1) {
            expect(search.find(text, from)).toBe(expected.findIndex((length, at) => at >= from && length > 0))
          }
        },
      ),
      { numRuns: cases(300) },
    )
  })

  it('misses none of those that are left, whatever goes, and finds none that never were', () => {
    fc.assert(
      fc.property(
        fc.array(fc.record({ patterns: fc.array(pattern, { minLength: 1, maxLength: 3 }), goes: fc.nat(3) }), { maxLength: 60 }),
        (steps) => {
          const search = new PatternSearch()
          const live: { readonly group: PatternGroup; readonly patterns: readonly string[] }[] = []
          const ever: string[] = []
          for (const { patterns, goes } of steps) {
            live.push({ group: search.add(patterns), patterns })
            ever.push(...patterns)
            for (let count = 0; count < goes; count += 1) {
              const first = live.shift()
              if (first !== undefined) search.remove(first.group)
            }
          }
          const left = live.flatMap(({ patterns }) => patterns)
          const text = ever.join('-')
          for (let at = 0; at < text.length; at += 1) {
            const found = search.lengthAt(text, at)
            expect(found).toBeGreaterThanOrEqual(naive(left, text, at))
            expect(found).toBeLessThanOrEqual(naive(ever, text, at))
          }
          for (const one of left) expect(search.replaceAll(text, '').includes(one)).toBe(false)
        },
      ),
      { numRuns: cases(200) },
    )
  })

  it('holds back the end of a text that may be the start of a pattern, and no more', () => {
    fc.assert(
      fc.property(fc.array(pattern, { minLength: 1, maxLength: 6 }), pattern, fc.nat(19), (patterns, before, length) => {
        const search = new PatternSearch()
        for (const one of patterns) search.add([one])
        const text = `${before}${patterns[0]?.slice(0, length) ?? ''}`
        const starts = [...Array(text.length).keys()].find((at) => {
          const end = text.slice(at)
          return patterns.some((one) => one.length > end.length && one.startsWith(end))
        })
        const held = search.possibleStart(text, 0)
        expect(held).toBeLessThanOrEqual(starts ?? text.length)
        // A whole pattern at the end counts too: a longer one may begin with it.
        if (held < text.length) expect(patterns.some((one) => one.startsWith(text.slice(held)))).toBe(true)
      }),
      { numRuns: cases(300) },
    )
  })

  it('forgets what is gone, and its memory does not grow with what ever was', () => {
    const search = new PatternSearch()
    const groups: PatternGroup[] = []
    for (let index = 0; index < 2000; index += 1) {
      groups.push(search.add([`secret-number-${index}-${'x'.repeat(index % 7)}`]))
      if (index >= 10) search.remove(groups[index - 10] ?? { patterns: [] })
    }
    const text = groups.flatMap(({ patterns }) => patterns).join(' ')
    const found = [...text.matchAll(/secret-number-\d+-x*/g)].filter(({ index }) => search.lengthAt(text, index) > 0)
    expect(found.length).toBeGreaterThanOrEqual(10)
    expect(found.length).toBeLessThan(40)
  })

  it('looks for nothing that is too short', () => {
    const search = new PatternSearch()
    search.add(['short', ''])
    expect(search.isEmpty).toBe(true)
    expect(search.find('short', 0)).toBe(-1)
  })
})
