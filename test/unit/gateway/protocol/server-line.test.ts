import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { classify } from '../../../../src/gateway/protocol/jsonrpc.ts'
import { ambiguity, excessiveDepth, readLine, readPlainAnswer } from '../../../../src/gateway/protocol/server-line.ts'
import { cases } from '../../../support/cases.ts'

const names = ['jsonrpc', 'id', 'method', 'params', 'result', 'error']
/** A key as it stands in a line, and as JSON means it. */
const key = fc.oneof(
  fc
    .constantFrom(...names, 'ID', 'Result', 'i\u0064', 'other', '_meta', '\uff49d', 're\u017fult')
    .map((name) => ({ text: JSON.stringify(name), name })),
  fc.constant({ text: '"\\u0069d"', name: 'id' }),
)
const value = fc.oneof(
  fc.constantFrom(
    '"2.0"',
    '1',
    '7',
    '"a"',
    'null',
    '{}',
    '[{"id":1,"id":2}]',
    '{"id":3,"result":{"id":4}}',
    '"},\\"id\\":9"',
    '{"a":"\\\\"}',
  ),
  fc.jsonValue().map((any) => JSON.stringify(any)),
)
const space = fc.constantFrom('', '', ' ', '\t', '\r')
const entries = fc.oneof(
  fc.array(fc.tuple(key, value, space), { maxLength: 6 }),
  fc
    .tuple(fc.constantFrom('7', '"a"', '-1', '007', '1e1'), value, fc.array(fc.tuple(key, value, space), { maxLength: 2 }), fc.boolean())
    .map(([id, result, more, first]) => {
      const entry = (name: string, text: string) => [{ text: `"${name}"`, name }, text, ''] as const
      const head = [entry('jsonrpc', '"2.0"'), entry('id', id)]
      return first ? [...head, entry('result', result), ...more] : [entry('result', result), ...more, ...head]
    }),
)
const write = (list: readonly (readonly [{ text: string }, string, string])[]): string =>
  `{${list.map(([{ text }, own, gap]) => `${text}${gap}:${own}${gap}`).join(',')}}`
const known = (name: string): string => name.normalize('NFKC').replaceAll('\u017f', 's').toLowerCase()
const isAmbiguous = (list: readonly (readonly [{ name: string }, ...unknown[]])[]): boolean => {
  const own = list.map(([{ name }]) => name).filter((name) => names.includes(known(name)))
  return new Set(own.map(known)).size < own.length || own.some((name) => known(name) !== name)
}

describe('readPlainAnswer', () => {
  it.each([
    ['the order of the specification', '{"jsonrpc":"2.0","id":7,"result":{"content":[]}}', 7],
    ['the order of the TypeScript SDK', '{"result":{"content":[]},"jsonrpc":"2.0","id":"jit:initialize"}', 'jit:initialize'],
  ])('reads an answer in %s', (_, line, id) => {
    expect(readPlainAnswer(line)).toEqual({ kind: 'response', id, value: { jsonrpc: '2.0', id, result: { content: [] } } })
  })

  it.each([
    ['a second id', '{"jsonrpc":"2.0","id":7,"result":{},"id":8}'],
    ['a second id of the same value', '{"jsonrpc":"2.0","id":7,"result":{},"id":7}'],
    ['a second id before', '{"result":{},"id":8,"jsonrpc":"2.0","id":7}'],
    ['a second result', '{"jsonrpc":"2.0","id":7,"result":{"a":1},"result":{"a":2}}'],
    ['a second result before', '{"result":{"a":1},"result":{"a":2},"jsonrpc":"2.0","id":7}'],
    ['a key of its own', '{"jsonrpc":"2.0","id":7,"result":{},"x":1}'],
    ['an id that is no JSON', '{"jsonrpc":"2.0","id":007,"result":{}}'],
    ['no end', '{"jsonrpc":"2.0","id":7,"result":{}'],
    ['two answers', '{"jsonrpc":"2.0","id":7,"result":{}}{"jsonrpc":"2.0","id":7,"result":{}}'],
  ])('leaves a line with %s to a closer look', (_, line) => {
    expect(readPlainAnswer(line)).toBeUndefined()
  })

  it('reads nothing otherwise than JSON.parse does, and nothing with a key twice', () => {
    let plain = 0
    fc.assert(
      fc.property(entries, (list) => {
        const line = write(list)
        const answer = readPlainAnswer(line)
        if (answer === undefined) return
        plain += 1
        expect(answer).toEqual(classify(JSON.parse(line)))
        expect(isAmbiguous(list)).toBe(false)
        expect(list).toHaveLength(3)
      }),
      { numRuns: cases(3000) },
    )
    expect(plain).toBeGreaterThan(100)
  })
})

describe('ambiguity', () => {
  it('is what a naive reader of all keys finds', () => {
    fc.assert(
      fc.property(entries, (list) => {
        const line = write(list)
        if (readLine(line) !== undefined) expect(ambiguity(line) !== undefined).toBe(isAmbiguous(list))
      }),
      { numRuns: cases(3000) },
    )
  })

  it.each([
    ['the id twice', '{"jsonrpc":"2.0","id":1,"id":2,"result":{}}', 'id'],
    ['the id twice, one escaped', '{"jsonrpc":"2.0","id":1,"\\u0069d":2,"result":{}}', 'id'],
    ['the id in another spelling alone', '{"jsonrpc":"2.0","ID":1,"method":"notifications/message"}', 'id'],
    ['the result in two spellings', '{"jsonrpc":"2.0","id":1,"result":{},"Result":{}}', 'result'],
    ['the error twice', '{"jsonrpc":"2.0","id":1,"error":{"code":1,"message":""},"error":{"code":2,"message":""}}', 'error'],
    ['the method twice', '{"jsonrpc":"2.0","method":"notifications/message","method":"notifications/progress"}', 'method'],
    ['the version twice', '{"jsonrpc":"1.0","jsonrpc":"2.0","id":1,"result":{}}', 'jsonrpc'],
  ])('is %s', (_, line, key) => {
    expect(ambiguity(line)).toMatchObject({ code: 'message.ambiguous', message: expect.stringContaining(`"${key}"`) })
  })

  it.each([
    ['keys below the envelope', '{"jsonrpc":"2.0","id":1,"error":{"id":1,"id":2,"Error":[{"result":1,"result":2}]}}'],
    ['keys within a text', '{"jsonrpc":"2.0","id":1,"error":{"m":"\\",\\"id\\":2,\\"id\\":3"},"x":"id"}'],
    ['both a result and an error', '{"jsonrpc":"2.0","id":1,"result":{},"error":null}'],
  ])('is not made by %s', (_, line) => {
    expect(ambiguity(line)).toBeUndefined()
  })
})

describe('the depth of a line', () => {
  const nested = (levels: number, inside = ''): string => '['.repeat(levels) + inside + ']'.repeat(levels)

  it('is counted where brackets are JSON’s, and has an end', () => {
    expect(excessiveDepth(nested(512))).toBeUndefined()
    expect(excessiveDepth(nested(513))).toMatchObject({ code: 'message.too-large' })
    expect(excessiveDepth('{"a":'.repeat(100_000) + '}'.repeat(100_000))).toBeDefined()
    expect(excessiveDepth(JSON.stringify({ text: nested(2000), more: `\\"${nested(2000)}` }))).toBeUndefined()
    expect(excessiveDepth(`[${'[],'.repeat(2000)}0]`)).toBeUndefined()
  })

  it('is that of the value, whatever strings are in it', () => {
    const depthOf = (value: unknown): number =>
      typeof value === 'object' && value !== null ? 1 + Math.max(0, ...Object.values(value).map(depthOf)) : 0
    fc.assert(
      fc.property(fc.jsonValue(), fc.integer({ min: 505, max: 515 }), (value, levels) => {
        expect(excessiveDepth(nested(levels, JSON.stringify(value))) !== undefined).toBe(levels + depthOf(value) > 512)
      }),
      { numRuns: cases(200) },
    )
  })
})
