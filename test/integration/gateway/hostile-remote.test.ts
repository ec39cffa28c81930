import type { IncomingMessage, ServerResponse } from 'node:http'
import { gzipSync } from 'node:zlib'
import { afterEach, describe, expect, it } from 'vitest'
import { remoteConfig } from './remote.ts'
import { type Bench, type Client, eventually, openBench, patiently, standstill } from './support.ts'

interface Message {
  readonly id?: string | number
  readonly method?: string
}
type Behave = (response: ServerResponse, message: Message, request: IncomingMessage) => void

let bench: Bench
let client: Client
const timers = new Set<NodeJS.Timeout>()

afterEach(() => {
  for (const timer of timers) clearInterval(timer)
})

const headers = { 'content-type': 'application/json' }
const stream = { 'content-type': 'text/event-stream' }
const result = (id: Message['id'], text = 'fine'): object => ({ jsonrpc: '2.0', id, result: { content: [{ type: 'text', text }] } })
const answer = (id: Message['id'], text?: string): string => JSON.stringify(result(id, text))
const event = (value: object, before = ''): string => `${before}data: ${JSON.stringify(value)}\n\n`

/** Behaves itself, but for what is said here of each kind of request. */
function behave(response: ServerResponse, message: Message, request: IncomingMessage, own: Readonly<Record<string, Behave>>): void {
  const kind = message.method ?? (request.method === 'POST' ? 'answer' : (request.method ?? ''))
  const custom = own[kind]
  if (custom !== undefined) return custom(response, message, request)
  if (kind === 'initialize')
    return void response.writeHead(200, { ...headers, 'mcp-session-id': 'session-1' }).end(
      JSON.stringify({
        jsonrpc: '2.0',
        id: message.id,
        result: { protocolVersion: '2025-06-18', capabilities: {}, serverInfo: { name: 'x', version: '1' } },
      }),
    )
  if (kind === 'tools/call') return void response.writeHead(200, headers).end(answer(message.id))
  if (message.id !== undefined)
    return void response.writeHead(200, headers).end(JSON.stringify({ jsonrpc: '2.0', id: message.id, result: { tools: [] } }))
  response.writeHead(request.method === 'GET' ? 405 : 202).end()
}

async function open(own: Readonly<Record<string, Behave>>, config = remoteConfig()): Promise<void> {
  bench = await openBench(config)
  bench.upstream.answer = (request, response) => {
    let text = ''
    response.on('error', () => undefined)
    request.on('data', (chunk: Buffer) => (text += chunk.toString()))
    request.once('end', () => behave(response, text === '' ? {} : JSON.parse(text), request, own))
  }
  client = await bench.client('remote')
}

const connected = async (own: Readonly<Record<string, Behave>>, config?: string): Promise<void> => {
  await open(own, config)
  await client.initialize()
}

const say = (args = {}): Promise<string> => client.call('say', { repo: 'web', ...args })
const token = (): string => bench.provider.tokens[0]?.value ?? '?'
const posts = (): number => bench.upstream.journal.filter(({ body }) => body.includes('"tools/call"')).length

describe('a hostile remote server', () => {
  it.each<[name: string, Behave, outcome: RegExp]>([
    [
      'sends a call elsewhere',
      (response) => response.writeHead(307, { location: 'https://other.test/take?x=1' }).end(),
      /sends elsewhere \(307, to "https:\/\/other.test\/take"\)/,
    ],
    [
      'sends a call to another path of its own',
      (response) => response.writeHead(308, { location: '/other' }).end(),
      /sends elsewhere \(308/,
    ],
    [
      'answers with HTML',
      (response) => response.writeHead(200, { 'content-type': 'text/html' }).end('<p>'),
      /neither JSON nor an event stream \("text\/html"\)/,
    ],
    ['answers without a type', (response) => response.writeHead(200).end('x'), /neither JSON nor an event stream/],
    ['answers with nothing', (response) => response.writeHead(200, headers).end(), /without answering/],
    ['takes a call and never answers it', (response) => response.writeHead(202).end(), /answered a request with 202/],
    ['answers with 204', (response) => response.writeHead(204).end(), /answered a request with 204/],
    ['answers with what is no JSON', (response) => response.writeHead(200, headers).end('{"jsonrpc'), /without answering/],
    ['answers another request', (response) => response.writeHead(200, headers).end(answer(4711)), /without answering/],
    [
      'answers under an id of another type',
      (response, { id }) => response.writeHead(200, headers).end(answer(String(id))),
      /without answering/,
    ],
    ['answers nobody', (response) => response.writeHead(200, headers).end('{"jsonrpc":"2.0","id":null,"result":{}}'), /without answering/],
    [
      'answers twice under different ids',
      (response, { id }) => response.writeHead(200, stream).end(event(result(4711)) + event(result(id))),
      /^fine$/,
    ],
    [
      'answers, and then again',
      (response, { id }) => response.writeHead(200, stream).end(event(result(id)) + event(result(id, 'second'))),
      /^fine$/,
    ],
    [
      'answers with one key twice',
      (response, { id }) => response.writeHead(200, headers).end(`{"jsonrpc":"2.0","id":${id},"result":{},"result":{"isError":true}}`),
      /holds the key \\"?"result\\"?" twice|holds the key "result" twice/,
    ],
    ['ends its stream without an answer', (response) => response.writeHead(200, stream).end(': bye\n\n'), /without answering/],
    [
      'breaks off',
      (response) => void response.writeHead(200, { ...headers, 'content-length': 99 }).write('{', () => response.destroy()),
      /broke off/,
    ],
    ['hangs up', (response) => void response.destroy(), /is not reached: socket hang up/],
    [
      'compresses a bomb',
      (response) => response.writeHead(200, { ...headers, 'content-encoding': 'gzip' }).end(gzipSync(Buffer.alloc(50_000_000))),
      /coded as gzip/,
    ],
    ['is too busy', (response) => response.writeHead(503, { 'retry-after': '7' }).end(), /answered 503; it asks to wait 7 s/],
    [
      'says with an error what went wrong',
      (response) => response.writeHead(500, { 'content-type': 'text/plain' }).end('no\ndatabase'),
      /answered 500: "no database"/,
    ],
    ['is lost', (response) => response.writeHead(410).end(), /answered 410/],
    [
      'wants more scope',
      (response) => response.writeHead(403, { 'www-authenticate': 'Bearer error="insufficient_scope", scope="repo admin"' }).end(),
      /wants more scope \(insufficient_scope: it names "repo admin"\)/,
    ],
    [
      'answers with more than the cap',
      (response, { id }) => response.writeHead(200, headers).end(answer(id, 'x'.repeat(200_000))),
      /sent 200\d\d\d bytes; the cap is 100000/,
    ],
    [
      'sends an event over the cap',
      (response, { id }) => response.writeHead(200, stream).end(event(result(id, 'x'.repeat(200_000)))),
      /sent 200\d\d\d bytes; the cap is 100000/,
    ],
    [
      'writes its answer over many lines',
      (response, { id }) => response.writeHead(200, headers).end(JSON.stringify(result(id), undefined, 2).replaceAll('\n', '\r\n')),
      /^fine$/,
    ],
    [
      'hides a message behind a line break',
      (response, { id }) =>
        response.writeHead(200, stream).end(event(result(id)).replace('{', 'data: {\ndata: ').replace('data: data:', 'data:')),
      /^fine$/,
    ],
    [
      'answers in a batch',
      (response, { id }) =>
        response.writeHead(200, headers).end(JSON.stringify([{ jsonrpc: '2.0', method: 'notifications/message', params: {} }, result(id)])),
      /^fine$/,
    ],
  ])('%s', async (_, on, outcome) => {
    await connected({ 'tools/call': on })
    let raw = ''
    client.socket.on('data', (chunk: Buffer) => (raw += chunk.toString()))
    const text = await say()
    // A line break between tokens would begin another message.
    expect(raw).not.toMatch(/[{,"]\s*[\r\n]/)
    expect(text).toMatch(outcome)
    expect(text).not.toMatch(/evil|resource_metadata/)
    expect(posts()).toBe(1)
    expect(client.strays).toEqual([])
    // The next call is served as if nothing had been.
    bench.upstream.answer = (request, response) => {
      let body = ''
      request.on('data', (chunk: Buffer) => (body += chunk.toString()))
      request.once('end', () => behave(response, body === '' ? {} : JSON.parse(body), request, {}))
    }
    expect(await say()).toBe('fine')
  })

  it('gets no other request than the one to its own address, whatever it answers', async () => {
    await connected({ 'tools/call': (response) => void response.writeHead(302, { location: 'https://other.test/mcp' }).end() })
    await say()
    expect(bench.upstream.journal.filter(({ headers: { host } }) => host !== 'api.test')).toEqual([])
    expect(bench.upstream.journal.every(({ url }) => url === '/mcp')).toBe(true)
  })

  it.each([
    ['is too long', 'x'.repeat(2000), /session with an id of 2000 characters/],
    ['has a space', 'a b', /session with an id of 3 characters/],
    ['is longer than any head', 'x'.repeat(1_000_000), /is not reached: .*(Header overflow|HPE_HEADER_OVERFLOW)/],
  ])('begins a session whose id %s: the handshake fails', async (_, id, outcome) => {
    await open({ initialize: (response) => void response.writeHead(200, { ...headers, 'mcp-session-id': id }).end('{}') })
    await expect(client.initialize()).rejects.toThrow(outcome)
  })

  it('begins a session whose id holds a line break: the handshake fails', async () => {
    await open({
      initialize: (response) =>
        void response.socket?.end(
          'HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nmcp-session-id: a\rX-Evil: b\r\ncontent-length: 2\r\n\r\n{}',
        ),
    })
    await expect(client.initialize()).rejects.toThrow(/is not reached/)
  })

  it('answers each request with 401: each is asked once', async () => {
    await open({ initialize: (response) => void response.writeHead(401, { 'www-authenticate': 'Bearer' }).end() })
    await expect(client.initialize()).rejects.toThrow(/answered 401 to a request without a credential.*startup/)
    expect(bench.upstream.journal).toHaveLength(1)
  })

  it('echoes the credential in its answers and errors: it reaches neither the client nor the trail', async () => {
    let status = 200
    await connected({
      'tools/call': (response, { id }, request) => {
        const echo = request.headers.authorization ?? ''
        if (status === 200) return void response.writeHead(200, { ...headers, 'x-request-id': echo }).end(answer(id, echo))
        response
          .writeHead(status, { 'content-type': 'text/plain', 'x-request-id': echo, 'www-authenticate': `Bearer error="${echo}"` })
          .end(`you sent ${echo}`)
      },
    })
    for (status of [200, 400, 401, 403, 500]) expect(await patiently(bench.clock, say())).not.toContain(token())
    expect(JSON.stringify(bench.audit.events)).not.toContain(token())
    expect(JSON.stringify(bench.log.lines)).not.toContain(token())
  })

  it.each<[where: string, more: number, padding: number]>([
    ['the part that is looked at', 0, 1980],
    ['a refusal that is too long to be read', 80_000, 65_520],
  ])('writes the credential across the end of %s: no part of it reaches the client', async (_, more, padding) => {
    await connected({
      'tools/call': (response, _message, request) => {
        const echo = (request.headers.authorization ?? '').replace('Bearer ', '')
        response.writeHead(500, { 'content-type': 'text/plain' })
        // In two pieces: the second is not read any more where the first is as much as is looked at.
        response.write(`said:${' '.repeat(padding)}${echo.slice(0, -6)}`, () =>
          setImmediate(() => response.end(`${echo.slice(-6)}${' '.repeat(more)}`)),
        )
      },
    })
    const shown = await patiently(bench.clock, say())
    for (const text of [shown, JSON.stringify(bench.audit.events), JSON.stringify(bench.log.lines)])
      expect(text).not.toContain(token().slice(0, -6))
  })

  it.each<[how: string, type: string, encoded: (echo: string) => string | Buffer]>([
    ['in JSON escapes', 'application/json', (echo) => `{"error":"\\u00${echo.charCodeAt(0).toString(16)}${echo.slice(1)}"}`],
    ['in another charset', 'text/plain; charset=utf-16le', (echo) => Buffer.from(echo, 'utf16le')],
  ])('writes the credential into a refusal %s: it does not reach the client', async (_, type, encoded) => {
    await connected({
      'tools/call': (response, _message, request) => {
        const echo = (request.headers.authorization ?? '').replace('Bearer ', '')
        response.writeHead(500, { 'content-type': type }).end(encoded(echo))
      },
    })
    const shown = await patiently(bench.clock, say())
    expect(shown).toContain('answered 500')
    for (const text of [shown, JSON.stringify(bench.audit.events), JSON.stringify(bench.log.lines)])
      expect(text.replaceAll(/\\+u0000|\0/g, '')).not.toContain(token().slice(1))
  })

  it('never ends an event: the call can be cancelled, and what came is not kept', async () => {
    await connected({
      'tools/call': (response) => {
        response.writeHead(200, stream).write('data: ')
        const timer = setInterval(() => response.write('x'.repeat(64 * 1024)), 1)
        timers.add(timer)
        response.once('close', () => clearInterval(timer))
      },
    })
    const { id, answer: held } = client.request('tools/call', { name: 'say', arguments: { repo: 'web' } })
    await new Promise((resolve) => setTimeout(resolve, 300))
    expect(process.memoryUsage().arrayBuffers).toBeLessThan(100_000_000)
    client.notify('notifications/cancelled', { requestId: id })
    await expect(held).rejects.toThrow('forgotten')
  })

  it('goes on behind its answer: nobody hears it, and its connection ends', async () => {
    let closed = false
    await connected({
      'tools/call': (response, { id }) => {
        response.writeHead(200, stream).write(event(result(id)))
        const timer = setInterval(() => response.write(event({ jsonrpc: '2.0', method: 'notifications/message', params: {} })), 1)
        timers.add(timer)
        response.once('close', () => {
          closed = true
          clearInterval(timer)
        })
      },
    })
    expect(await say()).toBe('fine')
    const heard = client.messages.length
    await bench.clock.advance(1000)
    await eventually(() => closed)
    expect(client.messages.length).toBe(heard)
  })

  it('says on its own stream what answers a call: it does not count', async () => {
    let tell: (text: string) => void = () => undefined
    await connected({
      GET: (response) => {
        response.writeHead(200, stream).flushHeaders()
        tell = (text) => void response.write(text)
      },
      'tools/call': (response, { id }) => {
        tell(event(result(id, 'forged')))
        setTimeout(() => response.writeHead(200, headers).end(answer(id)), 100)
      },
    })
    await eventually(() => bench.upstream.journal.some(({ method }) => method === 'GET'))
    expect(await say()).toBe('fine')
  })

  it('answers one call on the stream of another: that does not count', async () => {
    const held: { id: Message['id']; response: ServerResponse }[] = []
    await connected({ 'tools/call': (response, { id }) => void held.push({ id, response: response.writeHead(200, stream) }) })
    const calls = [say(), say()]
    await eventually(() => held.length === 2)
    const [first, second] = held
    first?.response.write(event(result(second?.id, 'forged')) + event(result(first?.id, 'first')))
    await eventually(() => bench.log.lines.length > 0)
    second?.response.write(event(result(second.id, 'second')))
    expect((await Promise.all(calls)).sort()).toEqual(['first', 'second'])
    expect(JSON.stringify(bench.log.lines)).toContain('answer on the stream of another request dropped')
  })

  it('sends its answer in two pieces, cut at every byte: it is the same answer', async () => {
    let place = 0
    const answered = (id: Message['id']): Buffer => Buffer.from(`id: 1\r\ndata: ${answer(id, 'grüße 👋')}\r\n\r\n`)
    await connected({
      'tools/call': (response, { id }) => {
        const bytes = answered(id)
        response.writeHead(200, stream)
        response.write(bytes.subarray(0, place), () => setImmediate(() => response.end(bytes.subarray(place))))
      },
    })
    for (; place <= answered(1000).length; place += 1) expect(await say(), `cut at ${place}`).toBe('grüße 👋')
    expect(place).toBeGreaterThan(80)
  })

  it('asks and says what no server may, and answers what nobody asked', async () => {
    await connected({
      'tools/call': (response, { id }) =>
        void response
          .writeHead(200, stream)
          .end(
            [
              { jsonrpc: '2.0', id: 1, method: 'tools/call', params: { name: 'say' } },
              { jsonrpc: '2.0', id: 2, method: 'sampling/createMessage', params: {} },
              { jsonrpc: '2.0', method: 'notifications/evil' },
              { jsonrpc: '2.0', id: 'x', result: {} },
              result(id),
            ]
              .map((one) => event(one))
              .join(''),
          ),
    })
    expect(await say()).toBe('fine')
    expect(client.messages).toEqual([])
    const refusals = () => bench.upstream.journal.filter(({ body }) => body.includes('"error"'))
    await eventually(() => refusals().length === 2)
    expect(refusals().map(({ headers: { authorization } }) => authorization)).toEqual([undefined, undefined])
  })

  it('wants its messages at another origin: it gets none', async () => {
    for (const endpoint of [
      'https://other.test/messages',
      'http://api.test/messages',
      '//other.test/m',
      'https://u:p@api.test/m',
      'javascript:x',
    ]) {
      await open(
        { GET: (response) => void response.writeHead(200, stream).write(`event: endpoint\ndata: ${endpoint}\n\n`) },
        remoteConfig({ more: '    transport: sse\n' }),
      )
      await expect(client.initialize()).rejects.toThrow(/wants its messages at .*, which is not its own address/)
      expect(bench.upstream.journal.map(({ method }) => method)).toEqual(['GET'])
    }
  })

  it('wants its messages at an address without an end: it gets none, and the record of none', async () => {
    const endpoint = `/${'a'.repeat(5000)}`
    await open(
      { GET: (response) => void response.writeHead(200, stream).write(`event: endpoint\ndata: ${endpoint}\n\n`) },
      remoteConfig({ more: '    transport: sse\n' }),
    )
    await expect(client.initialize()).rejects.toThrow(/wants its messages at an address of 5001 characters/)
    expect(bench.upstream.journal.map(({ method }) => method)).toEqual(['GET'])
  })

  it('never says where messages go: the handshake fails in time', async () => {
    await open({ GET: (response) => void response.writeHead(200, stream).flushHeaders() }, remoteConfig({ more: '    transport: sse\n' }))
    const failed = expect(client.initialize()).rejects.toThrow(/does not say where messages go/)
    await eventually(() => bench.upstream.journal.length > 0)
    for (let turn = 0; turn < 10; turn += 1) await bench.clock.advance(1000)
    await failed
  })

  it('gives ids for an answer that it never resumes: the call fails', async () => {
    await connected({
      'tools/call': (response) => void response.writeHead(200, stream).end('id: 7\ndata:\n\n'),
      GET: (response, _, request) =>
        void (request.headers['last-event-id'] === undefined
          ? response.writeHead(405).end()
          : response.writeHead(200, stream).end(': nothing\n\n')),
    })
    const held = say()
    await eventually(() => posts() > 0)
    let over = (): boolean => false
    void held.then(() => (over = () => true))
    for (let turn = 0; turn < 500 && !over(); turn += 1) {
      await new Promise((resolve) => setTimeout(resolve, 2))
      await bench.clock.advance(1000)
    }
    expect(await held).toMatch(/without answering/)
    expect(bench.upstream.journal.filter(({ headers: { 'last-event-id': id } }) => id === '7')).toHaveLength(5)
  })

  it.each([
    [404, ''],
    [400, '{"jsonrpc":"2.0","error":{"code":-32000,"message":"no such session"},"id":null}'],
  ])(
    'forgets its session (%i) when it is asked for the rest of an answer: the call, which it had taken, is not sent again',
    async (status, body) => {
      await connected({
        'tools/call': (response) => void response.writeHead(200, stream).end('id: 7\nretry: 0\ndata:\n\n'),
        GET: (response, _, request) =>
          void response.writeHead(request.headers['last-event-id'] === undefined ? 405 : status, headers).end(body),
      })
      expect(await patiently(bench.clock, say())).toMatch(/broke off|without answering|does not know the session/)
      expect(posts()).toBe(1)
      // The next one begins anew.
      expect(await patiently(bench.clock, say())).toMatch(/error/)
      expect(posts()).toBe(2)
    },
  )

  it('answers with no head at all: the call fails after five minutes, and not before', async () => {
    await connected({ 'tools/call': () => undefined })
    const held = say()
    await eventually(() => posts() > 0)
    await bench.clock.advance(299_000)
    expect(bench.gateway.lanes('remote')[0]?.inFlight).toBe(1)
    await bench.clock.advance(2000)
    expect(await held).toMatch(/no answer within 300 s|expired/)
  })
})

describe('a remote server that takes its time', () => {
  it('with the end of the handshake gets nothing before it took that', async () => {
    let taken = (): void => undefined
    await connected({ 'notifications/initialized': (response) => (taken = () => void response.writeHead(202).end()) })
    const held = say()
    await eventually(() => bench.upstream.journal.some(({ body }) => body.includes('notifications/initialized')))
    await new Promise((resolve) => setTimeout(resolve, 100))
    expect(posts()).toBe(0)
    taken()
    expect(await held).toBe('fine')
  })

  it('with notifications is not sent more than it takes, and its client is not heard', async () => {
    let slow = true
    await connected({ 'notifications/roots/list_changed': (response) => (slow ? undefined : void response.writeHead(202).end()) })
    await say()
    const pad = 'x'.repeat(1024)
    for (let count = 0; count < 700; count += 1) client.notify('notifications/roots/list_changed', { _meta: { pad } })
    const listed = client.tools()
    let over = (): boolean => false
    void listed.then(() => (over = () => true))
    await standstill(() => bench.upstream.journal.length)
    expect(bench.upstream.journal.length).toBeLessThan(500)
    expect(over()).toBe(false)
    // Those are given up in time, at once since they came at once.
    slow = false
    await bench.clock.advance(5000)
    expect(await listed).toEqual([])
  })
})

describe('a remote server that is faster than its client', () => {
  const message = event({ jsonrpc: '2.0', method: 'notifications/message', params: { level: 'info', data: 'x'.repeat(64 * 1024) } })

  /** Writes messages as long as anybody takes them; answers how many. */
  const flood = (response: ServerResponse): (() => number) => {
    let written = 0
    const more = (): void => {
      do written += 1
      while (!response.destroyed && response.write(message))
    }
    response.on('drain', more)
    more()
    return () => written
  }

  it.each([
    ['on the stream of a call', '', 'tools/call'],
    ['on its own stream', '', 'GET'],
    ['over HTTP+SSE', '    transport: sse\n', 'GET'],
  ])('is not read while the client reads nothing, %s', async (_, more, kind) => {
    let written = (): number => 0
    let events: ServerResponse | undefined
    const legacy: Record<string, Behave> = {
      GET: (response) => {
        events = response
        response.writeHead(200, stream).write('event: endpoint\ndata: /mcp\n\n')
      },
      initialize: (response, { id }) => {
        response.writeHead(202).end()
        events?.write(
          event({
            jsonrpc: '2.0',
            id,
            result: { protocolVersion: '2024-11-05', capabilities: {}, serverInfo: { name: 'x', version: '1' } },
          }),
        )
      },
      'notifications/initialized': (response) => {
        response.writeHead(202).end()
        if (events !== undefined) written = flood(events)
      },
    }
    const streamable: Record<string, Behave> = { [kind]: (response) => (written = flood(response.writeHead(200, stream))) }
    await open(more === '' ? streamable : legacy, remoteConfig({ more }))
    const { answer: begun } = client.request('initialize', {
      protocolVersion: '2025-06-18',
      capabilities: {},
      clientInfo: { name: 'x', version: '1' },
    })
    await begun
    client.socket.pause()
    client.notify('notifications/initialized')
    if (kind === 'tools/call') client.request('tools/call', { name: 'say', arguments: { repo: 'web' } })
    await eventually(() => written() > 0)
    await standstill(() => written())
    const stalled = written()
    expect(stalled).toBeLessThan(400)
    client.socket.resume()
    await eventually(() => written() > 3 * stalled)
  })
})
