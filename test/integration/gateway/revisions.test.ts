import { beforeEach, describe, expect, it } from 'vitest'
import type { JsonObject } from '../../../src/core/json.ts'
import { type Bench, type Client, openBench } from './support.ts'

/** What a client can say wrongly in each revision: each is answered as the protocol says, and the server hears nothing of it. */
const revisions = ['2024-11-05', '2025-03-26', '2025-06-18', '2025-11-25', '2026-07-28']
const stateless = '2026-07-28'

describe.each(revisions)('in %s', (revision) => {
  let bench: Bench
  let client: Client
  const meta: JsonObject =
    revision === stateless
      ? { 'io.modelcontextprotocol/protocolVersion': revision, 'io.modelcontextprotocol/clientCapabilities': {}, mark: 'mark' }
      : { mark: 'mark' }

  beforeEach(async () => {
    bench = await openBench()
    client = await bench.client()
    if (revision !== stateless) await client.initialize(revision)
  })

  /** Nothing that carries the mark is in the server's journal. */
  const nothingCame = async (): Promise<void> => expect(await client.call('journal')).not.toContain('mark')

  it.each<[string, string, JsonObject, number]>([
    ['a tool that is hidden', 'tools/call', { name: 'hidden', arguments: {} }, -32602],
    ['a tool that is none', 'tools/call', { name: 'nothing' }, -32602],
    ['a tool without a name', 'tools/call', {}, -32602],
    ['a tool in another spelling', 'tools/call', { name: 'SAY' }, -32602],
    ['a resource that is hidden', 'resources/read', { uri: 'file:///etc/passwd' }, revision === stateless ? -32602 : -32002],
    ['a resource without an address', 'resources/read', {}, revision === stateless ? -32602 : -32002],
    ['a prompt that is hidden', 'prompts/get', { name: 'hidden' }, -32602],
    ['a completion for a hidden prompt', 'completion/complete', { ref: { type: 'ref/prompt', name: 'hidden' } }, -32602],
    ['a subscription to a hidden resource', 'resources/subscribe', { uri: 'file:///x' }, revision === stateless ? -32601 : -32002],
    // Who does not say that it knows tasks learns that first.
    ['a task that is none', 'tasks/get', { taskId: 'x' }, revision === stateless ? -32021 : -32602],
    ['a task without an id', 'tasks/cancel', {}, revision === stateless ? -32021 : -32602],
    ['a task under a list', 'tasks/result', { taskId: ['x'] }, revision === stateless ? -32601 : -32602],
    ['an answer for a task that is none', 'tasks/update', { taskId: 'x', inputResponses: {} }, revision === stateless ? -32021 : -32602],
    ['a list of tasks by a cursor that is none', 'tasks/list', { cursor: 'jit:lane_x:1' }, revision === stateless ? -32601 : -32602],
    ['a state that is none', 'tools/call', { name: 'say', requestState: 'x' }, -32602],
    ['a state that is a list', 'tools/call', { name: 'say', requestState: ['x'] }, -32602],
    ['a method that is none', 'tools/execute', {}, -32601],
    ['a method of servers', 'sampling/createMessage', {}, -32601],
    ['a notification as a request', 'notifications/initialized', {}, -32601],
  ])('%s is refused', async (_, method, params, code) => {
    const { answer } = client.request(method, { ...params, _meta: meta }, 'own')
    expect(await answer).toMatchObject({ id: 'own', error: { code } })
    await nothingCame()
  })

  it.each<[string, unknown, number]>([
    ['null as its id', { id: null, method: 'ping' }, -32600],
    ['a fraction as its id', { id: 1.5, method: 'ping' }, -32600],
    ['an object as its id', { id: {}, method: 'ping' }, -32600],
    ['params that are a list', { id: 'own', method: 'ping', params: ['mark'] }, -32600],
    ['another version of JSON-RPC', { jsonrpc: '1.0', id: 'own', method: 'ping' }, -32600],
    ['neither a method nor an answer', { id: 'own' }, -32600],
  ])('a message with %s is refused', async (_, message, code) => {
    client.send(JSON.stringify({ jsonrpc: '2.0', params: { mark: 'mark' }, ...Object(message) }))
    await client.until(() => client.strays.length > 0)
    expect(client.strays).toMatchObject([{ error: { code } }])
    await nothingCame()
  })

  it.each(['{"mark"', 'mark', '{"jsonrpc":"2.0","id":1,"method":"ping","params":{"mark":1}'])(
    'what is no JSON is refused: %s',
    async (line) => {
      client.send(line)
      await client.until(() => client.strays.length > 0)
      expect(client.strays).toMatchObject([{ id: null, error: { code: -32700 } }])
      await nothingCame()
    },
  )

  it('an id that is in flight is refused, and the first keeps its answer', async () => {
    const first = client.request('tools/call', { name: 'raw', arguments: { answer: false } }, 'own')
    client.send(JSON.stringify({ jsonrpc: '2.0', id: 'own', method: 'tools/call', params: { name: 'say', _meta: meta } }))
    expect(await first.answer).toMatchObject({ error: { code: -32600 } })
    await nothingCame()
    expect(bench.gateway.lanes('hostile')).toMatchObject([{ inFlight: 1 }])
  })

  it.each<[string, object]>([
    ['an answer that nobody asked for', { id: 1, result: { mark: 'mark' } }],
    ['an answer to a lane that is none', { id: 'jit:lane_x:1', result: { mark: 'mark' } }],
    ['an error without an id', { id: null, error: { code: 1, message: 'mark' } }],
    ['progress that nobody asked for', { method: 'notifications/progress', params: { progressToken: 'mark', progress: 1 } }],
    ['news of a task that is none', { method: 'notifications/tasks/status', params: { taskId: 'mark', status: 'completed' } }],
    ['the end of a request that is none', { method: 'notifications/cancelled', params: { requestId: 'mark' } }],
    ['a request as a notification', { method: 'tools/call', params: { name: 'say', mark: 'mark' } }],
    ['a task as a notification', { method: 'tasks/cancel', params: { taskId: 'mark' } }],
    ['a notification of servers', { method: 'notifications/message', params: { mark: 'mark' } }],
  ])('%s goes nowhere', async (_, message) => {
    client.send(JSON.stringify({ jsonrpc: '2.0', ...message }))
    await nothingCame()
    expect(client.strays).toEqual([])
  })

  it.each<[string, object]>([
    ['news of a task that is none', { method: 'notifications/tasks', params: { taskId: 'x', status: 'completed' } }],
    ['news of a task without an id', { method: 'notifications/tasks/status', params: {} }],
    [
      'a notification for a subscription that is none',
      { method: 'notifications/tools/list_changed', params: { _meta: { 'io.modelcontextprotocol/subscriptionId': 7 } } },
    ],
    ['progress that nobody asked for', { method: 'notifications/progress', params: { progressToken: 'x', progress: 1 } }],
    ['the end of a request that is none', { method: 'notifications/cancelled', params: { requestId: 'x' } }],
    ['an answer that nobody asked for', { id: 4711, result: {} }],
    ['a request of clients', { id: 'q', method: 'tools/call', params: {} }],
    ['a task that the client has not', { id: 'q', method: 'tasks/get', params: { taskId: 'x' } }],
    ['the client’s model', { id: 'q', method: 'sampling/createMessage', params: {} }],
    ['an address that is none', { id: 'q', method: 'elicitation/create', params: { mode: 'url', url: 'javascript:1' } }],
  ])('%s of a server goes nowhere', async (_, message) => {
    await client.call('raw', { write: `${JSON.stringify({ jsonrpc: '2.0', ...message })}\n` })
    expect(await client.call('say', { text: 'next' })).toBe('next')
    expect(client.messages).toEqual([])
    expect(client.strays).toEqual([])
  })
})
