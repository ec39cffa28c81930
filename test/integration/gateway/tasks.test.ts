import { beforeEach, describe, expect, it } from 'vitest'
import { type Bench, type Client, eventually, guarded, openBench, plain } from './support.ts'

let bench: Bench
let client: Client

beforeEach(async () => {
  bench = await openBench()
  client = await (await bench.client()).initialize('2025-11-25')
})

const journal = async (of = client): Promise<string> => of.call('journal')
const closes = () => bench.audit.ofType('call.close').filter(({ task }) => task !== undefined)
const refused = () => bench.audit.ofType('message.refused').map(({ detail }) => detail['code'])

/** Two shapes: 2025-11-25 nests the task, the extension does not. */
const nested = (id: string, status = 'working') => ({ result: { task: { taskId: id, status, ttl: 60_000 } } })
const flat = (id: string, status = 'working') => ({ result: { resultType: 'task', taskId: id, status, ttlMs: 60_000 } })

/** What a client says of itself that knows tasks in this form. */
const knows = { _meta: { 'io.modelcontextprotocol/clientCapabilities': { extensions: { 'io.modelcontextprotocol/tasks': {} } } } }

async function makeTask(answer: object, more: Record<string, unknown> = {}, of = client) {
  const write = `${JSON.stringify({ jsonrpc: '2.0', id: 'ID', ...answer }).replace('"ID"', 'ID')}\n`
  const params = JSON.parse(JSON.stringify({ name: 'raw', arguments: { write, answer: false }, ...more }))
  return of.request('tools/call', params).answer
}

async function script(answers: Record<string, object | null>, of = client): Promise<void> {
  await of.call('describe', JSON.parse(JSON.stringify({ answers })))
}

describe('a task that a client of 2026-07-28 was not given', () => {
  const ask = async (method: string, capabilities: object) => {
    const _meta = { 'io.modelcontextprotocol/protocolVersion': '2026-07-28', 'io.modelcontextprotocol/clientCapabilities': capabilities }
    return client.request(method, JSON.parse(JSON.stringify({ taskId: 't9', _meta }))).answer
  }

  it.each(['tasks/get', 'tasks/update', 'tasks/cancel'])('%s: who does not say that it knows tasks learns that first', async (method) => {
    const required = { requiredCapabilities: { extensions: { 'io.modelcontextprotocol/tasks': {} } } }
    for (const capabilities of [{}, { extensions: {} }, { extensions: { 'io.modelcontextprotocol/ui': {} } }])
      expect(await ask(method, capabilities)).toMatchObject({ error: { code: -32021, data: required } })
    expect(await ask(method, { extensions: { 'io.modelcontextprotocol/tasks': {} } })).toMatchObject({ error: { code: -32602 } })
    expect(await journal()).not.toContain('tasks/')
  })
})

describe.each([
  ['of 2025-11-25', nested, { task: { ttl: 60_000 } }],
  ['of the extension', flat, knows],
])('a task %s', (_, made, more) => {
  it('keeps its call open, on the record, until it is over: then there is one closing record, before the client hears of it', async () => {
    expect(await makeTask(made('t1'), more)).toMatchObject(made('t1'))
    expect(bench.audit.ofType('call.release')).toMatchObject([{ tool: 'raw', task: 't1' }])
    expect(closes()).toEqual([])
    await script({ 'tasks/get': { result: { taskId: 't1', status: 'working' } } })
    expect(await client.request('tasks/get', { taskId: 't1' }).answer).toMatchObject({ result: { status: 'working' } })
    expect(closes()).toEqual([])
    await script({ 'tasks/get': { result: { taskId: 't1', status: 'completed' } } })
    await client.request('tasks/get', { taskId: 't1' }).answer
    expect(closes()).toMatchObject([{ task: 't1', tool: 'raw', result: 'ok' }])
    await client.request('tasks/get', { taskId: 't1' }).answer
    expect(closes()).toHaveLength(1)
  })

  it.each([
    ['failed', 'tool-error'],
    ['cancelled', 'aborted'],
  ])('that is %s closes its call as %s', async (status, result) => {
    await makeTask(made('t1'), more)
    await script({ 'tasks/get': { result: { taskId: 't1', status } } })
    await client.request('tasks/get', { taskId: 't1' }).answer
    expect(closes()).toMatchObject([{ result }])
  })

  it('that is over from the start has its closing record at once, after the one that names it', async () => {
    await makeTask(made('t1', 'completed'), more)
    expect(bench.audit.types().slice(-2)).toEqual(['call.release', 'call.close'])
  })

  it('ends with its cancellation, whatever the server answers', async () => {
    await makeTask(made('t1'), more)
    await script({ 'tasks/cancel': { error: { code: -32602, message: 'no' } } })
    expect(await client.request('tasks/cancel', { taskId: 't1' }).answer).toMatchObject({ error: { code: -32602, message: 'no' } })
    expect(closes()).toMatchObject([{ result: 'aborted' }])
    expect(await journal()).toContain('tasks/cancel')
  })

  it('ends with its server', async () => {
    await makeTask(made('t1'), more)
    await client.call('raw', { exit: 3 })
    await eventually(() => closes().length > 0)
    expect(closes()).toMatchObject([{ result: 'error', error: { code: 'server.unavailable' } }])
    expect(await client.request('tasks/get', { taskId: 't1' }).answer).toMatchObject({ error: { code: 1700 } })
  })

  it('ends with its client', async () => {
    await makeTask(made('t1'), more)
    client.leave()
    await eventually(() => closes().length > 0)
    expect(closes()).toMatchObject([{ result: 'aborted' }])
  })

  it('ends when its time is over', async () => {
    await makeTask(made('t1'), more)
    await bench.clock.advance(60_000)
    expect(closes()).toMatchObject([{ result: 'error' }])
  })

  it('is its connection’s: another one gets the error for an unknown task, and its server hears nothing of it', async () => {
    await makeTask(made('t1'), more)
    const other = await bench.connect()
    for (const method of ['tasks/get', 'tasks/result', 'tasks/cancel', 'tasks/update'])
      expect(await other.request(method, { taskId: 't1' }).answer).toMatchObject({ error: { code: -32602 } })
    expect(await journal(other)).not.toContain('tasks/')
    expect(await journal()).not.toContain('tasks/')
    expect(refused()).toEqual(['message.foreign', 'message.foreign', 'message.foreign', 'message.foreign'])
    expect(closes()).toEqual([])
  })

  it('is not given the id of another one', async () => {
    await makeTask(made('t1'), more)
    expect(await makeTask(made('t1'), more)).toMatchObject({ error: { code: 1802 } })
    expect(bench.audit.ofType('call.close').at(-1)).toMatchObject({ result: 'error' })
    expect(closes()).toEqual([])
  })

  it('answers for itself only', async () => {
    await makeTask(made('t1'), more)
    await script({ 'tasks/get': { result: { taskId: 't2', status: 'completed' } } })
    expect(await client.request('tasks/get', { taskId: 't1' }).answer).toMatchObject({ error: { code: -32600 } })
    expect(closes()).toEqual([])
  })

  it('cannot be asked for once policy denies its tool; it can be cancelled', async () => {
    await makeTask(made('t1'), more)
    bench.configure(plain.replace('raw, ', ''))
    expect(await client.request('tasks/get', { taskId: 't1' }).answer).toHaveProperty('error')
    expect(await client.request('tasks/cancel', { taskId: 't1' }).answer).toMatchObject({ result: {} })
    expect(await journal()).not.toContain('tasks/get')
    expect(closes()).toMatchObject([{ result: 'aborted' }])
  })

  it('is refused, not lost, where its record cannot be written', async () => {
    bench.audit.fail(({ type }) => type === 'call.release')
    expect(await makeTask(made('t1'), more)).toMatchObject({ error: { code: 2000 } })
    expect(closes()).toMatchObject([{ result: 'error' }])
  })
})

describe('a task', () => {
  const more = { task: {} }

  it('holds its result until it is asked for, which ends it: a failed tool is one', async () => {
    await makeTask(nested('t1'), more)
    await script({ 'tasks/result': { result: { content: [], isError: true } } })
    expect(await client.request('tasks/result', { taskId: 't1' }).answer).toMatchObject({ result: { isError: true } })
    expect(closes()).toMatchObject([{ result: 'tool-error' }])
  })

  it('is no task where nobody asked for one: 2025-11-25 has them on request', async () => {
    await makeTask(nested('t1'))
    expect(bench.audit.ofType('call.close').at(-1)).toMatchObject({ result: 'ok' })
    expect(await client.request('tasks/get', { taskId: 't1' }).answer).toMatchObject({ error: { code: -32602 } })
  })

  it('is no task of a call that became none: its lease ends with the answer', async () => {
    bench.configure(guarded({ lifetime: 'call' }))
    const modern = (capabilities: object) => ({
      _meta: { 'io.modelcontextprotocol/protocolVersion': '2026-07-28', 'io.modelcontextprotocol/clientCapabilities': capabilities },
    })
    const knowing = modern({ extensions: { 'io.modelcontextprotocol/tasks': {} } })
    const cases: [object, object, object][] = [
      // Of 2025-11-25, without asking; it may be a result that has such a field.
      [nested('t1'), {}, { result: 'ok' }],
      // Of 2026-07-28, where the request’s `task` means nothing.
      [nested('t1'), { task: {}, ...knowing }, { result: 'ok' }],
      [flat('t1'), {}, { result: 'error', error: { code: 'message.malformed' } }],
      [flat('t1'), { task: {} }, { result: 'error', error: { code: 'message.malformed' } }],
      [flat('t1'), modern({}), { result: 'error', error: { code: 'message.malformed' } }],
      [flat('t1'), { task: {}, ...modern({ extensions: {} }) }, { result: 'error', error: { code: 'message.malformed' } }],
      [
        { result: { ...nested('t1').result, ...flat('t2').result } },
        { task: {} },
        { result: 'error', error: { code: 'message.ambiguous' } },
      ],
    ]
    for (const [made, params, closed] of cases) {
      const write = `${JSON.stringify({ jsonrpc: '2.0', id: 'ID', ...made }).replace('"ID"', 'ID')}\n`
      const call = { name: 'raw', arguments: { repo: 'acme/web', write, answer: false }, ...params }
      const answer = await client.request('tools/call', JSON.parse(JSON.stringify(call))).answer
      expect(answer).toHaveProperty('error' in closed ? 'error' : 'result')
      expect(bench.audit.ofType('call.close').at(-1)).toMatchObject(closed)
      await eventually(() => bench.broker.leases().length === 0)
      for (const id of ['t1', 't2'])
        expect(await client.request('tasks/get', { taskId: id }).answer).toMatchObject({ error: { code: -32602 } })
    }
    expect(closes()).toEqual([])
    expect(bench.audit.ofType('call.close')).toHaveLength(cases.length)
  })

  it('is one where the handshake said that its client knows the extension, and for requests without a handshake it is not', async () => {
    const other = await bench.client()
    const params = {
      protocolVersion: '2025-11-25',
      capabilities: { extensions: { 'io.modelcontextprotocol/tasks': {} } },
      clientInfo: { name: 'test', version: '1' },
    }
    await other.request('initialize', JSON.parse(JSON.stringify(params))).answer
    expect(await makeTask(flat('t1'), {}, other)).toMatchObject(flat('t1'))
    const _meta = { 'io.modelcontextprotocol/protocolVersion': '2026-07-28', 'io.modelcontextprotocol/clientCapabilities': {} }
    expect(await makeTask(flat('t2'), { _meta }, other)).toMatchObject({ error: { code: -32600 } })
  })

  it.each(['', 7, 'x'.repeat(2000), null])('needs an id: %s', async (taskId) => {
    expect(await makeTask({ result: { task: { taskId, status: 'working' } } }, more)).toMatchObject({ error: { code: -32600 } })
  })

  it('is told from another spelling of one', async () => {
    expect(await makeTask({ result: { content: [], ResultType: 'task', taskId: 't1' } })).toMatchObject({ error: { code: 1802 } })
  })

  it('is listed to its own client: the tasks of others are left out, the cursor leads on', async () => {
    await makeTask(nested('t1'), more)
    const tasks = [{ taskId: 't1' }, { taskId: 'of another' }, 'x']
    await script({ 'tasks/list': { result: { tasks, nextCursor: 'more' } } })
    const { result } = await client.request('tasks/list').answer
    expect(result).toEqual({ tasks: [{ taskId: 't1' }], nextCursor: expect.stringMatching(/^jit:lane_.*:more$/) })
    await client.request('tasks/list', { cursor: String(result?.['nextCursor']) }).answer
    expect(await journal()).toContain('{\\"cursor\\":\\"more\\"}')
    expect(await client.request('tasks/list', { cursor: 'more' }).answer).toMatchObject({ error: { code: -32602 } })
  })

  it('is no list that reaches a server while there is none', async () => {
    expect(await client.request('tasks/list').answer).toMatchObject({ result: { tasks: [] } })
    expect(await journal()).not.toContain('tasks/list')
  })

  it('has news, which end it too; of other tasks there are none', async () => {
    await makeTask(nested('t1'), more)
    const news = (taskId: string, status: string) =>
      `{"jsonrpc":"2.0","method":"notifications/tasks/status","params":{"taskId":"${taskId}","status":"${status}"}}\n`
    await client.call('raw', { write: news('t2', 'working') + news('t1', 'working') + news('t1', 'completed') })
    await client.until(() => client.messages.length === 2)
    expect(client.messages.map(({ params }) => [params?.['taskId'], params?.['status']])).toEqual([
      ['t1', 'working'],
      ['t1', 'completed'],
    ])
    expect(closes()).toMatchObject([{ result: 'ok' }])
    expect(refused()).toEqual(['message.foreign'])
  })

  it('reports progress under the token of its call, until it is over', async () => {
    const progress = (token: string) =>
      `{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":"${token}","progress":1}}\n`
    await makeTask(nested('t1'), { ...more, _meta: { progressToken: 'p' } })
    await client.call('raw', { write: progress('p') + progress('q') })
    await client.until(() => client.messages.length > 0)
    await client.request('tasks/cancel', { taskId: 't1' }).answer
    await client.call('raw', { write: progress('p') })
    expect(client.messages.map(({ params }) => params?.['progressToken'])).toEqual(['p'])
  })

  it('asks for what policy lets it ask, on the record; for anything else its client gets an error', async () => {
    await makeTask(flat('t1'), knows)
    const get = (inputRequests: object) => script({ 'tasks/get': { result: { taskId: 't1', status: 'input_required', inputRequests } } })
    const form = { method: 'elicitation/create', params: { mode: 'form', message: 'who?' } }
    await get({ name: form })
    for (let poll = 0; poll < 3; poll += 1)
      expect(await client.request('tasks/get', { taskId: 't1' }).answer).toMatchObject({ result: { inputRequests: { name: form } } })
    await client.request('tasks/update', { taskId: 't1', inputResponses: { name: { action: 'accept' }, other: {} } }).answer
    await get({ model: { method: 'sampling/createMessage', params: {} } })
    expect(await client.request('tasks/get', { taskId: 't1' }).answer).toMatchObject({ error: { code: 1400 } })
    expect(bench.audit.ofType('client.asked').map(({ detail }) => [detail['method'], detail['way'], detail['decision']])).toEqual([
      ['elicitation/create', 'task', 'allow'],
      ['sampling/createMessage', 'task', 'deny'],
    ])
    expect(bench.audit.ofType('client.answered')).toMatchObject([{ detail: { answer: 'accept' } }])
  })

  it('is listened to where it is one’s own', async () => {
    await makeTask(flat('t1'), knows)
    await client.request('subscriptions/listen', { notifications: { taskIds: ['t1', 't2'], resourceSubscriptions: ['file:///hidden'] } })
      .answer
    const lines: string[] = JSON.parse(await journal())
    expect(JSON.parse(lines.find((line) => line.includes('subscriptions/listen')) ?? '')).toMatchObject({
      params: { notifications: { taskIds: ['t1'], resourceSubscriptions: [] } },
    })
  })
})

describe('a task with a lease', () => {
  it('keeps it, and stays on the wire, until it is over; then the lease of a call ends', async () => {
    bench.configure(guarded({ lifetime: 'call' }))
    const write = `{"jsonrpc":"2.0","id":ID,"result":{"task":{"taskId":"t1","status":"working"}}}\n`
    await client.request('tools/call', { name: 'raw', arguments: { repo: 'acme/web', write, answer: false }, task: {} }).answer
    expect(bench.broker.leases()).toHaveLength(1)
    await bench.clock.advance(1000)
    expect(bench.broker.leases()).toMatchObject([{ inUse: 1 }])
    await client.request('tasks/cancel', { taskId: 't1' }).answer
    await eventually(() => bench.broker.leases().length === 0)
    expect(closes()).toMatchObject([{ result: 'aborted', lease: { provider: 'acme' } }])
  })

  it('lets its server ask the upstream while it is at work, and no longer', async () => {
    bench = await openBench(guarded())
    client = await (await bench.client()).initialize('2025-11-25')
    const task = { name: 'fetch', arguments: { repo: 'acme', item: '7', asTask: 't1' }, task: {} }
    expect(await client.request('tools/call', task).answer).toMatchObject({ result: { task: { taskId: 't1' } } })
    const result = async () => (await client.request('tasks/result', { taskId: 't1' }).answer).result?.content?.[0]?.text
    expect(JSON.parse((await result()) ?? '')).toMatchObject({ status: 200 })
    expect(closes()).toMatchObject([{ result: 'ok', requests: [{ method: 'GET', status: 200 }] }])
    expect(JSON.parse((await result()) ?? '')).toMatchObject({ status: 403 })
    expect(closes()).toHaveLength(1)
  })

  it('ends with it', async () => {
    bench.configure(guarded())
    const write = `{"jsonrpc":"2.0","id":ID,"result":{"task":{"taskId":"t1","status":"working"}}}\n`
    await client.request('tools/call', { name: 'raw', arguments: { repo: 'acme/web', write, answer: false }, task: {} }).answer
    await bench.clock.advance(300_000)
    expect(closes()).toMatchObject([{ result: 'error', error: { code: 'lease.expired' } }])
  })
})

describe('a task that the client works on for a server', () => {
  const ask = (id: string, method: string, params: object) => `${JSON.stringify({ jsonrpc: '2.0', id, method, params })}\n`

  it('is asked for by the server that it was made for, and by its id alone', async () => {
    await client.call('raw', { write: ask('q1', 'elicitation/create', { message: 'who?', task: {} }) })
    await client.until(() => client.messages.length === 1)
    client.send(JSON.stringify({ jsonrpc: '2.0', id: client.messages[0]?.id, result: { task: { taskId: 'c1', status: 'working' } } }))
    await client.call('raw', { write: ask('q2', 'tasks/get', { taskId: 'c1' }) + ask('q3', 'tasks/get', { taskId: 'c2' }) })
    await client.until(() => client.messages.length === 2)
    expect(client.messages[1]).toMatchObject({ method: 'tasks/get', params: { taskId: 'c1' } })
    expect(await journal()).toMatch(/q3[^}]*-32602/)
  })

  it('is not made where the request was not allowed', async () => {
    await client.call('raw', { write: ask('q1', 'sampling/createMessage', { task: {} }) })
    await client.call('raw', { write: ask('q2', 'tasks/result', { taskId: 'c1' }) })
    expect(client.messages).toEqual([])
    expect(await journal()).toMatch(/q2[^}]*-32602/)
  })

  it('is listed to that server alone, and its news reach no other', async () => {
    await client.call('raw', { write: ask('q1', 'tasks/list', {}) })
    await client.until(() => client.messages.length === 1)
    client.send(JSON.stringify({ jsonrpc: '2.0', id: client.messages[0]?.id, result: { tasks: [{ taskId: 'c1' }] } }))
    client.notify('notifications/tasks/status', { taskId: 'c1', status: 'working' })
    const seen = await journal()
    expect(seen).toMatch(/q1[^}]*\\"tasks\\":\[\]/)
    expect(seen).not.toContain('notifications/tasks/status')
    expect(refused()).toEqual(['message.foreign'])
  })
})
