import { describe, expect, it } from 'vitest'
import { remoteConfig } from './remote.ts'
import { openRaw } from './raw-remote.ts'
import { openBench } from './support.ts'

const json = { 'content-type': 'application/json' }
const meta = {
  'io.modelcontextprotocol/protocolVersion': '2026-07-28',
  'io.modelcontextprotocol/clientCapabilities': { extensions: { 'io.modelcontextprotocol/tasks': {} } },
}
const required = (request: object) => ({ resultType: 'input_required', inputRequests: { x: request } })
const opened = (url: unknown) => ({ method: 'elicitation/create', params: { mode: 'url', message: 'm', elicitationId: 'e', url } })

describe('what jit says itself about a server that echoes its credential', () => {
  it.each<[string, (echo: string) => object]>([
    ['the method that it asks for', (echo) => ({ result: required({ method: echo }) })],
    ['such a method, where it would be cut', (echo) => ({ result: required({ method: `${'x'.repeat(119 - echo.length)}${echo}` }) })],
    ['an address that nobody opens', (echo) => ({ result: required(opened(`javascript:${echo}`)) })],
    ['an address that is none', (echo) => ({ result: required(opened({ [echo]: [echo] })) })],
    ['the name of a host that a person may visit', (echo) => ({ result: required(opened(`https://${echo}.other.test/`)) })],
    ['an address in an error', (echo) => ({ error: { code: -32042, message: 'm', data: { elicitations: [{ url: `file:${echo}` }] } } })],
    ['a key in another spelling', (echo) => ({ result: { Task: echo, [echo]: 1 } })],
  ])('does not hold it: in %s', async (_, answer) => {
    const { bench, client, on, token } = await openRaw()
    on(
      'tools/call',
      (response, { id }) => void response.writeHead(200, json).end(JSON.stringify({ jsonrpc: '2.0', id, ...answer(token()) })),
    )
    const got = await client.request('tools/call', { name: 'say', arguments: { repo: 'web' }, _meta: meta }).answer
    expect(token().length).toBeGreaterThan(12)
    const all = JSON.stringify([got, bench.audit.events, bench.log.lines])
    for (const form of [token(), token().toLowerCase(), token().slice(0, -2)]) expect(all).not.toContain(form)
  })

  it('does not hold it: in the id of another task than it was asked for', async () => {
    const { bench, client, on, token } = await openRaw()
    const task = (taskId: string) => ({ resultType: 'task', taskId, status: 'working', createdAt: '', lastUpdatedAt: '', ttlMs: null })
    on(
      'tools/call',
      (response, { id }) => void response.writeHead(200, json).end(JSON.stringify({ jsonrpc: '2.0', id, result: task('one') })),
    )
    on(
      'tasks/get',
      (response, { id }) => void response.writeHead(200, json).end(JSON.stringify({ jsonrpc: '2.0', id, result: task(token()) })),
    )
    expect(await client.request('tools/call', { name: 'say', arguments: { repo: 'web' }, _meta: meta }).answer).toMatchObject({
      result: { taskId: 'one' },
    })
    const got = await client.request('tasks/get', { taskId: 'one', _meta: meta }).answer
    expect(got).toMatchObject({ error: { code: -32600 } })
    expect(JSON.stringify([got, bench.audit.events, bench.log.lines])).not.toContain(token())
  })
})

it('an address for messages that repeats the credential stays out of the trail', async () => {
  const bench = await openBench(remoteConfig({ startup: true, lifetime: 'call', more: '    transport: sse\n' }))
  let say: (message: object) => void = () => undefined
  bench.upstream.answer = (request, response) => {
    const echo = (request.headers.authorization ?? '').replace('Bearer ', '')
    if (request.method === 'GET') {
      say = (message) => void response.write(`data: ${JSON.stringify(message)}\n\n`)
      return void response
        .writeHead(200, { 'content-type': 'text/event-stream' })
        .write(`event: endpoint\ndata: /messages/${echo}/${encodeURIComponent(Buffer.from(echo).toString('base64'))}\n\n`)
    }
    let text = ''
    request.on('data', (chunk: Buffer) => (text += chunk.toString()))
    request.once('end', () => {
      response.writeHead(202).end()
      const { id, method } = JSON.parse(text)
      const hello = { protocolVersion: '2024-11-05', capabilities: {}, serverInfo: { name: 'x', version: '1' } }
      if (id !== undefined) say({ jsonrpc: '2.0', id, result: method === 'initialize' ? hello : { content: [] } })
    })
  }
  const client = await (await bench.client('remote')).initialize()
  await client.request('tools/call', { name: 'say', arguments: { repo: 'web' } }).answer
  const [first] = bench.provider.tokens
  const held = first?.value ?? '?'
  expect(bench.upstream.journal.some(({ url }) => url?.includes(held) === true)).toBe(true)
  expect(bench.audit.ofType('call.close').flatMap(({ requests }) => requests ?? [])).toMatchObject([
    { method: 'POST', url: expect.stringContaining('https://api.test/messages/'), status: 202 },
  ])
  expect(JSON.stringify(bench.audit.events)).not.toContain(held)
  expect(JSON.stringify(bench.audit.events)).not.toContain(Buffer.from(held).toString('base64').replaceAll('=', ''))
})
