import { beforeEach, describe, expect, it } from 'vitest'
import { type Bench, type Client, eventually, openBench, plain } from './support.ts'

let bench: Bench
let client: Client

beforeEach(async () => {
  bench = await openBench(`${plain}    resources: ["file:///open/*"]\n`)
  client = await bench.client()
  await client.call('describe', { answers: { 'subscriptions/listen': null } })
})

const note = (method: string, id: unknown) =>
  `${JSON.stringify({ jsonrpc: '2.0', method, params: { _meta: { 'io.modelcontextprotocol/subscriptionId': id } } })}\n`
const changed = 'notifications/tools/list_changed'
const journal = async (): Promise<string> => client.call('journal')

describe('a subscription of 2026-07-28', () => {
  it('is open until its client cancels it: what the server says of it travels, with its id', async () => {
    const { answer } = client.request('subscriptions/listen', { notifications: { toolsListChanged: true } }, 'own')
    await client.call('raw', { write: note('notifications/subscriptions/acknowledged', 'own') + note(changed, 'own') })
    await client.until(() => client.messages.length === 2)
    expect(client.messages.map(({ method }) => method)).toEqual(['notifications/subscriptions/acknowledged', changed])
    client.notify('notifications/cancelled', { requestId: 'own' })
    await expect(answer).rejects.toThrow('forgotten')
    await client.call('raw', { write: note(changed, 'own') })
    expect(client.messages).toHaveLength(2)
    expect(await journal()).toContain('notifications/cancelled')
  })

  it.each(['other', 1, null, { a: 1 }])('is the only one that there is news of: none of %j', async (id) => {
    client.request('subscriptions/listen', {}, 'own')
    await client.call('raw', { write: note(changed, id) })
    expect(client.messages).toEqual([])
    expect(bench.audit.ofType('message.refused')).toMatchObject([{ detail: { from: 'server', code: 'message.foreign' } }])
  })

  it('ends when the server says so, and its id is free again', async () => {
    const { answer } = client.request('subscriptions/listen', {}, 'own')
    await client.call('raw', { write: '{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":"own"}}\n' })
    await expect(answer).rejects.toThrow('forgotten')
    expect(client.messages).toMatchObject([{ method: 'notifications/cancelled', params: { requestId: 'own' } }])
    await client.call('describe', { answers: { 'subscriptions/listen': { result: { resultType: 'complete' } } } })
    expect(await client.request('subscriptions/listen', {}, 'own').answer).toMatchObject({ result: { resultType: 'complete' } })
  })

  it('does not end a call that a server says it cancels', async () => {
    const { answer } = client.request('tools/call', { name: 'raw', arguments: { answer: false } }, 'call')
    await client.call('raw', { write: '{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":"call"}}\n' })
    expect(bench.gateway.lanes('hostile')).toMatchObject([{ inFlight: 1 }])
    client.notify('notifications/cancelled', { requestId: 'call' })
    await expect(answer).rejects.toThrow('forgotten')
  })

  it('names what policy admits: a hidden resource is taken out, all others go on as they came', async () => {
    const open = { notifications: { resourceSubscriptions: ['file:///open/a'], promptsListChanged: true } }
    client.request('subscriptions/listen', open, 'a')
    client.request('subscriptions/listen', { notifications: { resourceSubscriptions: ['file:///open/a', 'file:///etc/passwd'] } }, 'b')
    client.request('subscriptions/listen', { notifications: { resourceSubscriptions: { 0: 'file:///etc/passwd' } } }, 'c')
    await eventually(() => bench.gateway.lanes('hostile')[0]?.inFlight === 3)
    const lines: string[] = JSON.parse(await journal())
    const params = lines
      .map((line) => JSON.parse(line))
      .filter(({ method }) => method === 'subscriptions/listen')
      .map((line) => line.params)
    expect(params).toEqual([
      open,
      { notifications: { resourceSubscriptions: ['file:///open/a'] } },
      { notifications: { resourceSubscriptions: [] } },
    ])
  })
})
