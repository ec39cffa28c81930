import type { IncomingMessage, ServerResponse } from 'node:http'
import { describe, expect, it } from 'vitest'
import { JitError } from '../../../src/core/errors.ts'
import { remoteConfig } from './remote.ts'
import { type Bench, type Client, eventually, openBench, patiently } from './support.ts'

const json = { 'content-type': 'application/json' }
const challenge = 'Bearer error="invalid_token", resource_metadata="https://evil.test/"'

interface Message {
  readonly id?: number
  readonly method?: string
}
/** False: it is turned away with 401. */
type Takes = (token: string, message: Message, response: ServerResponse, request: IncomingMessage) => boolean | 'answered'

interface World {
  readonly bench: Bench
  readonly client: Client
  /** Tokens of the tool calls that arrived, in their order. */
  readonly calls: string[]
  say(): Promise<string>
}

/** A remote server that takes tokens as a test says. */
async function open(takes: Takes, config = remoteConfig()): Promise<World> {
  const bench = await openBench(config)
  const calls: string[] = []
  bench.upstream.answer = (request, response) => {
    let text = ''
    request.on('data', (chunk: Buffer) => (text += chunk.toString()))
    request.once('end', () => {
      const message: Message = text === '' ? {} : JSON.parse(text)
      const token = (request.headers.authorization ?? '').replace('Bearer ', '')
      if (message.method === 'tools/call') calls.push(token)
      const taken = takes(token, message, response, request)
      if (taken === 'answered') return
      if (!taken) return void response.writeHead(401, { 'www-authenticate': challenge }).end()
      if (message.id === undefined) return void response.writeHead(request.method === 'GET' ? 405 : 202).end()
      const result =
        message.method === 'initialize'
          ? { protocolVersion: '2025-06-18', capabilities: {}, serverInfo: { name: 'x', version: '1' } }
          : message.method === 'tools/call'
            ? { content: [{ type: 'text', text: 'fine' }] }
            : { tools: [{ name: 'say', inputSchema: { type: 'object' } }] }
      response.writeHead(200, json).end(JSON.stringify({ jsonrpc: '2.0', id: message.id, result }))
    })
  }
  const client = await bench.connect('remote')
  return { bench, client, calls, say: () => client.call('say', { repo: 'web' }) }
}

const isCall = ({ method }: Message): boolean => method === 'tools/call'
const closes = ({ audit }: Bench) => audit.events.filter((event) => event.type === 'call.close')

describe('a remote server that does not take a credential', () => {
  it('gets another one, once, and the call with it; the old one ends', async () => {
    const dead = new Set<string>()
    const { bench, calls, say } = await open((token, message) => !isCall(message) || !dead.has(token))
    expect(await say()).toBe('fine')
    await bench.clock.advance(60_000)
    const [first = ''] = calls
    dead.add(first)
    expect(await say()).toBe('fine')
    const [, , third = ''] = calls
    expect(calls).toEqual([first, first, third])
    expect(third).not.toBe(first)
    expect(closes(bench).at(-1)).toMatchObject({ result: 'ok', requests: [{ status: 401 }, { status: 200 }] })
    await eventually(() => bench.provider.tokens[0]?.revoked === true)
    // From here on the new one is what calls share.
    expect(await say()).toBe('fine')
    expect(calls.at(-1)).toBe(third)
  })

  it('gets the call again for five seconds while the credential is fresh, and no other credential', async () => {
    let refusals = 3
    const { bench, calls, say } = await open((_, message) => !isCall(message) || (refusals -= 1) < 0)
    expect(await patiently(bench.clock, say())).toBe('fine')
    expect(calls).toHaveLength(4)
    expect(new Set(calls).size).toBe(1)
    expect(bench.provider.mints).toHaveLength(1)
  })

  it('that never takes a fresh one is asked five times', async () => {
    const { bench, calls, say } = await open((_, message) => !isCall(message))
    const started = bench.clock.monotonic()
    expect(await patiently(bench.clock, say())).toMatch(/refused the credential of acme \(401\)/)
    expect(calls).toHaveLength(5)
    expect(bench.clock.monotonic() - started).toBeLessThan(5000)
    expect(bench.provider.mints).toHaveLength(1)
    expect(bench.gateway.lastError('remote')).toMatch(/refused the credential/)
  })

  it('that takes neither is told no third one', async () => {
    const { bench, calls, say } = await open((_, message) => !isCall(message) || calls.length === 1)
    expect(await say()).toBe('fine')
    await bench.clock.advance(60_000)
    expect(await patiently(bench.clock, say())).toMatch(/refused the credential of acme \(401\)/)
    expect(bench.provider.mints).toHaveLength(2)
  })

  it('is what its provider says it is', async () => {
    const { bench, calls, say } = await open((_, message) => !isCall(message))
    const asked: unknown[] = []
    Object.assign(bench.instance, {
      challenged: async (...given: readonly unknown[]) => {
        asked.push(given.slice(0, 2))
        return new JitError('provider.login', 'the login is over', { hint: 'Log in again.' })
      },
    })
    expect(await say()).toBe('error: server remote answered 401: the login is over. Log in again.')
    expect(asked).toEqual([[401, challenge]])
    expect(calls).toHaveLength(1)
  })

  it('has its provider asked once by all who share a lease', async () => {
    const dead = new Set<string>()
    const { bench, calls, say } = await open((token, message) => !isCall(message) || !dead.has(token))
    let asked = 0
    Object.assign(bench.instance, { challenged: async () => void (asked += 1) })
    expect(await say()).toBe('fine')
    await bench.clock.advance(60_000)
    dead.add(calls[0] ?? '')
    expect(await Promise.all([say(), say(), say()])).toEqual(['fine', 'fine', 'fine'])
    expect(asked).toBe(1)
    expect(bench.provider.mints).toHaveLength(2)
  })

  it('and wants more: the provider hears of it, and its word goes to the client', async () => {
    const wants = 'Bearer error="insufficient_scope", scope="repo:write"'
    const { bench, say } = await open((_, message, response) => {
      if (!isCall(message)) return true
      response.writeHead(403, { 'www-authenticate': wants }).end()
      return 'answered'
    })
    expect(await say()).toMatch(/wants more scope \(insufficient_scope: it names "repo:write"\)/)
    const asked: unknown[] = []
    Object.assign(bench.instance, {
      challenged: async (...given: readonly unknown[]) => {
        asked.push(given.slice(0, 2))
        return new JitError('provider.refused', 'it wants a login with more', { hint: 'Log in for more.' })
      },
    })
    await bench.clock.advance(400_000)
    expect(await say()).toBe('error: server remote answered 403: it wants a login with more. Log in for more.')
    expect(asked).toEqual([[403, wants]])
  })

  it('never gets a call again that it took: what is asked again is only its answer', async () => {
    const { bench, calls, say } = await open((_, message, response, request) => {
      if (request.method === 'GET' && request.headers['last-event-id'] !== undefined) return false
      if (!isCall(message) || calls.length === 1) return true
      response.writeHead(200, { 'content-type': 'text/event-stream' }).end('id: 1\nretry: 10\ndata:\n\n')
      return 'answered'
    })
    expect(await say()).toBe('fine')
    await bench.clock.advance(60_000)
    expect(await patiently(bench.clock, say())).toMatch(/refused the credential/)
    expect(calls).toHaveLength(2)
  })

  it('does not get a call again that policy would not allow any more', async () => {
    const { bench, calls, say } = await open((_, message) => !isCall(message))
    const work = say()
    await eventually(() => calls.length === 1)
    bench.configure(remoteConfig({ lifetime: 'call' }))
    expect(await patiently(bench.clock, work)).toMatch(/policy changed since the decision/)
    expect(calls).toHaveLength(1)
  })

  it('gets no pile of others by questions whose answers it turns away', async () => {
    let asked = 0
    let isOn = false
    let ask: () => void = () => undefined
    const { bench, client } = await open(
      (_, message, response, request) => {
        if (request.method === 'GET') {
          response.writeHead(200, { 'content-type': 'text/event-stream' })
          ask = () => void (isOn && asked < 300 && response.write(`data: {"jsonrpc":"2.0","id":${(asked += 1)},"method":"no/such"}\n\n`))
          ask()
          return 'answered'
        }
        const isTaken = message.method !== undefined
        // Two, so that it goes on while one of them is tried again.
        if (!isTaken) {
          ask()
          ask()
        }
        return isTaken
      },
      remoteConfig({ startup: true }),
    )
    Object.assign(bench.instance, { challenged: async () => undefined })
    await bench.broker.revoke({ all: true }, 'revoked', 1000)
    isOn = true
    await client.tools()
    await eventually(() => asked > 1)
    for (let turn = 0; turn < 40; turn += 1) await new Promise((resolve) => setTimeout(resolve, 10))
    expect(bench.provider.mints.length).toBeLessThan(4)
  })

  it('gets another one for lists and the handshake too', async () => {
    const dead = new Set<string>()
    let last = ''
    const { bench, client } = await open(
      (token) => {
        last = token
        return !dead.has(token)
      },
      remoteConfig({ startup: true }),
    )
    await bench.clock.advance(60_000)
    dead.add(last)
    const [one, two] = await Promise.all([client.tools(), client.tools()])
    expect([one, two]).toEqual([['say'], ['say']])
    expect(bench.provider.mints).toHaveLength(2)
  })

  it('is on record with what it was asked about a task, in the record of the call that made it', async () => {
    let state = 'working'
    const { bench, client } = await open((_, message, response) => {
      if (!isCall(message) && message.method !== 'tasks/get') return true
      const result = { ...(isCall(message) ? { resultType: 'task', ttlMs: 60_000 } : {}), taskId: 't1', status: state }
      response.writeHead(200, json).end(JSON.stringify({ jsonrpc: '2.0', id: message.id, result }))
      return 'answered'
    })
    const _meta = { 'io.modelcontextprotocol/clientCapabilities': { extensions: { 'io.modelcontextprotocol/tasks': {} } } }
    await client.request('tools/call', { name: 'say', arguments: { repo: 'web' }, _meta }).answer
    await client.request('tasks/get', { taskId: 't1' }).answer
    state = 'completed'
    await client.request('tasks/get', { taskId: 't1' }).answer
    expect(closes(bench)).toMatchObject([{ task: 't1', result: 'ok', requests: [{ status: 200 }, { status: 200 }, { status: 200 }] }])
  })

  it('gets the headers that the provider decides, and none that it forbids', async () => {
    const seen: IncomingMessage['headers'][] = []
    const { bench, say } = await open((_, message, __, { headers }) => {
      if (isCall(message)) seen.push(headers)
      return true
    })
    Object.assign(bench.instance, { requestHeaders: { 'x-namespace': 'team', 'user-agent': null } })
    expect(await say()).toBe('fine')
    expect(seen[0]).toMatchObject({ 'x-namespace': 'team', authorization: expect.stringMatching(/^Bearer tok_/) })
    expect(seen[0]).not.toHaveProperty('user-agent')
  })
})
