import { describe, expect, it } from 'vitest'
import { type Bench, type Client, eventually, openBench } from './support.ts'
import { remoteConfig, remoteFixture, type RemoteFixture } from './remote.ts'

let bench: Bench
let client: Client
let server: RemoteFixture

async function connected(config: string, options: Parameters<typeof remoteFixture>[0] = {}): Promise<void> {
  bench = await openBench(config)
  server = remoteFixture(options)
  bench.upstream.answer = server.listener
  client = await bench.connect('remote')
}

interface Seen {
  readonly method: string
  readonly authorization: string | undefined
}

/** What the server saw: each request's method (of HTTP, or of the message), and its credential. */
function seen(): Seen[] {
  return bench.upstream.journal.map(({ method, body, headers }) => {
    const message: { method?: string; params?: { name?: string } } = body === '' ? {} : JSON.parse(body)
    return { method: message.params?.name ?? message.method ?? (body === '' ? method : 'answer'), authorization: headers.authorization }
  })
}

const of = (method: string): (string | undefined)[] => seen().flatMap((one) => (one.method === method ? [one.authorization] : []))
const bearer = (index: number): string => `Bearer ${bench.provider.tokens[index]?.value}`

describe.each([
  ['over Streamable HTTP', {}],
  ['over Streamable HTTP with answers as JSON', { json: true }],
  ['over HTTP+SSE', { sse: true }],
])('a remote server %s', (_, options) => {
  const config = (more: Parameters<typeof remoteConfig>[0] = {}) =>
    remoteConfig({ ...more, more: `${more.more ?? ''}${'sse' in options ? '    transport: sse\n' : ''}` })

  it('gets a call with that call’s token, and everything around it without', async () => {
    await connected(config(), options)
    expect(await client.tools()).toEqual(['say', 'ask', 'slow'])
    expect(await client.call('say', { repo: 'web', text: 'hello' })).toBe('hello')
    expect(await client.call('say', { repo: 'web', text: 'again' })).toBe('again')
    expect(bench.provider.mints).toHaveLength(1)
    expect(of('say')).toEqual([bearer(0), bearer(0)])
    expect(seen().filter(({ method, authorization }) => method !== 'say' && authorization !== undefined)).toEqual([])
  })

  it('gets lists and the handshake with the token of `startup`, and no call with it', async () => {
    await connected(config({ startup: true }), options)
    await client.tools()
    await client.call('say', { repo: 'web', text: 'hello' })
    expect(bench.provider.mints.map(({ scope }) => scope)).toEqual([{ repository: 'lists' }, { repository: 'web' }])
    expect(of('say')).toEqual([bearer(1)])
    expect(new Set(seen().flatMap(({ method, authorization }) => (method === 'say' ? [] : [authorization])))).toEqual(new Set([bearer(0)]))
    client.leave()
    await eventually(() => bench.audit.ofType('call.close').some(({ tool }) => tool === '$startup'))
    const closed = bench.audit.ofType('call.close').find(({ tool }) => tool === '$startup')
    expect(closed?.requests.map(({ url }) => url)).toContain('https://api.test/mcp')
  })

  it('is in the trail with each request that a call made', async () => {
    await connected(config(), options)
    await client.call('say', { repo: 'web', text: 'x' })
    expect(bench.audit.ofType('call.close')).toMatchObject([
      { result: 'ok', requests: [{ method: 'POST', url: expect.stringMatching(/^https:\/\/api\.test\/m[a-z]+$/) }] },
    ])
    expect(bench.audit.ofType('server.started')).toMatchObject([{ detail: { url: 'https://api.test/mcp', mode: 'header' } }])
  })

  it('asks the client a question in the middle of a call', async () => {
    if ('json' in options) return
    await connected(config(), options)
    const asked = client.call('ask', { repo: 'web' })
    await client.until(() => client.messages.some(({ method }) => method === 'elicitation/create'))
    const { id } = client.messages.find(({ method }) => method === 'elicitation/create') ?? {}
    client.send(JSON.stringify({ jsonrpc: '2.0', id, result: { action: 'decline' } }))
    expect(await asked).toBe('decline')
  })

  it('hears that a call was cancelled', async () => {
    await connected(config(), options)
    const { id, answer } = client.request('tools/call', { name: 'slow', arguments: { repo: 'web' } })
    await eventually(() => of('slow').length > 0)
    client.notify('notifications/cancelled', { requestId: id })
    await expect(answer).rejects.toThrow('forgotten')
    await eventually(() => server.cancelled.length > 0)
    expect(server.cancelled).toEqual([String(id)])
  })

  it('loses the calls of a lease that is revoked, at once', async () => {
    await connected(config(), options)
    const held = client.call('slow', { repo: 'web' })
    await eventually(() => of('slow').length > 0)
    await bench.broker.revoke({ all: true }, 'revoked', 1000)
    expect(await held).toMatch(/revoked/)
  })

  it('has a session for each partition, and one for all with `isolation: none`', async () => {
    await connected(config(), options)
    for (const repo of ['web', 'api', 'web']) await client.call('say', { repo, text: 'x' })
    expect(bench.gateway.lanes('remote').map(({ partition, pid }) => [partition, pid])).toEqual([
      ['web', 0],
      ['api', 0],
    ])
    expect(server.sessions.size).toBe(2)
    await connected(config({ more: '    isolation: none\n' }), options)
    for (const repo of ['web', 'api', 'web']) await client.call('say', { repo, text: 'x' })
    expect(server.sessions.size).toBe(1)
  })
})

describe('a session with a remote server', () => {
  it.each([404, 400])('that the server forgot (%i) is begun anew, with the client’s own handshake', async (status) => {
    await connected(remoteConfig())
    await client.call('say', { repo: 'web', text: 'x' })
    server.forget(status)
    expect(await client.call('say', { repo: 'web', text: 'once more' })).toBe('once more')
    expect(await client.tools()).toEqual(['say', 'ask', 'slow'])
    expect(of('initialize')).toHaveLength(2)
    expect(server.sessions.size).toBe(1)
  })

  it('ends with a farewell', async () => {
    await connected(remoteConfig({ startup: true }))
    await client.call('say', { repo: 'web', text: 'x' })
    client.leave()
    await eventually(() => of('DELETE').length > 0)
    expect(of('DELETE')).toEqual([bearer(0)])
    await eventually(() => server.sessions.size === 0)
  })

  it('says on every request which revision was agreed on, and which session it is', async () => {
    await connected(remoteConfig())
    await client.call('say', { repo: 'web', text: 'x' })
    const [first, ...others] = bench.upstream.journal
    expect(first?.headers).toMatchObject({ host: 'api.test', 'accept-encoding': 'identity' })
    expect(first?.headers['mcp-session-id']).toBeUndefined()
    for (const { headers } of others)
      expect(headers).toMatchObject({ 'mcp-protocol-version': '2025-06-18', 'mcp-session-id': [...server.sessions][0] })
  })

  it('has a stream for what belongs to no request, which is asked for again when it breaks off', async () => {
    await connected(remoteConfig({ startup: true }))
    await eventually(() => of('GET').length > 0)
    await server.announce()
    await client.until(() => client.messages.length > 0)
    bench.upstream.server.closeAllConnections()
    await eventually(() => bench.clock.pending > 0)
    for (let turn = 0; turn < 100 && of('GET').length < 2; turn += 1) await bench.clock.advance(100)
    await eventually(() => of('GET').length === 2)
    expect(of('GET')).toEqual([bearer(0), bearer(0)])
  })

  it('whose stream lost its credential opens another one when that expired, and when it was revoked not before somebody needs it', async () => {
    await connected(remoteConfig({ startup: true }))
    await eventually(() => of('GET').length === 1)
    await bench.clock.advance(300_000)
    for (let turn = 0; turn < 100 && of('GET').length < 2; turn += 1) await bench.clock.advance(100)
    await eventually(() => of('GET').length === 2)
    expect(of('GET')).toEqual([bearer(0), bearer(1)])
    await bench.broker.revoke({ all: true }, 'revoked', 1000)
    await bench.clock.advance(120_000)
    expect(bench.provider.mints).toHaveLength(2)
    await client.tools()
    await eventually(() => of('GET').length === 3)
    expect(of('GET')[2]).toBe(bearer(2))
  })

  it('takes up an answer that broke off where it was, with the credential of its call', async () => {
    await connected(remoteConfig({ startup: true }), { resumable: true })
    const held = client.call('slow', { repo: 'web' })
    await eventually(() => of('slow').length > 0)
    await new Promise((resolve) => setTimeout(resolve, 50))
    server.breakOff()
    const resumed = () => bench.upstream.journal.filter(({ method, headers }) => method === 'GET' && headers['last-event-id'] !== undefined)
    for (let turn = 0; turn < 200 && resumed().length === 0; turn += 1) {
      await new Promise((resolve) => setTimeout(resolve, 5))
      await bench.clock.advance(100)
    }
    await eventually(() => resumed().length > 0)
    server.release()
    expect(await held).toBe('released')
    expect(resumed().map(({ headers }) => headers.authorization)).toContain(of('slow')[0])
  })

  it('fails a call whose answer broke off for good', async () => {
    await connected(remoteConfig())
    const held = client.call('slow', { repo: 'web' })
    await eventually(() => of('slow').length > 0)
    server.breakOff()
    expect(await held).toMatch(/server remote (is not reached|broke off|ended)/)
  })

  it('finds out that a server knows HTTP+SSE only', async () => {
    await connected(remoteConfig(), { sse: true })
    expect(await client.call('say', { repo: 'web', text: 'x' })).toBe('x')
    expect(
      seen()
        .slice(0, 3)
        .map(({ method }) => method),
    ).toEqual(['initialize', 'GET', 'initialize'])
  })
})

describe('a tool that needs no credential', () => {
  it('gets none, not that of `startup` either', async () => {
    await connected(remoteConfig({ startup: true }).replace('say: { scope: { repository: "${args.repo}" } }', 'say: { credential: none }'))
    expect(await client.call('say', { text: 'x' })).toBe('x')
    expect(of('say')).toEqual([undefined])
    expect(of('initialize')).toEqual([bearer(0)])
  })
})

describe('the scope of a remote server', () => {
  const shared = `  remote:
    url: https://api.test/mcp
    provider: acme
    inject: { mode: header, header: { name: X-Api-Key, value: "key \${token}" } }
    allow: [say]
    resources: ["memo://note"]
    scope: { repository: all }
`

  it('serves tools and resources that name none, in the header that is configured', async () => {
    await connected(shared)
    await client.tools()
    expect(await client.call('say', { text: 'x' })).toBe('x')
    expect((await client.request('resources/read', { uri: 'memo://note' }).answer).result).toMatchObject({ contents: [{ text: 'noted' }] })
    const keys = bench.upstream.journal.map(({ body, headers }) => [
      /"method":"([^"]*)"/.exec(body)?.[1] ?? '',
      headers['x-api-key'],
      headers.authorization,
    ])
    expect(keys.filter(([, key]) => key !== undefined)).toEqual([
      ['tools/call', `key ${bench.provider.tokens[0]?.value}`, undefined],
      ['resources/read', `key ${bench.provider.tokens[0]?.value}`, undefined],
    ])
  })
})
