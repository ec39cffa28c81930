import { beforeEach, describe, expect, it } from 'vitest'
import { JitError } from '../../../src/core/errors.ts'
import { type Bench, type Client, eventually, guarded, openBench, plain } from './support.ts'

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

describe('a subscription whose server’s config changes', () => {
  const acknowledged = 'notifications/subscriptions/acknowledged'
  const about = (id: unknown) => ({ _meta: { 'io.modelcontextprotocol/subscriptionId': id } })
  const acknowledge = (id: string, notifications: object) =>
    `${JSON.stringify({ jsonrpc: '2.0', method: acknowledged, params: { ...about(id), notifications } })}\n`
  const listens = async (): Promise<unknown[]> =>
    JSON.parse(await journal())
      .map((line: string) => JSON.parse(line))
      .filter(({ method }: { method: string }) => method === 'subscriptions/listen')
      .map(({ params }: { params: { notifications: unknown } }) => params.notifications)
  const restart = () => bench.gateway.restart('hostile', new JitError('policy.changed', 'its config changed'))

  it('is told of it under its id, once it was acknowledged, and goes on with the new process', async () => {
    bench.behaviour = { holdListens: true }
    const wanted = { toolsListChanged: true, promptsListChanged: true, resourceSubscriptions: ['file:///open/a'] }
    const { answer } = client.request('subscriptions/listen', { notifications: wanted }, 'own')
    const silent = client.request('subscriptions/listen', { notifications: { toolsListChanged: true } }, 'silent')
    await client.call('raw', { write: acknowledge('own', { resourceSubscriptions: ['file:///open/a'] }) })
    await client.until(() => client.messages.length === 1)
    // What jit itself can promise: the config allows tools, and no prompts.
    expect(client.messages[0]?.params?.['notifications']).toEqual({ toolsListChanged: true, resourceSubscriptions: ['file:///open/a'] })
    bench.configure(plain)
    await restart()
    await client.until(() => client.messages.length === 2)
    expect(client.messages[1]).toEqual({ jsonrpc: '2.0', method: changed, params: about('own') })
    // What policy hides by now is not asked for any more.
    expect(await listens()).toEqual([{ ...wanted, resourceSubscriptions: [] }, { toolsListChanged: true }])
    await client.call('raw', { write: acknowledge('own', {}) + note(changed, 'own') + acknowledge('silent', {}) })
    await client.until(() => client.messages.length === 4)
    expect(client.messages.slice(2)).toMatchObject([
      { method: changed, params: about('own') },
      { method: acknowledged, params: { ...about('silent'), notifications: { toolsListChanged: true } } },
    ])
    for (const [id, open] of [
      ['own', answer],
      ['silent', silent.answer],
    ] as const) {
      client.notify('notifications/cancelled', { requestId: id })
      await expect(open).rejects.toThrow('forgotten')
    }
    await restart()
    expect(await client.call('say', { text: 'still there' })).toBe('still there')
    expect(await listens()).toEqual([])
    expect(client.messages).toHaveLength(4)
  })

  it('ends with the reason when the new process does not start, or the server is gone', async () => {
    const first = client.request('subscriptions/listen', { notifications: { toolsListChanged: true } })
    await eventually(() => bench.gateway.lanes('hostile')[0]?.inFlight === 1)
    bench.launching = () => Promise.reject(new JitError('server.start', 'it is not there any more'))
    await restart()
    expect((await first.answer).error?.message).toMatch(/not there any more/)
    const second = client.request('subscriptions/listen', { notifications: { toolsListChanged: true } })
    expect((await second.answer).error?.message).toMatch(/not there any more/)
  })

  it('does not end when jit ends its lane for want of room', async () => {
    bench = await openBench(guarded({ more: '    lanes: 1\n' }))
    bench.behaviour = { holdListens: true }
    client = await bench.client()
    const { answer } = client.request('subscriptions/listen', { notifications: { toolsListChanged: true } }, 'own')
    await client.call('raw', { repo: 'web', write: acknowledge('own', { toolsListChanged: true }) })
    await client.until(() => client.messages.length === 1)
    await client.call('raw', { repo: 'api', write: '' })
    await eventually(() => bench.gateway.lanes('hostile')[0]?.inFlight === 1)
    await client.call('raw', { repo: 'api', write: acknowledge('own', { toolsListChanged: true }) + note(changed, 'own') })
    await client.until(() => client.messages.length === 2)
    expect(client.messages.map(({ method }) => method)).toEqual([acknowledged, changed])
    client.notify('notifications/cancelled', { requestId: 'own' })
    await expect(answer).rejects.toThrow('forgotten')
  })
})
