import { beforeEach, describe, expect, it } from 'vitest'
import { MESSAGE, namelessId, RESPONSE, frameReader, readResponse } from '../../../src/api/frames.js'
import { type Bench, type Client, openBench } from './support.ts'

let bench: Bench
let client: Client
let answers: { id: string; value: unknown }[]

beforeEach(async () => {
  bench = await openBench()
})

async function connected(revision: string): Promise<void> {
  client = await (await bench.client()).initialize(revision)
  answers = []
  client.socket.removeAllListeners('data')
  const read = frameReader((kind, payload) => {
    if (kind === MESSAGE) return
    if (kind !== RESPONSE) return
    const { id, message } = readResponse(payload)
    answers.push({ id, value: message.length === 0 ? undefined : JSON.parse(message.toString()) })
    wake()
  })
  client.socket.on('data', read)
}

let wake = (): void => undefined
const until = async (count: number): Promise<void> => {
  while (answers.length < count) await new Promise<void>((resolve) => (wake = resolve))
}
const request = (id: string | number | null, method: string, params: object = {}) => ({ jsonrpc: '2.0', id, method, params })
const say = (id: string | number, text: string) => request(id, 'tools/call', { name: 'say', arguments: { text } })
const text = (id: string | number, value: string) => ({ jsonrpc: '2.0', id, result: { content: [{ type: 'text', text: value }] } })
const code = (id: string | number | null, number: number) =>
  expect.objectContaining({ id, error: expect.objectContaining({ code: number }) })

async function send(batch: unknown): Promise<unknown> {
  const before = answers.length
  client.send(JSON.stringify(batch))
  await until(before + 1)
  return answers.at(-1)?.value
}

async function seen(): Promise<string> {
  return JSON.stringify(await send([say('j', ''), request('journal', 'tools/call', { name: 'journal' })]))
}

describe('a batch of 2025-03-26', () => {
  beforeEach(() => connected('2025-03-26'))

  it('is answered with one array, under the id of its first request; each call is governed by itself', async () => {
    const batch = [
      { jsonrpc: '2.0', method: 'notifications/roots/list_changed' },
      say(1, 'one'),
      request(2, 'tools/call', { name: 'hidden' }),
      say('3', 'three'),
      request(4, 'ping'),
      request(5, 'nobody/knows'),
    ]
    const answer = await send(batch)
    expect(answer).toHaveLength(5)
    expect(answer).toEqual(
      expect.arrayContaining([text(1, 'one'), code(2, -32602), text('3', 'three'), { jsonrpc: '2.0', id: 4, result: {} }, code(5, -32601)]),
    )
    expect(answers).toHaveLength(1)
    expect(answers[0]?.id).toBe('1')
    expect(
      bench.audit
        .ofType('call.close')
        .map(({ tool, result }) => `${tool} ${result}`)
        .sort(),
    ).toEqual(['hidden denied', 'say ok', 'say ok'])
    expect(await seen()).not.toContain('\\"[')
  })

  it('of notifications alone gets no answer', async () => {
    client.send(
      JSON.stringify([
        { jsonrpc: '2.0', method: 'notifications/roots/list_changed' },
        { jsonrpc: '2.0', method: 'notifications/cancelled' },
      ]),
    )
    expect(await send(say(1, 'next'))).toEqual(text(1, 'next'))
    expect(answers).toHaveLength(1)
  })

  it.each<[string, unknown, unknown]>([
    ['that is empty', [], code(null, -32600)],
    ['of ten thousand', Array.from({ length: 10_000 }, () => 1), code(null, -32600)],
    ['of a thousand and one', Array.from({ length: 1001 }, () => 1), code(null, -32600)],
    ['of what are no messages', [1, 'x', null, {}], [code(null, -32600), code(null, -32600), code(null, -32600), code(null, -32600)]],
    ['within a batch', [[say(1, 'x')]], [code(null, -32600)]],
    ['with the handshake', [request(1, 'initialize', { protocolVersion: '2025-03-26' })], [code(1, -32600)]],
    ['with a request without an id', [request(null, 'ping')], [code(null, -32600)]],
  ])('%s is refused', async (_, batch, answer) => {
    expect(await send(batch)).toEqual(answer)
    expect(await seen()).not.toMatch(/ping|"x"/)
  })

  it('that is refused as a whole is named by its number, for the shim to know which one it was', async () => {
    const long = Array.from({ length: 1001 }, (_, index) => say(index, 'x'))
    const deep: unknown = JSON.parse(`${'['.repeat(300)}${']'.repeat(300)}`)
    for (const batch of [long, [say(1, 'x'), deep], [{ id: 1, method: 'ping' }]]) await send(batch)
    // `initialize` and what follows it came before.
    expect(answers.map(({ id }) => id)).toEqual([3, 4, 5].map(namelessId))
  })

  it('with one id twice has the first answered and the second refused', async () => {
    expect(await send([say(1, 'first'), say(1, 'second')])).toEqual(expect.arrayContaining([text(1, 'first'), code(1, -32600)]))
    expect(await seen()).not.toContain('second')
  })

  it('with an id that is in flight outside of it has that one refused', async () => {
    client.send(JSON.stringify(request(7, 'tools/call', { name: 'raw', arguments: { answer: false } })))
    expect(await send([say(7, 'again'), say(8, 'other')])).toEqual(expect.arrayContaining([code(7, -32600), text(8, 'other')]))
    expect(await seen()).not.toContain('again')
  })

  it('loses no answer when one of its calls is cancelled', async () => {
    client.send(JSON.stringify([request(1, 'tools/call', { name: 'raw', arguments: { answer: false } }), say(2, 'two')]))
    client.notify('notifications/cancelled', { requestId: 1 })
    await until(1)
    expect(answers).toEqual([{ id: '1', value: [text(2, 'two')] }])
  })

  it('has answers of no more bytes than one answer may have', async () => {
    const large = 'x'.repeat(45_000)
    const answer = await send([say(1, large), say(2, large), say(3, large)])
    expect(answer).toHaveLength(3)
    expect(answer).toEqual(expect.arrayContaining([code(3, 1801)]))
  })

  it('holds answers of the client too', async () => {
    await send([request(1, 'tools/call', { name: 'raw', arguments: { write: '{"jsonrpc":"2.0","id":"q","method":"ping"}\n' } })])
    const lane = bench.gateway.lanes('hostile')[0]?.lane
    client.send(JSON.stringify([{ jsonrpc: '2.0', id: `jit:${lane}:"q"`, result: { pong: 1 } }]))
    expect(await seen()).toContain('pong')
  })

  it('of a server is taken apart', async () => {
    const write = `[{"jsonrpc":"2.0","id":ID,"result":{"content":[{"type":"text","text":"in a batch"}]}},{"jsonrpc":"2.0","method":"sampling/x"},[],1]\n`
    expect(await send(request(1, 'tools/call', { name: 'raw', arguments: { write, answer: false } }))).toEqual(text(1, 'in a batch'))
    expect(bench.audit.ofType('message.refused')).toMatchObject([{ detail: { from: 'server', code: 'message.unknown' } }])
  })
})

describe.each(['2024-11-05', '2025-06-18', '2025-11-25'])('a batch of %s', (revision) => {
  it('is refused, and nothing of it reaches the server', async () => {
    await connected(revision)
    expect(await send([say(1, 'one')])).toEqual(code(null, -32600))
    client.send(JSON.stringify(request('journal', 'tools/call', { name: 'journal' })))
    await until(2)
    expect(JSON.stringify(answers.at(-1)?.value)).not.toContain('one')
  })
})
