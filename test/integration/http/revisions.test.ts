import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { call, type Door, eventsOf, initialize, modern, openDoor, session, statelessCall } from './support.ts'

/**
 * What a client of the HTTP door can say wrongly in each revision: each is answered as the protocol says, with the status that it
 * has there, and the server hears nothing of it. `test/integration/gateway/revisions.test.ts` is the same table over stdio.
 */
let door: Door

beforeAll(async () => {
  door = await openDoor()
})
afterAll(() => door.close())

interface Told {
  readonly status: number
  /** The answer, from the body or the stream; undefined when there is none. */
  readonly answer: { readonly id?: unknown; readonly error?: { readonly code: number } } | undefined
}

/** One client of a revision. */
interface Speaker {
  say(message: unknown, headers?: Readonly<Record<string, string>>): Promise<Told>
  journal(): Promise<string>
}

const marked = { mark: 'mark' }
let tokens = 0

async function speaker(revision: string): Promise<Speaker> {
  const token = await door.token(`client-${(tokens += 1)}`)
  if (revision === '2024-11-05') return eventSpeaker(token)
  const own = revision === modern ? {} : { 'mcp-session-id': await session(door, token, 'one', revision) }
  const say: Speaker['say'] = async (message, headers = own) => {
    const { status, body, events } = await door.send('/mcp/one', {
      token,
      headers: { ...headersOf(message, revision), ...headers },
      body: message,
    })
    return { status, answer: answerOf(body ?? parsed(events.at(-1)?.data)) }
  }
  const journal = revision === modern ? statelessCall('journal', 'journal') : { headers: own, body: call('journal', 'journal') }
  return { say, journal: async () => (await door.send('/mcp/one', { token, ...journal })).text }
}

/** HTTP with SSE: the answer to a POST comes on the one stream. */
async function eventSpeaker(token: string): Promise<Speaker> {
  const stream = await door.open('/mcp/one/sse', { method: 'GET', token })
  await stream.until('\n\n')
  const path = /data: (\S+)/.exec(stream.text())?.[1] ?? ''
  const post = async (body: unknown): Promise<number> => (await door.send(path, { token, body })).status
  /** The first event that holds this. */
  const event = async (wanted: string): Promise<string> => {
    await stream.until(wanted)
    return eventsOf(stream.text()).find(({ data }) => data.includes(wanted))?.data ?? ''
  }
  await post(initialize('2024-11-05'))
  await event('"id":"start"')
  await post({ jsonrpc: '2.0', method: 'notifications/initialized' })
  let count = 0
  return {
    async say(message) {
      const status = await post(message)
      const { id, method } = fieldsOf(message)
      if (method === undefined && typeof id === 'number') return { status, answer: undefined }
      if (id === undefined && method !== undefined) return { status, answer: undefined }
      // All that is asked here is wrong; whose id cannot be read is answered under none.
      return { status, answer: answerOf(parsed(await event('"error"'))) }
    },
    async journal() {
      const id = `journal-${(count += 1)}`
      await post(call(id, 'journal'))
      return event(`"id":"${id}"`)
    },
  }
}

/** What stands beside a message of the newest revision. */
function headersOf(message: unknown, revision: string): Record<string, string> {
  if (revision !== modern) return {}
  const { method, params } = fieldsOf(message)
  const name = fieldsOf(params)['name'] ?? fieldsOf(params)['taskId'] ?? fieldsOf(params)['uri']
  return {
    'mcp-protocol-version': modern,
    ...(typeof method === 'string' ? { 'mcp-method': method } : {}),
    ...(typeof name === 'string' ? { 'mcp-name': name } : {}),
  }
}

function fieldsOf(value: unknown): Record<string, unknown> {
  return typeof value === 'object' && value !== null ? Object.fromEntries(Object.entries(value)) : {}
}

function parsed(text: string | undefined): unknown {
  return text === undefined ? undefined : JSON.parse(text)
}

function answerOf(body: unknown): Told['answer'] {
  const { id, error } = fieldsOf(body)
  const code = fieldsOf(error)['code']
  if (id === undefined && error === undefined) return undefined
  return { id, ...(typeof code === 'number' ? { error: { code } } : {}) }
}

const revisions = ['2024-11-05', '2025-03-26', '2025-06-18', '2025-11-25', modern]

describe.each(revisions)('at the HTTP door in %s', (revision) => {
  const isModern = revision === modern
  const isEvents = revision === '2024-11-05'
  const _meta = isModern
    ? { 'io.modelcontextprotocol/protocolVersion': revision, 'io.modelcontextprotocol/clientCapabilities': {}, ...marked }
    : marked
  let client: Speaker

  beforeEach(async () => {
    client = await speaker(revision)
  })

  const nothingCame = async (): Promise<void> => expect(await client.journal()).not.toContain('mark')
  /** An answer of the server's content has 200 in the body; on the old transport the POST is only taken. */
  const status = (body: number): number => (isEvents ? 202 : body)

  it.each<[string, string, object, number, number]>([
    ['a tool that is hidden', 'tools/call', { name: 'hidden', arguments: {} }, -32602, 200],
    ['a tool in another spelling', 'tools/call', { name: 'SAY' }, -32602, 200],
    ['a task that is none', 'tasks/get', { taskId: 'x' }, isModern ? -32021 : -32602, isModern ? 400 : 200],
    ['an end of a task that is none', 'tasks/cancel', { taskId: 'x' }, isModern ? -32021 : -32602, isModern ? 400 : 200],
    [
      'a list of tasks by a cursor that is none',
      'tasks/list',
      { cursor: 'jit:lane_x:1' },
      isModern ? -32601 : -32602,
      isModern ? 404 : 200,
    ],
    ['a state that is none', 'tools/call', { name: 'say', requestState: 'x' }, -32602, 200],
    ['a method that is none', 'tools/execute', {}, -32601, isModern ? 404 : 200],
    ['a method of servers', 'sampling/createMessage', {}, -32601, isModern ? 404 : 200],
    ['a notification as a request', 'notifications/initialized', {}, -32601, isModern ? 404 : 200],
  ])('%s is refused', async (_, method, params, code, expected) => {
    const told = await client.say({ jsonrpc: '2.0', id: 'own', method, params: { ...params, _meta } })
    expect(told).toMatchObject({ status: status(expected), answer: { id: 'own', error: { code } } })
    await nothingCame()
  })

  it.each<[string, object]>([
    ['null as its id', { id: null, method: 'ping' }],
    ['a fraction as its id', { id: 1.5, method: 'ping' }],
    ['an object as its id', { id: {}, method: 'ping' }],
    ['params that are a list', { id: 'own', method: 'ping', params: ['mark'] }],
    ['another version of JSON-RPC', { jsonrpc: '1.0', id: 'own', method: 'ping' }],
    ['neither a method nor an answer', { id: 'own' }],
  ])('a message with %s is refused', async (_, message) => {
    const told = await client.say({ jsonrpc: '2.0', params: marked, ...message })
    expect(told).toMatchObject({ status: status(400), answer: { error: { code: -32600 } } })
    await nothingCame()
  })

  it.each<[string, object]>([
    ['an answer that nobody asked for', { id: 1, result: marked }],
    ['an error that nobody asked for', { id: 2, error: { code: 1, message: 'mark' } }],
    ['progress that nobody asked for', { method: 'notifications/progress', params: { progressToken: 'mark', progress: 1 } }],
    ['news of a task that is none', { method: 'notifications/tasks/status', params: { taskId: 'mark', status: 'completed' } }],
    ['the end of a request that is none', { method: 'notifications/cancelled', params: { requestId: 'mark' } }],
    ['a request as a notification', { method: 'tools/call', params: { name: 'say', mark: 'mark' } }],
    ['a notification of servers', { method: 'notifications/message', params: marked }],
  ])('%s is taken and goes nowhere', async (_, message) => {
    // The newest revision has no answers of clients at all.
    const refused = isModern && !('method' in message)
    expect((await client.say({ jsonrpc: '2.0', ...message })).status).toBe(refused ? 400 : 202)
    await nothingCame()
  })

  it('a batch of all kinds is taken apart where there are batches, and refused elsewhere', async () => {
    const batch = [
      { jsonrpc: '2.0', id: 'first', method: 'tools/call', params: { name: 'hidden', _meta } },
      { jsonrpc: '2.0', id: 9, result: marked },
      { jsonrpc: '2.0', method: 'notifications/tasks/status', params: { taskId: 'mark', status: 'completed' } },
      { jsonrpc: '2.0', id: 'second', method: 'tools/execute', params: marked },
    ]
    if (revision === '2025-03-26') {
      const token = await door.token(`batch-${(tokens += 1)}`)
      const headers = { 'mcp-session-id': await session(door, token, 'one', revision) }
      const { status: taken, body } = await door.send('/mcp/one', { token, headers, body: batch })
      expect(taken).toBe(200)
      const answers = Array.isArray(body) ? body : []
      expect(answers.map((answer) => answerOf(answer)).sort((left, right) => String(left?.id).localeCompare(String(right?.id)))).toEqual([
        { id: 'first', error: { code: -32602 } },
        { id: 'second', error: { code: -32601 } },
      ])
    } else expect((await client.say(batch)).status).toBe(status(400))
    await nothingCame()
  })

  it.skipIf(isEvents || isModern)('the session of another client is none, whatever is said in it', async () => {
    const [owner, thief] = [await door.token(`owner-${(tokens += 1)}`), await door.token(`thief-${(tokens += 1)}`)]
    const id = await session(door, owner, 'one', revision)
    for (const message of [
      call('own', 'say', marked),
      { jsonrpc: '2.0', method: 'notifications/cancelled', params: { requestId: 'mark' } },
      { jsonrpc: '2.0', id: 1, result: marked },
      initialize(revision),
    ]) {
      const { status: told } = await door.send('/mcp/one', { token: thief, headers: { 'mcp-session-id': id }, body: message })
      expect(told).toBe(404)
    }
    const { text } = await door.send('/mcp/one', { token: owner, headers: { 'mcp-session-id': id }, body: call(1, 'journal') })
    expect(text).toContain('journal')
    expect(text).not.toContain('mark')
  })

  it.skipIf(isEvents || isModern)('headers that name another revision than the session’s do not make it one', async () => {
    const { status: told } = await client.say(call('own', 'say', marked), { 'mcp-session-id': 'x' })
    expect(told).toBe(404)
    const token = await door.token(`other-${(tokens += 1)}`)
    const headers = { 'mcp-session-id': await session(door, token, 'one', revision) }
    const ask = (version: string) =>
      door.send('/mcp/one', { token, headers: { ...headers, 'mcp-protocol-version': version }, body: call(1, 'say', marked) })
    expect((await ask('1999-01-01')).status).toBe(400)
    expect((await ask(modern)).body).toMatchObject({ error: { code: -32602 } })
    expect((await door.send('/mcp/one', { token, headers, body: call(2, 'journal') })).text).not.toContain('mark')
  })
})

describe('a round of 2026-07-28 at the HTTP door', () => {
  const asks = {
    result: {
      resultType: 'input_required',
      requestState: 'state of one',
      inputRequests: {
        name: { method: 'elicitation/create', params: { message: 'name?', requestedSchema: { type: 'object', properties: {} } } },
      },
    },
  }
  const write = `${JSON.stringify({ jsonrpc: '2.0', id: 'ID', ...asks }).replace('"ID"', 'ID')}\n`
  const args = { write, answer: false }
  const begin = statelessCall(1, 'raw', args)
  const goOn = (name: string, given: object, state: string) => {
    const { body, headers } = statelessCall(2, name, given)
    const { params } = Object.fromEntries(Object.entries(body))
    return {
      headers,
      body: { ...body, params: { ...params, requestState: state, inputResponses: { name: { action: 'accept', content: {} } } } },
    }
  }

  it('goes on with its state for the client and the request that it was given to, and for nobody and nothing else', async () => {
    const [owner, thief] = [await door.token('round-owner'), await door.token('round-thief')]
    const first = await door.send('/mcp/one', { token: owner, ...begin })
    expect(first.body).toMatchObject(asks)
    for (const [token, server, message] of [
      [thief, 'one', goOn('raw', args, 'state of one')],
      [owner, 'two', goOn('raw', args, 'state of one')],
      [owner, 'one', goOn('say', { text: 'x' }, 'state of one')],
      [owner, 'one', goOn('raw', { ...args, pad: 1 }, 'state of one')],
      [owner, 'one', goOn('raw', args, 'state of onf')],
    ] as const) {
      const { body } = await door.send(`/mcp/${server}`, { token, ...message })
      expect(body).toMatchObject({ id: 2, error: { code: -32602 } })
    }
    for (const [token, server] of [
      [thief, 'one'],
      [owner, 'two'],
      [owner, 'one'],
    ] as const)
      expect((await door.send(`/mcp/${server}`, { token, ...statelessCall(3, 'journal') })).text).not.toContain('inputResponses')
    expect((await door.send('/mcp/one', { token: owner, ...goOn('raw', args, 'state of one') })).body).toMatchObject(asks)
    expect((await door.send('/mcp/one', { token: owner, ...statelessCall(4, 'journal') })).text).toContain('inputResponses')
  })
})
