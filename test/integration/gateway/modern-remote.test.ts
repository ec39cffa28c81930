import type { RequestListener } from 'node:http'
import { toNodeHandler } from '@modelcontextprotocol/node'
import { createMcpHandler, McpServer } from '@modelcontextprotocol/server'
import { describe, expect, it, onTestFinished } from 'vitest'
import { z } from 'zod'
import type { JsonObject } from '../../../src/core/json.ts'
import { JitError } from '../../../src/core/errors.ts'
import { Secret } from '../../../src/core/secret.ts'
import type { Id } from '../../../src/gateway/protocol/jsonrpc.ts'
import { Standing } from '../../../src/gateway/inject/standing.ts'
import { Remote } from '../../../src/gateway/upstream/http/remote.ts'
import { ToolHeaders } from '../../../src/gateway/protocol/tool-headers.ts'
import { remoteConfig } from './remote.ts'
import { type Bench, type Client, eventually, openBench } from './support.ts'

const revision = '2026-07-28'
const _meta = {
  'io.modelcontextprotocol/protocolVersion': revision,
  'io.modelcontextprotocol/clientCapabilities': {},
  'io.modelcontextprotocol/clientInfo': { name: 'test', version: '1' },
}

interface ModernFixture {
  readonly listener: RequestListener
  readonly handler: ReturnType<typeof createMcpHandler>
  /** Calls that ended since their client was gone. */
  aborted: number
}

/** SDK v2, one instance for each request. */
function modernFixture(options: Parameters<typeof createMcpHandler>[1] = {}): ModernFixture {
  const handler = createMcpHandler(() => {
    const server = new McpServer({ name: 'modern', version: '2' })
    const text = (value: string) => ({ content: [{ type: 'text' as const, text: value }] })
    const repo = z.string().optional().meta({ 'x-mcp-header': 'Repo' })
    server.registerTool('say', { inputSchema: z.object({ repo, text: z.string().optional() }) }, (args) => text(args.text ?? ''))
    server.registerTool('slow', { inputSchema: z.object({ repo }) }, async (_, { mcpReq }) => {
      await new Promise<void>((resolve) => mcpReq.signal.addEventListener('abort', () => resolve()))
      fixture.aborted += 1
      return text('late')
    })
    return server
  }, options)
  const handle = toNodeHandler(handler)
  const fixture: ModernFixture = {
    handler,
    aborted: 0,
    listener: (request, response) => {
      let body = ''
      request.on('data', (chunk: Buffer) => (body += chunk.toString()))
      request.once('end', () => {
        // Its types want what Node's leave open.
        const { method = '', url = '' } = request
        void handle(Object.assign(request, { method, url }), response, body === '' ? undefined : JSON.parse(body))
      })
    },
  }
  onTestFinished(() => handler.close())
  return fixture
}

let bench: Bench
let client: Client
let server: ModernFixture

async function opened(config = remoteConfig(), options?: Parameters<typeof createMcpHandler>[1]): Promise<void> {
  bench = await openBench(config)
  server = modernFixture(options)
  bench.upstream.answer = server.listener
  client = await bench.client('remote')
}

const ask = (method: string, params: JsonObject = {}) => client.request(method, { ...params, _meta })
const sent = (method: string) => bench.upstream.journal.filter(({ body }) => body.includes(`"method":"${method}"`))
const bearer = (index: number): string => `Bearer ${bench.provider.tokens[index]?.value}`

describe('a remote server of 2026-07-28', () => {
  it('gets a request that lacks `_meta` under the revision of those before it, and refuses it itself', async () => {
    await opened(remoteConfig({ guarded: false }))
    await ask('tools/list').answer
    expect(await client.request('tools/list', {}).answer).toMatchObject({ error: { code: -32602 } })
    const incomplete = { _meta: { 'io.modelcontextprotocol/clientCapabilities': {} } }
    expect(await client.request('prompts/list', incomplete).answer).toMatchObject({ error: { code: -32602 } })
    expect(sent('tools/list').at(-1)?.headers).toMatchObject({ 'mcp-protocol-version': revision, 'mcp-method': 'tools/list' })
  })

  it('gets each call with its own token and the headers that repeat it, without a session', async () => {
    await opened(remoteConfig({ startup: true }))
    expect((await ask('tools/list').answer).result).toMatchObject({ resultType: 'complete' })
    const { result } = await ask('tools/call', { name: 'say', arguments: { repo: 'wéb', text: 'hello' } }).answer
    expect(result).toMatchObject({ content: [{ text: 'hello' }] })
    const [list, call] = [sent('tools/list')[0]?.headers, sent('tools/call')[0]?.headers]
    expect(list).toMatchObject({ 'mcp-protocol-version': revision, 'mcp-method': 'tools/list', authorization: bearer(0) })
    expect(call).toMatchObject({
      'mcp-protocol-version': revision,
      'mcp-method': 'tools/call',
      'mcp-name': 'say',
      'mcp-param-repo': `=?base64?${Buffer.from('wéb').toString('base64')}?=`,
      authorization: bearer(1),
    })
    client.leave()
    await eventually(() => bench.audit.ofType('call.close').some(({ tool }) => tool === '$startup'))
    expect(bench.upstream.journal.every(({ method, headers }) => method === 'POST' && headers['mcp-session-id'] === undefined)).toBe(true)
  })

  it('gets these headers too from a client that knows the tool from elsewhere, from a list of this config', async () => {
    await opened()
    await ask('tools/list').answer
    client.leave()
    const say = async (): Promise<unknown> => {
      const { answer } = (await bench.client('remote')).request('tools/call', { name: 'say', arguments: { repo: 'web' }, _meta })
      const { error } = await answer
      return error?.code ?? sent('tools/call').at(-1)?.headers['mcp-param-repo']
    }
    expect(await say()).toBe('web')
    bench.configure(`${remoteConfig()}  other: { run: [x] }\n`)
    expect(await say()).toBe('web')
    expect(sent('tools/list')).toHaveLength(1)
    bench.configure(remoteConfig({ startup: true }))
    expect(await say()).toBe('web')
    expect(sent('tools/list')).toHaveLength(2)
  })

  it('is listened to again when its config changed, on the subscription that its client has', async () => {
    await opened(remoteConfig(), { keepAliveMs: 0 })
    const about = { _meta: { 'io.modelcontextprotocol/subscriptionId': 'own' } }
    const changed = { method: 'notifications/tools/list_changed', params: about }
    client.request('subscriptions/listen', { notifications: { toolsListChanged: true }, _meta }, 'own')
    await client.until(() => client.messages.length === 1)
    expect(client.messages).toMatchObject([{ method: 'notifications/subscriptions/acknowledged', params: about }])
    await bench.gateway.restart('remote', new JitError('policy.changed', 'its config changed'))
    await client.until(() => client.messages.length === 2)
    await eventually(() => sent('subscriptions/listen').length === 2)
    // It has answered, and its acknowledgement went no further.
    await client.request('tools/list', { _meta }).answer
    server.handler.notify.toolsChanged()
    await client.until(() => client.messages.length === 3)
    expect(client.messages.slice(1)).toMatchObject([changed, changed])
  })

  it('hears of a cancelled call by the end of its stream, and by nothing else', async () => {
    await opened(remoteConfig(), { responseMode: 'sse' })
    await ask('tools/list').answer
    const { id, answer } = ask('tools/call', { name: 'slow', arguments: { repo: 'web' } })
    await eventually(() => sent('tools/call').length > 0)
    await new Promise((resolve) => setTimeout(resolve, 50))
    client.notify('notifications/cancelled', { requestId: id })
    await expect(answer).rejects.toThrow('forgotten')
    await eventually(() => server.aborted === 1)
    expect(sent('notifications/cancelled')).toEqual([])
  })

  it('loses the calls of a lease that is revoked', async () => {
    await opened(remoteConfig(), { responseMode: 'sse' })
    await ask('tools/list').answer
    const { answer } = ask('tools/call', { name: 'slow', arguments: { repo: 'web' } })
    await eventually(() => sent('tools/call').length > 0)
    await bench.broker.revoke({ all: true }, 'revoked', 1000)
    expect((await answer).error?.message).toMatch(/revoked/)
    await eventually(() => server.aborted === 1)
  })

  it('refuses what it does not like in its own words, under the id of the request', async () => {
    await opened(remoteConfig(), { legacy: 'reject' })
    // Of a revision that nobody knows, and of one before: what a client learns which one to speak from.
    const other = { ..._meta, 'io.modelcontextprotocol/protocolVersion': '2099-01-01' }
    expect((await client.request('tools/list', { _meta: other }).answer).error).toMatchObject({
      code: -32022,
      data: { supported: [revision] },
    })
    const { error } = await client.request('initialize', {
      protocolVersion: '2025-11-25',
      capabilities: {},
      clientInfo: { name: 'x', version: '1' },
    }).answer
    expect(error).toMatchObject({ code: -32022 })
    expect((await ask('resources/list').answer).error).toMatchObject({ code: -32601 })
    expect(
      (await client.request('tools/list', { _meta: { 'io.modelcontextprotocol/protocolVersion': revision } }).answer).error,
    ).toMatchObject({ code: -32602 })
  })
})

describe('a remote server of 2026-07-28 that has listed its tools to nobody', () => {
  const say = (from: Client, repo = 'web') => from.request('tools/call', { name: 'say', arguments: { repo, text: 'hello' }, _meta })
  const fine = { result: { content: [{ text: 'hello' }] } }
  const mismatch = { error: { code: -32020 } }
  /** Answers lists itself; everything else is the fixture's. */
  const onLists = (answer: RequestListener): void => {
    const { listener } = server
    bench.upstream.answer = (request, response) => (request.headers['mcp-method'] === 'tools/list' ? answer : listener)(request, response)
  }
  const pages =
    (page: (cursor: unknown) => object): RequestListener =>
    (request, response) => {
      let body = ''
      request.on('data', (chunk: Buffer) => (body += chunk.toString()))
      request.once('end', () => {
        const { id, params } = JSON.parse(body)
        response.writeHead(200, { 'content-type': 'application/json' })
        response.end(JSON.stringify({ jsonrpc: '2.0', id, result: page(params.cursor) }))
      })
    }
  const annotated = (header: string) => ({
    name: 'say',
    inputSchema: { type: 'object', properties: { repo: { type: 'string', 'x-mcp-header': header } } },
  })

  it('is asked for them once before the first calls, with the credential for that, and answers each of these', async () => {
    await opened(remoteConfig({ startup: true }))
    const others = [await bench.client('remote'), await bench.client('remote')]
    const answers = await Promise.all([client, client, ...others].map((one, index) => say(one, `repo-${index}`).answer))
    expect(answers).toMatchObject([fine, fine, fine, fine])
    expect(sent('tools/list')).toHaveLength(1)
    expect(JSON.parse(sent('tools/list')[0]?.body ?? '').params).toEqual({ _meta })
    const startup = bench.audit.ofType('call.intent').find(({ tool }) => tool === '$startup')
    expect(startup).toBeDefined()
    expect(sent('tools/list')[0]?.headers).toMatchObject({ authorization: bearer(0) })
    expect(
      sent('tools/call')
        .map(({ headers }) => headers['mcp-param-repo'])
        .sort(),
    ).toEqual([0, 1, 2, 3].map((index) => `repo-${index}`))
  })

  it('is not asked for a call that policy denies, for one of an earlier revision, or where it lists the tool to a client first', async () => {
    await opened()
    expect((await client.request('tools/call', { name: 'hidden', arguments: {}, _meta }).answer).error?.message).toMatch(/Unknown tool/)
    await client.call('say', { repo: 'web' })
    expect(sent('tools/list')).toEqual([])
    await ask('tools/list').answer
    expect(await say(client).answer).toMatchObject(fine)
    expect(sent('tools/list')).toHaveLength(1)
  })

  it('keeps no call waiting for longer than five seconds, and is not asked again with the next one', async () => {
    await opened()
    onLists(() => undefined)
    const { answer } = say(client)
    await eventually(() => sent('tools/list').length === 1)
    expect(sent('tools/call')).toEqual([])
    await bench.clock.advance(5000)
    // As the server sees it: it lists its tools to nobody.
    expect(await answer).toMatchObject(mismatch)
    expect(await say(client).answer).toMatchObject(mismatch)
    expect(sent('tools/list')).toHaveLength(1)
    expect(bench.gateway.lastError('remote')).toBe('')
    onLists(server.listener)
    await bench.clock.advance(10_000)
    expect(await say(client).answer).toMatchObject(fine)
  })

  it.each<[what: string, answer: RequestListener]>([
    ['refuses', (_, response) => void response.writeHead(403).end()],
    ['breaks off', (_, response) => void response.destroy()],
    ['lists what is no list', pages(() => ({ tools: { say: annotated('Repo') }, nextCursor: 7 }))],
  ])('has the call all the same when it %s', async (_, answer) => {
    await opened()
    onLists(answer)
    expect(await say(client).answer).toMatchObject(mismatch)
    expect(bench.gateway.lastError('remote')).toBe('')
  })

  it('is asked for twenty pages and no more', async () => {
    await opened()
    const tools = (cursor: unknown): object[] => (cursor === '18' ? [annotated('Repo')] : [])
    onLists(pages((cursor) => ({ tools: tools(cursor), nextCursor: String(Number(cursor ?? 0) + 1) })))
    expect(await say(client).answer).toMatchObject(fine)
    expect(sent('tools/list')).toHaveLength(20)
  })

  it('is asked by the next one who waits when the first client leaves, and hears of no call that was cancelled meanwhile', async () => {
    await opened()
    onLists(() => undefined)
    const cancelled = say(client)
    await eventually(() => sent('tools/list').length === 1)
    const other = await bench.client('remote')
    const { answer } = say(other)
    await other.request('ping').answer
    onLists(server.listener)
    client.notify('notifications/cancelled', { requestId: cancelled.id })
    await expect(cancelled.answer).rejects.toThrow('forgotten')
    expect(await answer).toMatchObject(fine)
    expect(sent('tools/call')).toHaveLength(1)
    expect(sent('tools/list')).toHaveLength(2)
  })

  it('is asked anew after it found other headers than it wants', async () => {
    await opened()
    onLists(pages(() => ({ tools: [annotated('Former-Name')] })))
    await ask('tools/list').answer
    onLists(server.listener)
    expect(await say(client).answer).toMatchObject(mismatch)
    expect(await say(client).answer).toMatchObject(fine)
  })
})

/** The far end of a lane alone: for what no client of this gateway may ask. */
async function alone(options?: Parameters<typeof createMcpHandler>[1]) {
  await opened(remoteConfig(), options)
  const heard: { line: string; about: string | undefined }[] = []
  const failed: { id: Id; error: JitError }[] = []
  const ended: string[] = []
  const remote = new Remote({
    server: 'remote',
    url: new URL('https://api.test/mcp'),
    transport: 'streamable-http',
    inject: { mode: 'header' },
    network: bench.deps.network,
    clock: bench.clock,
    log: bench.log,
    standing: new Standing(bench.deps, 'remote', 'lane_x'),
    tools: new ToolHeaders(),
    cap: () => 100_000,
    scrub: (text) => text,
    warn: () => undefined,
    onLine: (line, about) => {
      heard.push({ line: line.toString(), about })
      const { id, method } = z.looseObject({ id: z.json().optional(), method: z.string().optional() }).parse(JSON.parse(line.toString()))
      return method === undefined && JSON.stringify(id) === about
    },
    onTooLong: () => undefined,
    onStream: () => undefined,
    onFailed: (id, error) => void failed.push({ id, error }),
    onEnd: (how) => void ended.push(how),
  })
  onTestFinished(() => remote.close())
  const send = (id: Id, method: string, params: JsonObject = {}) =>
    remote.send(JSON.stringify({ jsonrpc: '2.0', id, method, params: { ...params, _meta } }), { id, lease: undefined })
  return { remote, heard, failed, ended, send }
}

describe('the transport', () => {
  it('passes on what a server says of itself', async () => {
    const { send, heard } = await alone()
    send('probe', 'server/discover')
    await eventually(() => heard.length === 1)
    expect(JSON.parse(heard[0]?.line ?? '')).toMatchObject({
      id: 'probe',
      result: { supportedVersions: expect.arrayContaining([revision]) },
    })
  })

  it('keeps a subscription open as long as it is wanted, and says to which request each message belongs', async () => {
    const { send, heard, failed, remote } = await alone({ keepAliveMs: 0 })
    send(7, 'subscriptions/listen', { notifications: { toolsListChanged: true } })
    await eventually(() => heard.length === 1)
    await bench.clock.advance(24 * 3_600_000)
    server.handler.notify.toolsChanged()
    await eventually(() => heard.length === 2)
    expect(heard.map(({ about }) => about)).toEqual(['7', '7'])
    expect(heard[1]?.line).toContain('notifications/tools/list_changed')
    remote.send('{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":7}}')
    server.handler.notify.toolsChanged()
    await new Promise((resolve) => setTimeout(resolve, 50))
    expect([heard.length, failed.length, sent('notifications/cancelled').length]).toEqual([2, 0, 0])
  })

  it('sends what goes on about a call with that call’s lease, and nothing of it once the lease has ended', async () => {
    const { remote, heard, failed } = await alone()
    const abort = new AbortController()
    const secrets = { token: new Secret('of-the-call') }
    const lease = {
      id: 'lease_1',
      provider: 'acme',
      scope: {},
      partition: '',
      secrets,
      fingerprint: '',
      upstreamHash: '',
      mintedAt: 0,
      expiresAt: 1,
      signal: abort.signal,
      fresh: true,
    }
    const line = (id: number) => JSON.stringify({ jsonrpc: '2.0', id, method: 'tools/list', params: { _meta } })
    remote.send(line(1), { id: 1, lease })
    await eventually(() => heard.length === 1)
    expect(sent('tools/list').map(({ headers }) => headers.authorization)).toEqual(['Bearer of-the-call'])
    abort.abort(new JitError('lease.revoked', 'gone'))
    remote.send(line(2), { id: 2, lease })
    await eventually(() => failed.length === 1)
    expect(failed[0]?.error.code).toBe('lease.revoked')
    expect(sent('tools/list')).toHaveLength(1)
  })

  it('fails a request whose stream ends without an answer: nothing of this revision is resumed', async () => {
    const { send, failed } = await alone()
    bench.upstream.answer = (_, response) =>
      void response.writeHead(200, { 'content-type': 'text/event-stream' }).end('id: 1\ndata: {}\n\n')
    send(7, 'tools/list')
    await eventually(() => failed.length === 1)
    expect(failed[0]?.error.message).toMatch(/without answering/)
    expect(bench.upstream.journal.every(({ method }) => method === 'POST')).toBe(true)
  })
})
