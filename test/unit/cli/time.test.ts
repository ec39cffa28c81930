import { describe, expect, it } from 'vitest'
import { parseSince, since, span, until } from '../../../src/cli/output/time.ts'

const hour = 3_600_000

describe('times', () => {
  it.each([
    [-5, '0 ms'],
    [3, '3 ms'],
    [999, '999 ms'],
    [5000, '5 s'],
    [89_000, '89 s'],
    [300_000, '5 min'],
    [2 * hour, '2 h'],
    [47 * hour, '47 h'],
    [72 * hour, '3 d'],
  ])('%d milliseconds are said as %s', (milliseconds, text) => {
    expect(span(milliseconds)).toBe(text)
  })

  it('say how long ago and how long still', () => {
    expect(since(1000, 6000)).toBe('5 s')
    expect(until(6000, 1000)).toBe('5 s')
    expect(until(1000, 6000)).toBe('over')
  })

  it.each([
    ['30m', 10 * hour - hour / 2],
    ['2h', 8 * hour],
    ['1d', 10 * hour - 24 * hour],
    ['2026-11-21T10:00:00Z', Date.parse('2026-11-21T10:00:00Z')],
    ['2026-11-21', Date.parse('2026-11-21')],
    ['1', undefined],
    ['-1h', undefined],
    ['yesterday', undefined],
    ['2026-99-99', undefined],
    ['', undefined],
  ])('--since %s is read', (text, expected) => {
    expect(parseSince(text, 10 * hour)).toBe(expected)
  })
})
