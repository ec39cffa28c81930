import { describe, expect, it } from 'vitest'
import { JitError } from '../../../../src/core/errors.ts'
import { deniedResult, errorAnswer, parseMessage, unknownName } from '../../../../src/gateway/protocol/jsonrpc.ts'

const limits = { messageBytes: 1000, depth: 20, keys: 100 }
const parse = (text: string) => parseMessage(Buffer.from(text), limits)

describe('parseMessage', () => {
  it.each([
    ['a request', '{"jsonrpc":"2.0","id":1,"method":"tools/list"}', { kind: 'request', id: 1, method: 'tools/list', params: {} }],
    [
      'a request with a text id',
      '{"jsonrpc":"2.0","id":"a","method":"x","params":{"y":1}}',
      { kind: 'request', id: 'a', params: { y: 1 } },
    ],
    ['a notification', '{"jsonrpc":"2.0","method":"notifications/initialized"}', { kind: 'notification' }],
    ['an answer', '{"jsonrpc":"2.0","id":1,"result":null}', { kind: 'response', id: 1 }],
    ['an error without an id', '{"jsonrpc":"2.0","id":null,"error":{"code":1,"message":"x"}}', { kind: 'response', id: null }],
  ])('reads %s', (_, text, message) => {
    expect(parse(text)).toMatchObject({ ok: true, message })
  })

  it.each([
    ['no JSON', 'x', null, 'message.malformed'],
    ['no object', '7', null, 'message.malformed'],
    ['no version', '{"id":1,"method":"x"}', 1, 'message.malformed'],
    ['a fraction as id', '{"jsonrpc":"2.0","id":1.5,"method":"x"}', null, 'message.malformed'],
    ['null as the id of a request', '{"jsonrpc":"2.0","id":null,"method":"x"}', null, 'message.malformed'],
    ['params that are a list', '{"jsonrpc":"2.0","id":3,"method":"x","params":[]}', 3, 'message.malformed'],
    ['neither method nor result', '{"jsonrpc":"2.0","id":4,"x":1}', 4, 'message.malformed'],
    ['a batch', '[{"jsonrpc":"2.0","id":1,"method":"x"}]', null, 'message.malformed'],
    ['a duplicate key', '{"jsonrpc":"2.0","id":5,"method":"x","method":"y"}', 5, 'message.ambiguous'],
    ['too many bytes', `{"jsonrpc":"2.0","id":"six","method":"${'x'.repeat(1000)}"}`, 'six', 'message.too-large'],
  ])('answers %s with an error under the id that can be seen', (_, text, id, code) => {
    const parsed = parse(text)
    expect(parsed).toMatchObject({ ok: false, id, error: { code } })
  })
})

describe('answers', () => {
  const error = new JitError('policy.denied', 'repo "secret" is not among web', { hint: 'Ask.' })

  it('keep a denial readable for the model, and an error apart from the reserved codes', () => {
    expect(deniedResult(1, error, '2026-07-28')['result']).toMatchObject({ resultType: 'complete' })
    expect(deniedResult(1, error, '2025-11-25')['result']).not.toHaveProperty('resultType')
    expect(deniedResult(1, error, '')).toMatchObject({
      id: 1,
      result: { isError: true, content: [{ type: 'text', text: 'Denied by jit: repo "secret" is not among web. Ask.' }] },
    })
    expect(errorAnswer('a', error)).toMatchObject({ id: 'a', error: { code: 1400 } })
    expect(unknownName(1, 'tool', 'x', '')).toMatchObject({ error: { code: -32602, message: 'Unknown tool: x' } })
    expect(unknownName(1, 'resource', 'a://b', '2025-11-25')).toMatchObject({ error: { code: -32002, data: { uri: 'a://b' } } })
    expect(unknownName(1, 'resource', 'a://b', '2026-07-28')).toMatchObject({ error: { code: -32602, data: { uri: 'a://b' } } })
  })

  it.each([
    ['what is not JSON', 'x', -32700],
    ['what is not JSON-RPC', '{}', -32600],
    ['a batch where none may be', '[]', -32600],
    ['a key that stands there twice', '{"jsonrpc":"2.0","id":1,"id":1,"method":"ping"}', 1802],
  ])('have the protocol’s own code for %s', (_, text, code) => {
    const parsed = parse(text)
    expect(parsed.ok || errorAnswer(parsed.id, parsed.error)).toMatchObject({ error: { code } })
  })
})
