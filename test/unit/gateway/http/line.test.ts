import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { errorCode, statusOf, withId } from '../../../../src/gateway/http/line.ts'

describe('an answer under another id', () => {
  const id = fc.oneof(fc.integer(), fc.string())

  it('is the same answer, in whatever order its keys stand and however it is spaced', () => {
    fc.assert(
      fc.property(
        fc.nat(),
        id,
        fc.jsonValue(),
        fc.shuffledSubarray(['jsonrpc', 'id', 'result'], { minLength: 3 }),
        fc.nat(2),
        (from, to, result, order, space) => {
          const value: Record<string, unknown> = { jsonrpc: '2.0', id: from, result: { content: result, id: from } }
          const line = JSON.stringify(Object.fromEntries(order.map((key) => [key, value[key]])), undefined, space).replaceAll('\n', ' ')
          expect(JSON.parse(withId(line, String(from), JSON.stringify(to)))).toEqual(JSON.parse(JSON.stringify({ ...value, id: to })))
        },
      ),
    )
  })

  it.each([
    [
      '{"jsonrpc":"2.0","result":{"id":5,"text":"\\"id\\":5}"},"id":5}',
      '{"jsonrpc":"2.0","result":{"id":5,"text":"\\"id\\":5}"},"id":"a"}',
    ],
    [
      '{"result":{"a":",\\"jsonrpc\\":\\"2.0\\",\\"id\\":5}"},"jsonrpc":"2.0","id":5}',
      '{"result":{"a":",\\"jsonrpc\\":\\"2.0\\",\\"id\\":5}"},"jsonrpc":"2.0","id":"a"}',
    ],
    ['{"\\u0069d":5,"jsonrpc":"2.0","result":{}}', '{"\\u0069d":"a","jsonrpc":"2.0","result":{}}'],
    ['{"result":[{"id":5}],"id":5,"jsonrpc":"2.0"}', '{"result":[{"id":5}],"id":"a","jsonrpc":"2.0"}'],
  ])('leaves what stands deeper: %s', (line, expected) => {
    expect(withId(line, '5', '"a"')).toBe(expected)
  })
})

describe('the status of an answer that comes alone', () => {
  it.each([
    [-32700, 400],
    [-32600, 400],
    [-32601, 404],
    [-32602, 200],
    [-32603, 200],
    [-32020, 400],
    [-32021, 400],
    [-32022, 400],
    [-32000, 200],
    [1401, 200],
  ])('%i is HTTP %i', (code, status) => {
    expect(statusOf(JSON.stringify({ jsonrpc: '2.0', id: 1, error: { code, message: 'm' } }))).toBe(status)
  })

  it('is that of a result where a result only speaks of errors', () => {
    const line = JSON.stringify({ jsonrpc: '2.0', id: 1, result: { error: { code: -32601 }, text: '"error"' } })
    expect(errorCode(line)).toBeUndefined()
    expect(statusOf(line)).toBe(200)
  })
})
