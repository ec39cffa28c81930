import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { scanJson } from '../../../../src/gateway/protocol/scan.ts'

const limits = { depth: 64, keys: 10_000 }

describe('scanJson', () => {
  it('has nothing against what JSON.stringify writes of plain values', () => {
    const key = fc.stringMatching(/^[a-z]{1,8}$/)
    const { value } = fc.letrec((tie) => ({
      value: fc.oneof(
        { maxDepth: 5 },
        fc.string(),
        fc.boolean(),
        fc.constant(null),
        fc.integer(),
        fc.double({ noNaN: true, noDefaultInfinity: true, min: -1e9, max: 1e9 }),
        fc.array(tie('value')),
        fc.dictionary(key, tie('value')),
      ),
    }))
    fc.assert(
      fc.property(value, (plain) => {
        const text = JSON.stringify(plain)
        if (/"(__proto__|constructor|prototype)":/.test(text)) return
        expect(scanJson(text, limits)).toBeUndefined()
      }),
    )
  })

  it.each([
    ['the same key twice', '{"a":1,"a":2}'],
    ['the same key twice, deep', '{"params":{"arguments":{"x":{"a":1,"a":2}}}}'],
    ['the same key twice, one escaped', '{"a":1,"\\u0061":2}'],
    ['a case variant in the envelope', '{"method":"x","Method":"y"}'],
    ['a case variant in params', '{"params":{"name":"x","NAME":"y"}}'],
    ['a case variant in the arguments', '{"params":{"arguments":{"repo":"a","Repo":"b"}}}'],
    ['a long s', '{"params":{"arguments":{"sha":"a","\u017fha":"b"}}}'],
    ['a Kelvin sign', '{"params":{"arguments":{"key":"a","\u212aey":"b"}}}'],
    ['full-width letters', '{"params":{"arguments":{"repo":"a","\uff52epo":"b"}}}'],
    ['a prototype key', '{"params":{"__proto__":{}}}'],
    ['a constructor key, escaped', '{"params":{"c\\u006fnstructor":{}}}'],
    ['an integer beyond 2^53', '{"id":9007199254740993}'],
    ['an infinite number', '{"id":1e999}'],
    ['more digits than a double holds', '{"x":0.12345678901234567890}'],
    ['too many levels', `${'['.repeat(65)}${']'.repeat(65)}`],
  ])('refuses %s', (_, text) => {
    expect(scanJson(text, limits)).toBeDefined()
  })

  it.each([
    ['case variants deeper in the arguments, which are data', '{"params":{"arguments":{"labels":{"Bug":1,"bug":2}}}}'],
    ['keys that only look alike as values', '{"a":"a","b":"a"}'],
    ['braces and quotes inside strings', '{"a":"{\\"a\\":1,\\"a\\":2}","b":"\\\\"}'],
    ['the largest safe integer', '{"id":9007199254740991}'],
  ])('admits %s', (_, text) => {
    expect(scanJson(text, limits)).toBeUndefined()
  })

  it('counts keys', () => {
    const text = JSON.stringify(Object.fromEntries(Array.from({ length: 50 }, (_, index) => [`k${index}`, index])))
    expect(scanJson(text, { depth: 4, keys: 49 })).toBe('more than 49 keys')
    expect(scanJson(text, { depth: 4, keys: 50 })).toBeUndefined()
  })

  it('ends on any text, JSON or not', () => {
    fc.assert(fc.property(fc.string({ maxLength: 300 }), (text) => void scanJson(text, limits)))
  })
})
