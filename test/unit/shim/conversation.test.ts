import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { namelessId } from '../../../src/api/frames.js'
import { Conversation, idNear, look } from '../../../src/shim/conversation.js'

const bytes = (value: unknown): Buffer => Buffer.from(JSON.stringify(value))
const initialize = bytes({ jsonrpc: '2.0', id: 0, method: 'initialize', params: {} })
const initialized = bytes({ jsonrpc: '2.0', method: 'notifications/initialized' })
const result = bytes({ jsonrpc: '2.0', id: 0, result: {} })
const refusal = bytes({ jsonrpc: '2.0', id: 0, error: { code: 1, message: 'no' } })

const counts = new WeakMap<Conversation, number>()

function say(talk: Conversation, ...lines: Buffer[]): void {
  for (const line of lines) {
    const sight = look(line)
    const number = (counts.get(talk) ?? 0) + 1
    counts.set(talk, number)
    talk.heard(sight, line)
    talk.sent(sight, number)
  }
}

describe('a line', () => {
  it.each([
    ['a request', '{"jsonrpc":"2.0","id":1,"method":"x"}', { kind: 'request', id: '1', method: 'x' }],
    ['a request with a text for an id', '{"id":"ä\\n","method":"x"}', { kind: 'request', id: '"ä\\n"', method: 'x' }],
    ['a notification', '{"method":"notifications/initialized"}', { kind: 'notification', id: 'null', method: 'notifications/initialized' }],
    ['an answer', '{"id":"jit:lane_1:3","result":{}}', { kind: 'answer', id: '"jit:lane_1:3"', method: '' }],
    ['no JSON', 'rubbish', { kind: 'unreadable', id: 'null', method: '' }],
    ['a batch', '[{"id":1,"method":"x"}]', { kind: 'batch', id: 'null', method: '', ids: ['1'] }],
    [
      'a batch of all sorts',
      '[{"id":"a","method":"x"},{"method":"n"},{"id":2,"result":{}},{"id":"a","method":"y"},{"id":null,"method":"z"},7,null]',
      { kind: 'batch', id: 'null', method: '', ids: ['"a"'] },
    ],
    ['an empty batch', '[]', { kind: 'batch', id: 'null', method: '', ids: [] }],
    ['null', 'null', { kind: 'unreadable', id: 'null', method: '' }],
    ['a method that is no text', '{"id":1,"method":{}}', { kind: 'answer', id: '1', method: '' }],
    ['a line end of Windows', '{"id":1,"method":"x"}\r', { kind: 'request', id: '1', method: 'x' }],
  ])('that is %s is seen as that', (_, line, sight) => {
    expect(look(Buffer.from(line))).toEqual(sight)
  })

  it('never breaks the one who looks', () => {
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.json()), (text) => {
        expect(look(Buffer.from(text))).toHaveProperty('kind')
      }),
    )
  })
})

describe('the id of a line that is too long', () => {
  it.each([
    ['where clients put it', '{"jsonrpc":"2.0","id":12,"method":"tools/call","params":{"x":"yyy', '12'],
    ['behind the method', '{"jsonrpc": "2.0", "method": "tools/call", "id": "a-1", "params": {', '"a-1"'],
    ['first', ' {"id":-3,"jsonrpc":"2.0"', '-3'],
    ['in the arguments only', '{"jsonrpc":"2.0","method":"tools/call","params":{"id":9,', 'null'],
    ['with an escape', '{"id":"a\\"b","method":"x"', 'null'],
    ['cut off', '{"jsonrpc":"2.0","id":12', 'null'],
    ['an object', '{"id":{"a":1},"method":"x"', 'null'],
  ])('is read when it stands %s', (_, head, id) => {
    expect(idNear(Buffer.from(head))).toBe(id)
  })

  it('is always JSON', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (id) => {
        expect(() => JSON.parse(idNear(Buffer.from(`{"id":${JSON.stringify(id)},"x`)))).not.toThrow()
      }),
    )
  })
})

describe('what was promised to a client', () => {
  it('has a handshake to replay once initialize was answered', () => {
    const talk = new Conversation()
    say(talk, initialize)
    expect(talk.handshake).toBeUndefined()
    talk.answered('0', result)
    expect(talk.handshake).toEqual({ initialize, initialized: undefined })
    say(talk, initialized)
    expect(talk.handshake).toEqual({ initialize, initialized })
  })

  it('has none when initialize was answered with an error', () => {
    const talk = new Conversation()
    say(talk, initialize)
    talk.answered('0', refusal)
    expect([talk.handshake, talk.waiting]).toEqual([undefined, false])
  })

  it('loses every request in flight, each of them once', () => {
    const talk = new Conversation()
    say(talk, initialize)
    talk.answered('0', result)
    say(talk, ...[1, 2, 2, 3].map((id) => bytes({ id, method: 'tools/call' })))
    talk.answered('3', result)
    expect(talk.lose()).toEqual({ again: [], lost: ['1', '2', '2'], batches: [] })
    expect(talk.lose()).toEqual({ again: [], lost: [], batches: [] })
    expect(talk.handshake?.initialize).toBe(initialize)
  })

  it('sends a handshake without an answer again, with what already followed it', () => {
    const talk = new Conversation()
    say(talk, initialize)
    expect(talk.lose()).toEqual({ again: [initialize], lost: [], batches: [] })
    say(talk, initialize, initialized, bytes({ id: 5, method: 'tools/list' }))
    expect(talk.lose()).toEqual({ again: [initialize, initialized], lost: ['5'], batches: [] })
  })

  it('begins anew with a second initialize', () => {
    const talk = new Conversation()
    say(talk, initialize)
    talk.answered('0', result)
    say(talk, initialized)
    const second = bytes({ id: 9, method: 'initialize', params: { protocolVersion: '2025-11-25' } })
    say(talk, second)
    expect(talk.handshake).toBeUndefined()
    talk.answered('9', result)
    expect(talk.handshake).toEqual({ initialize: second, initialized: undefined })
  })

  describe('with batches', () => {
    const agreed = (revision: string): Conversation => {
      const talk = new Conversation()
      say(talk, initialize)
      talk.answered('0', bytes({ jsonrpc: '2.0', id: 0, result: { protocolVersion: revision } }))
      return talk
    }
    const batch = (...ids: (number | string)[]): Buffer => bytes(ids.map((id) => ({ id, method: 'tools/call' })))

    it('loses those without an answer, each as one', () => {
      const talk = agreed('2025-03-26')
      say(talk, batch(1, 'two'), bytes({ id: 3, method: 'tools/list' }), batch(4), bytes([{ method: 'notifications/x' }]))
      talk.answered('4', bytes([{ id: 4, result: {} }]))
      expect(talk.waiting).toBe(true)
      expect(talk.lose()).toEqual({ again: [], lost: ['3'], batches: [['1', '"two"']] })
      expect([talk.waiting, talk.lose()]).toEqual([false, { again: [], lost: [], batches: [] }])
    })

    it.each([
      ['a list', bytes([{ id: 2, result: {} }])],
      ['an error for all', bytes({ id: 2, error: {} })],
      ['nothing, for it needs none any more', Buffer.alloc(0)],
    ])('takes %s for the answer, under the id of any of its requests', (_, answer) => {
      const talk = agreed('2025-03-26')
      say(talk, batch(1, 2))
      talk.answered('2', answer)
      expect(talk.waiting).toBe(false)
    })

    it('knows by its number the one that was refused as a whole, and no other', () => {
      const talk = agreed('2025-03-26')
      // `initialize` was the first.
      say(talk, batch(1, 2), batch(3), bytes({ id: null, method: 'x' }))
      talk.answered(namelessId(3), bytes({ id: null, error: {} }))
      expect(talk.waiting).toBe(true)
      talk.answered(namelessId(4), bytes({ id: null, error: {} }))
      expect(talk.lose()).toEqual({ again: [], lost: [], batches: [['1', '2']] })
      say(talk, batch(5))
      talk.answered(namelessId(5), bytes([{ id: null, error: {} }]))
      expect(talk.waiting).toBe(false)
    })

    it('takes neither for the other where a request has the id of a batch’s', () => {
      const talk = agreed('2025-03-26')
      say(talk, bytes({ id: 1, method: 'tools/call' }), batch(1, 2))
      talk.answered('1', bytes([{ id: 2, result: {} }]))
      expect(talk.lose()).toEqual({ again: [], lost: ['1'], batches: [] })
      say(talk, bytes({ id: 1, method: 'tools/call' }), batch(1, 2))
      talk.answered('1', bytes({ id: 1, result: {} }))
      expect(talk.lose()).toEqual({ again: [], lost: [], batches: [['1', '2']] })
    })

    it.each(['2025-06-18', '2024-11-05', ''])('waits for none of them in revision %s, which has none', (revision) => {
      const talk = agreed(revision)
      say(talk, batch(1))
      expect([talk.hasBatches, talk.waiting]).toEqual([false, false])
    })
  })

  it('has nothing to replay in the era without initialize', () => {
    const talk = new Conversation()
    say(talk, bytes({ id: 1, method: 'server/discover' }), bytes({ id: 2, method: 'tools/call' }))
    expect(talk.lose()).toEqual({ again: [], lost: ['1', '2'], batches: [] })
    expect(talk.handshake).toBeUndefined()
  })
})
