import { beforeEach, describe, expect, it } from 'vitest'
import { fromClient, fromServer } from '../../../src/gateway/protocol/methods.ts'
import { type Bench, type Client, eventually, openBench, plain } from './support.ts'

let bench: Bench
let client: Client

beforeEach(async () => {
  bench = await openBench()
  client = await (await bench.client()).initialize()
})

const journal = async (): Promise<string[]> => JSON.parse(await client.call('journal'))
const refused = () => bench.audit.ofType('message.refused').map(({ detail }) => detail)

describe('a method that jit does not know', () => {
  it.each(['tools/execute', 'server/discovery', 'acme/reindex', 'Tools/Call', 'tools/call ', 'notifications/initialized', ''])(
    'as a request of the client (%s) reaches no server: it is answered so that who tries it understands, and recorded',
    async (method) => {
      const { error } = await client.request(method, { name: 'hidden-name' }).answer
      expect(error).toMatchObject({ code: -32601, message: expect.stringContaining('jit does not know the method') })
      expect((await journal()).join()).not.toContain('hidden-name')
      expect(refused()).toMatchObject([{ from: 'client', code: 'message.unknown', session: 'session_1' }])
    },
  )

  it.each(['notifications/x', 'notifications/message', 'x', ''])(
    'as a notification of the client (%s) is dropped and recorded',
    async (method) => {
      client.notify(method, { name: 'hidden-name' })
      expect((await journal()).join()).not.toContain('hidden-name')
      expect(refused()).toMatchObject([{ from: 'client', code: 'message.unknown' }])
    },
  )

  it.each(['tools/call', 'roots/write', 'server/discover'])(
    'as a request of the server (%s) does not reach the client: the server is answered, and it is recorded',
    async (method) => {
      await client.call('raw', { write: `{"jsonrpc":"2.0","id":"q","method":"${method}","params":{}}\n` })
      expect(client.messages).toEqual([])
      const answer = (await journal()).find((line) => line.includes('"q"'))
      expect(JSON.parse(answer ?? '')).toMatchObject({ id: 'q', error: { code: -32601, data: { code: 'message.unknown' } } })
      expect(refused()).toMatchObject([{ from: 'server', code: 'message.unknown', message: expect.stringContaining(`"${method}"`) }])
    },
  )

  it.each(['notifications/x', 'notifications/initialized', 'sampling/createMessage'])(
    'as a notification of the server (%s) is dropped and recorded',
    async (method) => {
      await client.call('raw', { write: `{"jsonrpc":"2.0","method":"${method}","params":{}}\n` })
      expect(client.messages).toEqual([])
      expect(refused()).toMatchObject([{ from: 'server', code: 'message.unknown' }])
    },
  )
})

describe('a method that policy has no say in', () => {
  it('travels byte for byte as a request', async () => {
    const methods = [...fromClient.requests].filter((method) =>
      /^(ping|logging\/|tools\/list|prompts\/list|resources\/(list|templates))/.test(method),
    )
    const lines = methods.map((method, id) => `{ "method":"${method}",  "id":"own-${id}", "jsonrpc":"2.0","params":{"level":"info"} }`)
    for (const line of lines) client.send(line)
    await client.until(() => client.strays.length === lines.length)
    expect(await journal()).toEqual(expect.arrayContaining(lines))
    expect(lines).toHaveLength(6)
    expect(refused()).toEqual([])
  })

  it('of 2026-07-28 reaches the server too, the probe for the revision first: jit answers none itself', async () => {
    for (const method of ['server/discover', 'subscriptions/listen']) {
      client.send(`{ "method":"${method}",  "id":"own", "jsonrpc":"2.0","params":{"_meta":{}} }`)
      await client.until(() => client.strays.length > 0)
      expect(client.strays.splice(0)).toEqual([{ jsonrpc: '2.0', id: 'own', result: {} }])
    }
    expect((await journal()).join()).toContain('server/discover')
  })

  it('travels byte for byte as a notification', async () => {
    const line = '{ "params":{}, "method":"notifications/roots/list_changed","jsonrpc":"2.0" }'
    client.send(line)
    expect(await journal()).toContain(line)
    expect(refused()).toEqual([])
  })

  it('travels from the server to the client', async () => {
    const notes = [...fromServer.notifications].filter((method) => !/progress|cancelled|tasks/.test(method))
    await client.call('raw', { write: notes.map((method) => `{"jsonrpc":"2.0","method":"${method}","params":{}}\n`).join('') })
    expect(client.messages.map(({ method }) => method)).toEqual(notes)
    const asked = ['ping', 'elicitation/create', 'roots/list', 'tasks/list']
    await client.call('raw', {
      write: asked.map((method) => `{"jsonrpc":"2.0","id":"${method}","method":"${method}","params":{}}\n`).join(''),
    })
    await eventually(() => client.messages.length === notes.length + asked.length)
    expect(refused()).toEqual([])
  })
})

describe('a method beside MCP’s own that the config names', () => {
  const vendor = `${plain}    methods: [acme/reindex, notifications/acme/done]\n`

  it('passes as a request and a notification of either end, on the record', async () => {
    bench.configure(vendor)
    expect(await client.request('acme/reindex', { deep: true }).answer).toMatchObject({ result: {} })
    client.notify('notifications/acme/done')
    expect((await journal()).join()).toMatch(/acme.reindex.*notifications.acme.done/)
    await client.call('raw', {
      write: '{"jsonrpc":"2.0","id":"q","method":"acme/reindex"}\n{"jsonrpc":"2.0","method":"notifications/acme/done"}\n',
    })
    await client.until(() => client.messages.length === 2)
    expect(bench.audit.ofType('message.passed').map(({ detail }) => [detail['from'], detail['kind'], detail['method']])).toEqual([
      ['client', 'request', 'acme/reindex'],
      ['client', 'notification', 'notifications/acme/done'],
      ['server', 'request', 'acme/reindex'],
      ['server', 'notification', 'notifications/acme/done'],
    ])
    expect(refused()).toEqual([])
  })

  it('is refused when the config names another one, or no more', async () => {
    expect(await client.request('acme/reindex').answer).toMatchObject({ error: { code: -32601 } })
    bench.configure(vendor)
    expect(await client.request('acme/reindexing').answer).toMatchObject({ error: { code: -32601 } })
  })

  it('is none of MCP’s, whatever its spelling: the config is refused', () => {
    for (const name of ['tools/call', 'Tools/Call', 'notifications/tasks/x', 'server/discover', 'notifications/message', 'call', '*'])
      expect(() => bench.configure(`${plain}    methods: ["${name}"]\n`)).toThrow(/methods/)
  })
})
