import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { canonicalJson, deepFreeze, digestOf, type Json } from '../../../src/core/json.ts'

describe('canonicalJson', () => {
  it('does not depend on the order in which keys were written', () => {
    expect(canonicalJson({ b: 1, a: [{ d: null, c: 'x' }] })).toBe('{"a":[{"c":"x","d":null}],"b":1}')
  })

  it('reads back as the same value, for any JSON', () => {
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        const plain: unknown = JSON.parse(JSON.stringify(value))
        expect(JSON.parse(canonicalJson(value as Json))).toEqual(plain)
      }),
    )
  })

  it('gives different values different digests', () => {
    expect(digestOf({ a: 1 })).not.toBe(digestOf({ a: '1' }))
    expect(digestOf(['a', 'b'])).not.toBe(digestOf(['a,b']))
  })
})

describe('deepFreeze', () => {
  it('freezes every level', () => {
    const value = deepFreeze({ list: [{ deep: true }] })
    expect(Object.isFrozen(value.list[0])).toBe(true)
    expect(() => Object.assign(value.list[0] ?? {}, { deep: false })).toThrow(TypeError)
  })
})
