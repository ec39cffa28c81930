import { describe, expect, it } from 'vitest'
import { longestRecord } from '../../../src/audit/cut.ts'
import { firstItems } from '../../../src/audit/first-items.ts'

const item = (name: string | number, wide = false): { name: string; wide: boolean } => ({ name: String(name), wide })
const many = (count: number, make: (index: number) => { name: string; wide: boolean }): { name: string; wide: boolean }[] =>
  Array.from({ length: count }, (_, index) => make(index))

describe('what a record says of a list', () => {
  it('is all of it, in its order, while it is short', () => {
    const items = many(100, (index) => item(index, index % 2 === 1))
    expect(firstItems(items, ({ wide }) => wide)).toEqual({ named: items, leftOut: 0 })
    expect(firstItems([], () => true)).toEqual({ named: [], leftOut: 0 })
  })

  it('is a hundred items and the count of the others, and begins with those that matter more', () => {
    const { named, leftOut } = firstItems(
      many(1000, (index) => item(index, index >= 990)),
      ({ wide }) => wide,
    )
    expect(leftOut).toBe(900)
    expect(named).toHaveLength(100)
    expect(named.slice(0, 11).map(({ name }) => Number(name))).toEqual([990, 991, 992, 993, 994, 995, 996, 997, 998, 999, 0])
  })

  it('is fewer where they are long: the record has room for them, whatever their letters', () => {
    const { named, leftOut } = firstItems(
      many(100, () => item('\u202e\u{1f600}'.repeat(4000))),
      () => true,
    )
    expect(named.length).toBeGreaterThan(0)
    expect(named.length + leftOut).toBe(100)
    expect(leftOut).toBeGreaterThan(0)
    expect(Buffer.byteLength(JSON.stringify(named))).toBeLessThan(longestRecord / 2)
  })
})
