import { describe, expect, it } from 'vitest'
import { type Client, openBench, openConnected, standstill } from './support.ts'

const large = (before: string, after: string) => `${before}${'y'.repeat(150_000)}${after}\n`

describe('a message over the cap', () => {
  it.each([
    ['its id at the beginning', large('{"jsonrpc":"2.0","id":ID,"result":{"a":"', '"}}')],
    ['its id at the end', large('{"result":{"a":"', '"},"jsonrpc":"2.0","id":ID}')],
    ['its id at the end, spaced', large('{ "result": {"a":"', '"}, "jsonrpc": "2.0", "id": ID }')],
    ['its id nowhere to be seen', large('{"result":{"a":"', `"},"jsonrpc":"2.0","id":ID,"more":"${'z'.repeat(600)}"}`)],
  ])('of a server, with %s: its call gets an error, and the next one works', async (_, write) => {
    const { client } = await openConnected()
    expect(await client.call('raw', { write, answer: false })).toMatch(/1[56]\d{4} bytes; the cap is 100000.*limits\.resultBytes/)
    expect(await client.call('say', { text: 'here' })).toBe('here')
  })

  it('of a server that asks something: the server gets the error', async () => {
    const { client } = await openConnected()
    const write = '{"jsonrpc":"2.0","id":"q","method":"roots/list","params":{"a":"PAD"}}\n'
    expect(await client.call('raw', { write, pad: 150_000 })).toBe('done')
    expect(client.messages).toEqual([])
    expect(await client.call('journal')).toMatch(/\\"q\\"[^}]*1801/)
  })

  it('of a server that says something: nobody’s call is touched', async () => {
    const { client } = await openConnected()
    const other = client.request('tools/call', { name: 'raw', arguments: { answer: false } })
    await client.call('raw', { write: large('{"jsonrpc":"2.0","method":"notifications/message","params":{"a":"', '"}}') })
    expect(await client.call('say', { text: 'here' })).toBe('here')
    client.notify('notifications/cancelled', { requestId: other.id })
    await expect(other.answer).rejects.toThrow('forgotten')
  })

  it('of a client gets an error under its id, and the connection stays', async () => {
    const { client } = await openConnected()
    const text = 'x'.repeat(5 * 1024 * 1024)
    expect(await client.call('say', { text })).toMatch(/has 52\d{5} bytes; the cap is 4194304/)
    expect(await client.call('say', { text: 'here' })).toBe('here')
  })
})

describe('64 MiB', () => {
  it('pass as a result in memory for a few copies', async () => {
    const bench = await openBench(undefined, 64 * 1024 * 1024)
    const client = await bench.connect()
    const size = 64 * 1024 * 1024 - 200
    await client.call('say', { size: 1_000_000 })
    const received = count(client)
    const before = process.memoryUsage.rss()
    let peak = before
    const sampler = setInterval(() => (peak = Math.max(peak, process.memoryUsage.rss())), 2)
    for (let turn = 1; turn <= 3; turn += 1) {
      client.send(JSON.stringify({ jsonrpc: '2.0', id: `big${turn}`, method: 'tools/call', params: { name: 'say', arguments: { size } } }))
      await received(turn * size)
    }
    clearInterval(sampler)
    expect(peak - before).toBeLessThan(7 * size)
  })

  it('wait at the server while the client takes none of them', async () => {
    const bench = await openBench(undefined, 64 * 1024 * 1024)
    const client = await bench.connect()
    client.socket.pause()
    const write = `{"jsonrpc":"2.0","method":"notifications/message","params":{"level":"info","data":"${'x'.repeat(1_000_000)}"}}\n`
    client.send(
      JSON.stringify({ jsonrpc: '2.0', id: 'flood', method: 'tools/call', params: { name: 'raw', arguments: { write, times: 300 } } }),
    )
    const before = process.memoryUsage.rss()
    await standstill(() => Math.round(process.memoryUsage.rss() / 4e6))
    expect(process.memoryUsage.rss() - before).toBeLessThan(100_000_000)
    client.socket.resume()
    await client.until(() => client.messages.length === 300)
  })
})

/** Counts what arrives and keeps none of it; resolves once there was so much. */
function count(client: Client): (wanted: number) => Promise<void> {
  let bytes = 0
  let look = (): void => undefined
  client.socket.removeAllListeners('data')
  client.socket.on('data', (chunk: Buffer) => {
    bytes += chunk.length
    look()
  })
  return (wanted) =>
    new Promise((resolve) => {
      look = () => {
        if (bytes >= wanted) resolve()
      }
      look()
    })
}
