import { expect, it } from 'vitest'
import { retryDelay } from '../../../src/provider/retry-delay.ts'

const now = Date.parse('2026-03-01T12:00:00Z')

it.each<[string | null, number | undefined]>([
  [null, undefined],
  ['', undefined],
  ['0', 0],
  ['120', 120_000],
  ['-5', 0],
  ['1e3', undefined],
  ['1234567890123', undefined],
  ['soon', undefined],
  ['Sun, 01 Mar 2026 12:00:30 GMT', 30_000],
  ['Sun, 01 Mar 2026 11:00:00 GMT', 0],
])('reads %j as %j ms', (text, wait) => {
  expect(retryDelay(text, now)).toBe(wait)
})
