import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { ShortLivedMap, ShortLivedSet } from '../../../src/core/short-lived.ts'
import { cases } from '../../support/cases.ts'

describe('a map of what is short-lived', () => {
  it('does what a Map does', () => {
    const step = fc.record({ does: fc.constantFrom('set', 'delete', 'clear'), key: fc.constantFrom('a', 'b', 'c', 'd'), mark: fc.nat(9) })
    fc.assert(
      fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
        const twin = new Map<string, object>()
        const map = new ShortLivedMap<object>()
        for (const { does, key, mark } of steps) {
          if (does === 'set') {
            twin.set(key, { mark })
            map.set(key, { mark })
          } else if (does === 'delete') expect(map.delete(key)).toBe(twin.delete(key))
          else {
            twin.clear()
            map.clear()
          }
          expect([...map.entries()]).toEqual([...twin])
          expect([...map.keys()]).toEqual([...twin.keys()])
          expect([...map.values()]).toEqual([...twin.values()])
          expect([map.size, map.has(key), map.get(key)]).toEqual([twin.size, twin.has(key), twin.get(key)])
        }
      }),
      { numRuns: cases(200) },
    )
  })

  it('may lose entries while it is looked through', () => {
    const map = new ShortLivedMap<{ name: string }>()
    for (const name of ['a', 'b', 'c']) map.set(name, { name })
    const seen: string[] = []
    for (const { name } of map.values()) {
      seen.push(name)
      map.delete('b')
      map.delete(name)
    }
    expect(seen).toEqual(['a', 'c'])
    expect(map.size).toBe(0)
  })
})

describe('a set of what is short-lived', () => {
  it('holds what was added and not taken out, in order, each as often as it was added', () => {
    const [one, other] = [{ name: 'one' }, { name: 'other' }]
    const set = new ShortLivedSet<object>()
    const leave = set.add(one)
    set.add(other)
    set.add(one)
    expect([...set]).toEqual([one, other, one])
    leave()
    leave()
    expect([...set]).toEqual([other, one])
  })

  it('may lose members while it is looked through', () => {
    const set = new ShortLivedSet<{ leave: () => void }>()
    const members = [1, 2, 3].map(() => ({ leave: (): void => undefined }))
    for (const member of members) member.leave = set.add(member)
    for (const { leave } of set) {
      leave()
      members[1]?.leave()
    }
    expect([...set]).toEqual([])
  })
})
