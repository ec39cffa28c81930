import { beforeEach, describe, expect, it } from 'vitest'
import { type Bench, type Client, eventually, guarded, openBench } from './support.ts'

let bench: Bench
let client: Client

beforeEach(async () => {
  bench = await openBench(guarded({ lifetime: 'call', more: '    queueTimeout: 3s\n' }))
  client = await bench.connect()
})

const closed = () => bench.audit.ofType('call.close')

describe('calls with `lifetime: call` that come at once', () => {
  it('and are equal all succeed, one after the other, each with a token of its own', async () => {
    const answers = await Promise.all(Array.from({ length: 8 }, () => client.call('fetch', { repo: 'web', item: '1' })))
    for (const answer of answers) expect(answer).toContain('"status":200')
    expect(new Set(bench.upstream.journal.map((request) => request.headers.authorization)).size).toBe(8)
    expect(closed().map((event) => event.requests.length)).toEqual(Array.from({ length: 8 }, () => 1))
    expect(bench.gateway.lanes('hostile')).toHaveLength(1)
  })

  it('and ask for different things run side by side', async () => {
    await client.tools()
    const held = client.call('fetch', { repo: 'web', item: '1', afterList: true })
    expect(await client.call('fetch', { repo: 'web', item: '2' })).toContain('"status":200')
    await client.tools()
    expect(await held).toContain('"status":200')
  })

  it('and wait longer than `queueTimeout` are told which call they wait for', async () => {
    const held = client.request('tools/call', { name: 'fetch', arguments: { repo: 'web', item: '1', afterList: true } })
    await eventually(() => bench.gateway.lanes('hostile')[0]?.inFlight === 1)
    const second = client.call('fetch', { repo: 'web', item: '1' })
    await eventually(() => bench.provider.mints.length === 2)
    for (let step = 0; step < 3; step += 1) await bench.clock.advance(1000)
    const [first] = bench.audit.ofType('call.intent')
    expect(await second).toContain(`${first?.call} still runs in server hostile`)
    client.notify('notifications/cancelled', { requestId: held.id })
    await expect(held.answer).rejects.toThrow('forgotten')
    expect(await client.call('fetch', { repo: 'web', item: '1' })).toContain('"status":200')
  })

  it('and are cancelled while they wait never reach the server', async () => {
    await client.tools()
    const held = client.call('fetch', { repo: 'web', item: '1', afterList: true })
    await eventually(() => bench.gateway.lanes('hostile')[0]?.inFlight === 1)
    const second = client.request('tools/call', { name: 'fetch', arguments: { repo: 'web', item: '1', text: 'never sent' } })
    await eventually(() => bench.provider.tokens.length === 2)
    client.notify('notifications/cancelled', { requestId: second.id })
    await expect(second.answer).rejects.toThrow('forgotten')
    await client.tools()
    expect(await held).toContain('"status":200')
    expect(await client.call('journal', { repo: 'web' })).not.toContain('never sent')
    expect(closed().map((event) => event.result)).toEqual(['aborted', 'ok', 'ok'])
  })
})
