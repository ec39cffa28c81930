import { describe, expect, it } from 'vitest'
import { openRaw } from './raw-remote.ts'
import { openBench } from './support.ts'

/** Read without recursion, and too deep to be written again. */
const deep = `${'['.repeat(20_000)}${']'.repeat(20_000)}`
const remote = { 'content-type': 'application/json' }

describe('a server that nests so deeply that nobody can write it again', () => {
  it('in a batch of its own fails its call, and nothing else', async () => {
    const bench = await openBench()
    const client = await (await bench.client()).initialize('2025-03-26')
    const write = `[{"jsonrpc":"2.0","method":"notifications/message","params":{"data":${deep}}},{"jsonrpc":"2.0","id":ID,"result":{"content":[]}}]\n`
    expect(await client.call('raw', { write, answer: false })).toContain('more than 512 levels')
    expect(await client.call('say', { text: 'still here' })).toBe('still here')
  })

  it('in news of a task: they are lost', async () => {
    const bench = await openBench()
    const client = await (await bench.client()).initialize('2025-11-25')
    const task = '{"jsonrpc":"2.0","id":ID,"result":{"resultType":"task","taskId":"t1","status":"working"}}\n'
    await client.request('tools/call', { name: 'raw', arguments: { write: task, answer: false } }).answer
    const write = `{"jsonrpc":"2.0","method":"notifications/tasks","params":{"taskId":"t1","status":"working","inputRequests":{},"x":${deep}}}\n`
    await client.call('raw', { write })
    expect(await client.call('say', { text: 'still here' })).toBe('still here')
    expect(client.messages).toEqual([])
  })

  it.each([
    ['in a batch', 200, (id: string) => `[{"jsonrpc":"2.0","id":${id},"result":{"x":${deep}}}]`],
    ['in an error without an id', 500, () => `{"jsonrpc":"2.0","error":{"code":-32000,"message":"x","data":${deep}}}`],
  ])('from afar, %s: its call fails', async (_, status, body) => {
    const { client, on } = await openRaw()
    on('tools/call', (response, { id }) => void response.writeHead(status, remote).end(body(String(id))))
    expect(await client.call('say', { repo: 'web' })).toMatch(/^error: /)
    on('tools/call', (response, { id }) => void response.writeHead(200, remote).end(`{"jsonrpc":"2.0","id":${id},"result":{"content":[]}}`))
    expect(await client.call('say', { repo: 'web' })).toBe('')
  })
})
