import { beforeEach, describe, expect, it } from 'vitest'
import type { JsonObject } from '../../../src/core/json.ts'
import { type Bench, type Client, openBench, plain } from './support.ts'

let bench: Bench
let client: Client

beforeEach(async () => {
  bench = await openBench()
  client = await bench.client()
})

const meta = { 'io.modelcontextprotocol/protocolVersion': '2026-07-28', 'io.modelcontextprotocol/clientCapabilities': {} }
const form = { method: 'elicitation/create', params: { mode: 'form', message: 'who?', requestedSchema: {} } }
const model = { method: 'sampling/createMessage', params: { messages: [], maxTokens: 1 } }
const asked = () =>
  bench.audit
    .ofType('client.asked')
    .map(({ detail }) => [detail['method'], detail['way'], detail['decision'], detail['mode']].join(' ').trim())
const closes = () => bench.audit.ofType('call.close').map(({ result }) => result)

/** The tool's server answers with the result; the same arguments make the same request. */
const args = (result: object) => ({ write: `{"jsonrpc":"2.0","id":ID,"result":${JSON.stringify(result)}}\n`, answer: false })
const required = (more: object) => ({ resultType: 'input_required', ...more })

async function call(result: object, more: JsonObject = {}, of = client) {
  return of.request('tools/call', { name: 'raw', arguments: args(result), _meta: meta, ...more }).answer
}

describe('a request in several rounds', () => {
  it('needs no handshake, and each round is a call of its own on the record', async () => {
    const result = required({ inputRequests: { name: form }, requestState: 'opaque' })
    expect(await call(result)).toMatchObject({ result })
    expect(await call(result, { requestState: 'opaque', inputResponses: { name: { action: 'decline' } } })).toMatchObject({ result })
    expect(closes()).toEqual(['ok', 'ok'])
    expect(asked()).toEqual(['elicitation/create input_required allow form', 'elicitation/create input_required allow form'])
    expect(bench.audit.ofType('client.answered')).toMatchObject([{ detail: { answer: 'decline', method: 'elicitation/create' } }])
    const lines: string[] = JSON.parse(await client.call('journal'))
    expect(JSON.parse(lines[1] ?? '')).toMatchObject({
      params: { requestState: 'opaque', inputResponses: { name: { action: 'decline' } } },
    })
  })

  it('goes on without a state where the server gave none', async () => {
    const result = required({ inputRequests: { name: form } })
    await call(result)
    expect(await call(result, { inputResponses: { name: { action: 'accept' } } })).toMatchObject({ result })
    expect(bench.audit.ofType('client.answered')).toHaveLength(1)
  })

  it.each<[string, (state: string) => Promise<unknown>]>([
    ['that was never given', () => call(required({ requestState: 'x' }), { requestState: 'y' })],
    ['of other arguments', (requestState) => call(required({ requestState: 'other' }), { requestState })],
    ['of another tool', (requestState) => client.request('tools/call', { name: 'say', arguments: {}, requestState }).answer],
    ['on another connection', async (requestState) => call(required({ requestState: 'x' }), { requestState }, await bench.client())],
    ['that is no text', () => client.request('tools/call', { name: 'say', requestState: { a: 1 } }).answer],
  ])('is refused with a state %s: the server hears nothing of it, and it is on record', async (_, retry) => {
    await call(required({ requestState: 'x' }))
    expect(await retry('x')).toMatchObject({ error: { code: -32602, data: { code: 'message.foreign' } } })
    expect(closes()).toEqual(['ok', 'denied'])
    expect((await client.call('journal')).match(/tools.call/g)).toHaveLength(2)
  })

  it('is decided anew in each round', async () => {
    const result = required({ requestState: 'x' })
    await call(result)
    bench.configure(plain.replace('raw, ', ''))
    expect(await call(result, { requestState: 'x' })).toMatchObject({ error: { code: -32602, message: 'Unknown tool: raw' } })
    expect(closes()).toEqual(['ok', 'denied'])
  })

  it.each([
    ['the client’s model, which is off', { model }],
    ['the client’s model in one of several', { form, model }],
    ['what no server may ask', { x: { method: 'tools/call', params: { name: 'hidden' } } }],
    ['nothing that can be read', { x: 7 }],
  ])('ends with an error that says so when the server asks for %s', async (_, inputRequests) => {
    expect(await call(required({ inputRequests }))).toMatchObject({
      result: { resultType: 'complete', isError: true, content: [{ text: expect.stringContaining('Denied by jit: server hostile ') }] },
    })
    expect(closes()).toEqual(['denied'])
    expect(asked().at(-1)).toMatch(/deny$/)
  })

  it('may ask for the model where that is allowed', async () => {
    bench.configure(`${plain}    sampling: allow\n`)
    expect(await call(required({ inputRequests: { model } }))).toMatchObject({ result: { inputRequests: { model } } })
  })

  it.each([
    ['another spelling of its keys', { content: [], InputRequests: { model } }, 1802],
    ['a key that nobody could remember', required({ inputRequests: { ['x'.repeat(1025)]: form } }), -32600],
    ['a list in place of the questions', required({ inputRequests: [model] }), -32600],
    ['a state that is no text', required({ requestState: 7 }), -32600],
    [
      'more questions than a person can answer',
      required({ inputRequests: Object.fromEntries(Array.from({ length: 100 }, (_, n) => [n, form])) }),
      -32600,
    ],
  ])('is no way around policy by %s', async (_, result, code) => {
    expect(await call(result)).toMatchObject({ error: { code } })
    expect(closes()).toEqual(['error'])
  })

  it('is no way around policy by a result that says it is complete, or by a key that stands there twice', async () => {
    expect(await call({ resultType: 'complete', content: [], inputRequests: { model } })).toMatchObject({ result: { isError: true } })
    const twice = `"resultType":"input_required","resultType":"complete","inputRequests":${JSON.stringify({ model })},"inputRequests":{}`
    const write = `{"jsonrpc":"2.0","id":ID,"result":{${twice},"content":[]}}\n`
    expect(await client.request('tools/call', { name: 'raw', arguments: { write, answer: false } }).answer).toEqual({
      jsonrpc: '2.0',
      id: 2,
      result: { resultType: 'complete', inputRequests: {}, content: [] },
    })
  })

  it('is none of a list, or of anything else that policy has no say in', async () => {
    await client.call('describe', { answers: { 'prompts/list': { result: required({ inputRequests: { form } }) } } })
    expect(await client.request('prompts/list').answer).toMatchObject({ error: { code: -32600 } })
    expect(asked()).toEqual([])
    expect(bench.audit.ofType('message.refused')).toMatchObject([{ detail: { from: 'server' } }])
  })

  it('remembers a thousand of them, the newest', async () => {
    await call(required({ requestState: 'first' }))
    const write = (n: number) => ({ name: 'raw', arguments: args(required({ requestState: `s${n}` })) })
    for (let n = 0; n < 1000; n += 1) await client.request('tools/call', write(n)).answer
    expect(await client.request('tools/call', { ...write(0), requestState: 's0' }).answer).toHaveProperty('result')
    expect(await call(required({ requestState: 'first' }), { requestState: 'first' })).toMatchObject({ error: { code: -32602 } })
  })
})

describe('what a server asks of a client', () => {
  const ask = (id: string, method: string, params: object = {}) => `${JSON.stringify({ jsonrpc: '2.0', id, method, params })}\n`

  beforeEach(async () => {
    await client.initialize('2025-11-25')
  })

  it.each([
    ['sampling/createMessage', 'sampling', 'deny'],
    ['elicitation/create', 'elicitation', 'allow'],
    ['roots/list', 'roots', 'allow'],
  ])('%s is what `%s` says, %s unless it says something; both are on record', async (method, key, byDefault) => {
    await client.call('raw', { write: ask('q', method) })
    expect(client.messages).toHaveLength(byDefault === 'allow' ? 1 : 0)
    for (const value of ['allow', 'deny']) {
      bench.configure(`${plain}    ${key}: ${value}\n`)
      const before = client.messages.length
      await client.call('raw', { write: ask(value, method) })
      expect(client.messages.length - before).toBe(value === 'allow' ? 1 : 0)
    }
    expect(asked().map((line) => line.replace(' form', ''))).toEqual([
      `${method} request ${byDefault}`,
      `${method} request allow`,
      `${method} request deny`,
    ])
    expect(await client.call('journal')).toMatch(new RegExp(`${key}: allow`))
  })

  it('is answered on record: what a person said, not what they wrote', async () => {
    await client.call('raw', { write: ask('q', 'elicitation/create', { message: 'your secret?' }) })
    await client.until(() => client.messages.length === 1)
    const result = { action: 'accept', content: { secret: 'swordfish' } }
    client.send(JSON.stringify({ jsonrpc: '2.0', id: client.messages[0]?.id, result }))
    expect(await client.call('journal')).toContain('swordfish')
    expect(bench.audit.ofType('client.answered')).toMatchObject([{ detail: { answer: 'accept', method: 'elicitation/create' } }])
    const trail = JSON.stringify(bench.audit.events.filter(({ type }) => type.startsWith('client.')))
    expect(trail).not.toMatch(/secret|swordfish/)
  })

  it.each(['https://auth.dev/start?state=s3cret', 'http://127.0.0.1:9000/x', 'HTTPS://AUTH.DEV/'])(
    'may be a web address: it travels as it is, and only its origin is on record: %s',
    async (url) => {
      await client.call('raw', { write: ask('q', 'elicitation/create', { mode: 'url', url, elicitationId: 'e', message: 'm' }) })
      await client.until(() => client.messages.length === 1)
      expect(client.messages).toMatchObject([{ params: { mode: 'url', url } }])
      expect(bench.audit.ofType('client.asked')).toMatchObject([{ detail: { mode: 'url', origin: new URL(url).origin } }])
      expect(JSON.stringify(bench.audit.ofType('client.asked'))).not.toContain('s3cret')
    },
  )

  it.each([
    'javascript:alert(1)',
    'file:///etc/passwd',
    'data:text/html,x',
    'java\nscript:1',
    ' https://x.dev',
    'vbscript:x',
    '//x.dev',
    7,
    null,
  ])('is refused as an address that is none: %s', async (url) => {
    await client.call('raw', { write: ask('q', 'elicitation/create', { mode: 'url', url, message: 'm' }) })
    expect(client.messages).toEqual([])
    const write = `${JSON.stringify({ jsonrpc: '2.0', id: 'ID', error: { code: -32042, message: 'm', data: { elicitations: [{ mode: 'url', url }] } } }).replace('"ID"', 'ID')}\n`
    expect(await client.request('tools/call', { name: 'raw', arguments: { write, answer: false } }).answer).toMatchObject({
      error: { code: -32600 },
    })
    expect(asked()).toEqual(['elicitation/create request deny url', 'elicitation/create error deny url'])
  })

  it('does not fill the disk: after six hundred in a minute the server is told to wait', async () => {
    for (let turn = 0; turn < 7; turn += 1) {
      const write = Array.from({ length: 100 }, (_, n) => ask(`${turn}-${n}`, 'sampling/createMessage')).join('')
      await client.call('raw', { write })
    }
    expect(asked()).toHaveLength(600)
    await bench.clock.advance(60_000)
    await client.call('raw', { write: ask('later', 'sampling/createMessage') })
    expect(asked()).toHaveLength(601)
  })

  it('is not passed on without a record', async () => {
    bench.audit.fail(({ type }) => type === 'client.asked')
    await client.call('raw', { write: ask('q', 'roots/list') })
    expect(client.messages).toEqual([])
    expect(await client.call('journal')).toMatch(/q[^}]*2000/)
  })

  it('under an id that is in use already is refused', async () => {
    await client.call('raw', { write: ask('q', 'roots/list') + ask('q', 'elicitation/create') })
    await client.until(() => client.messages.length > 0)
    expect(client.messages).toHaveLength(1)
    expect(await client.call('journal')).toMatch(/is in use already/)
  })
})

describe('the page of a tool', () => {
  const tool = (name: string, uri: string) => ({ name, inputSchema: {}, _meta: { ui: { resourceUri: uri } } })
  const tools = [tool('say', 'ui://say'), tool('hidden', 'ui://hidden'), tool('raw', 'file:///etc/passwd')]

  it('may be read by who may use the tool, once it was listed; no other resource may', async () => {
    await client.initialize()
    const read = async (uri: string) => client.request('resources/read', { uri }).answer
    expect(await read('ui://say')).toMatchObject({ error: { code: -32002, data: { uri: 'ui://say' } } })
    await client.call('describe', { answers: { 'tools/list': { result: { tools } } } })
    await client.tools()
    expect(await read('ui://say')).toMatchObject({ result: {} })
    for (const uri of ['ui://hidden', 'file:///etc/passwd', 'ui://SAY', 'ui://say/..'])
      expect(await read(uri)).toMatchObject({ error: { code: -32002 } })
    expect(bench.audit.ofType('call.close').find(({ result, tool: name }) => result === 'ok' && name === 'ui://say')).toMatchObject({
      decision: { effect: 'allow', rule: { path: 'servers.hostile: page of say' } },
    })
    bench.configure(plain.replace('say, ', ''))
    expect(await read('ui://say')).toMatchObject({ error: { code: -32002 } })
  })
})

describe('what a call is part of', () => {
  it('is on record with the call, and goes on to the server as it came', async () => {
    const trace = { traceparent: '00-0af7651916cd43dd8448eb211c80319c-00f067aa0ba902b7-01', 'claudecode/toolUseId': 'toolu_1' }
    await client.request('tools/call', { name: 'say', arguments: {}, _meta: { ...trace, other: { a: 1 } } }).answer
    expect(bench.audit.ofType('call.intent')).toMatchObject([{ trace }])
    expect(bench.audit.ofType('call.close')).toMatchObject([{ trace }])
    const lines: string[] = JSON.parse(await client.call('journal'))
    expect(JSON.parse(lines[0] ?? '')).toMatchObject({ params: { _meta: { ...trace, other: { a: 1 } } } })
  })
})
