import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { readFileSync } from 'node:fs'
import { connect, type Socket } from 'node:net'
import { call, type Door, initialize, openDoor, session, statelessCall } from './support.ts'

let door: Door
let mine: string
let other: string
let narrow: string

beforeAll(async () => {
  door = await openDoor()
  mine = await door.token('mine')
  other = await door.token('other')
  narrow = await door.token('narrow', { servers: ['two'] })
})
afterAll(() => door.close())

/** What the server behind `/mcp/SERVER` was sent, as one client of a session of its own sees it. */
async function journal(token: string, id: string, server = 'one'): Promise<string> {
  const { text } = await door.send(`/mcp/${server}`, { token, headers: { 'mcp-session-id': id }, body: call('journal', 'journal') })
  return text
}

describe('whoever has no token', () => {
  it.each([
    ['none', {}],
    ['another', { authorization: `Bearer jit_mcp_${'a'.repeat(43)}` }],
    ['a cut one', { authorization: 'Bearer jit_mcp_' }],
    ['a password', { authorization: 'Basic amllOng=' }],
    ['a cookie', { cookie: 'token=jit_mcp_x' }],
  ])('is refused with %s, whatever is asked for, and is sent to no one who would sign it in', async (_, headers) => {
    for (const path of ['/mcp/one', '/mcp/nothing', '/', '/.well-known/oauth-protected-resource', '/mcp/one/sse']) {
      const reply = await door.send(path, { headers, body: initialize() })
      expect(reply.status).toBe(401)
      expect(reply.headers['www-authenticate']).toBe('Bearer realm="jit"')
      expect(reply.text).not.toContain('resource_metadata')
    }
  })

  it('is not told from the answers which servers there are', async () => {
    const [known, unknown] = [await door.send('/mcp/one', { body: initialize() }), await door.send('/mcp/zero', { body: initialize() })]
    expect(known.text).toBe(unknown.text)
  })
})

describe('a token', () => {
  it('reaches the servers that it was made for, and no other', async () => {
    expect((await door.send('/mcp/two', { token: narrow, body: initialize() })).status).toBe(200)
    expect((await door.send('/mcp/one', { token: narrow, body: initialize() })).status).toBe(404)
    expect((await door.send('/mcp/zero', { token: mine, body: initialize() })).status).toBe(404)
    for (const path of ['/', '/mcp', '/mcp/two/more']) {
      const { status, body } = await door.send(path, { token: mine, body: initialize() })
      expect([status, body]).toMatchObject([404, { error: { message: expect.stringContaining('the path is not /mcp/SERVER') } }])
    }
  })

  it('is nowhere on disk, and not in the trail', async () => {
    for (const file of ['jit.db', 'jit.db-wal', 'jit.log']) {
      const text = readFileSync(`${door.daemon.home}/${file}`, { encoding: 'latin1', flag: 'a+' })
      expect(text).not.toContain(mine.slice('jit_mcp_'.length))
    }
    const { text } = await door.daemon.ask('GET', '/v1/audit?limit=1000')
    expect(text).not.toContain(mine.slice('jit_mcp_'.length))
    expect(text).toContain('"token.added"')
  })

  it('that is removed ends what came with it, at once', async () => {
    const token = await door.token('short')
    const id = await session(door, token)
    const stream = await door.open('/mcp/one', { method: 'GET', token, headers: { 'mcp-session-id': id } })
    const waiting = door.send('/mcp/one', { token, headers: { 'mcp-session-id': id }, body: call(1, 'raw', { answer: false }) })
    const old = await door.open('/mcp/one/sse', { method: 'GET', token })
    await old.until('endpoint')
    await sessionOf('short')
    expect((await door.daemon.ask('DELETE', '/v1/tokens/short')).status).toBe(200)
    await Promise.all([stream.ended, old.ended])
    expect((await waiting).body).toMatchObject({ id: 1, error: { code: 1205 } })
    expect((await door.send('/mcp/one', { token, headers: { 'mcp-session-id': id }, body: call(2, 'say') })).status).toBe(401)
    expect((await door.daemon.ask('GET', '/v1/status')).text).not.toContain('"agent":"short"')
  })

  it('that is removed while a body comes lets nothing of that body in', async () => {
    const token = await door.token('halfway')
    const { body, headers } = statelessCall(1, 'say', { text: 'too late' })
    const text = JSON.stringify(body)
    const socket = await openSocket()
    let got = ''
    const answered = new Promise<void>((settle) => socket.on('data', (chunk) => (got += String(chunk)).includes('}') && settle()))
    socket.write(`${headOf(token, { ...headers, 'content-length': String(text.length), expect: '100-continue' })}${text.slice(0, 9)}`)
    await new Promise((settle) => socket.once('data', settle))
    expect((await door.daemon.ask('DELETE', '/v1/tokens/halfway')).status).toBe(200)
    socket.write(text.slice(9))
    await answered
    expect(got).toMatch(/100 Continue[^]*HTTP\/1\.1 401 /)
    expect(got).not.toContain('too late')
    socket.destroy()
  })

  it('is refused once its time is over, and what came with it ends', async () => {
    const token = await door.token('brief', { life: 1500 })
    const id = await session(door, token)
    const stream = await door.open('/mcp/one', { method: 'GET', token, headers: { 'mcp-session-id': id } })
    await stream.ended
    expect((await door.send('/mcp/one', { token, body: initialize() })).status).toBe(401)
  })
})

/** Waits until the status names a session of that agent. */
async function sessionOf(agent: string): Promise<void> {
  for (let turn = 0; turn < 200; turn += 1) if ((await door.daemon.ask('GET', '/v1/status')).text.includes(`"agent":"${agent}"`)) return
  throw new Error(`there is no session of ${agent}`)
}

function openSocket(): Promise<Socket> {
  return new Promise((settle) => {
    const socket = connect(door.port, '127.0.0.1', () => settle(socket))
    socket.on('error', () => undefined)
  })
}

function headOf(token: string, headers: Readonly<Record<string, string>>, method = 'POST'): string {
  const all = { host: `127.0.0.1:${door.port}`, authorization: `Bearer ${token}`, 'content-type': 'application/json', ...headers }
  const lines = Object.entries(all).map(([name, value]) => `${name}: ${value}`)
  return [`${method} /mcp/one HTTP/1.1`, ...lines, '', ''].join('\r\n')
}

describe('the trail', () => {
  it('has what a client was refused, however many strangers were refused before', async () => {
    for (let count = 0; count < 120; count += 1) await door.send('/mcp/one', { body: initialize() })
    const token = await door.token('curious')
    await door.send('/mcp/hidden-in-the-flood', { token, body: initialize() })
    expect((await door.daemon.ask('GET', '/v1/audit?limit=1000')).text).toContain('hidden-in-the-flood')
  })

  it('and the table have no token for a server that only objects know', async () => {
    await expect(door.token('object', { servers: ['constructor'] })).rejects.toThrow('there is no server')
  })
})

describe('connections', () => {
  it('of whoever shows no token make room for those who do', async () => {
    const silent: Socket[] = []
    for (let made = 0; made < 300; made += 1) silent.push(await openSocket())
    expect((await door.send('/mcp/one', { token: mine, body: initialize() })).status).toBe(200)
    for (const socket of silent) socket.destroy()
  })

  it('of one token leave room for others', async () => {
    const greedy = await door.token('greedy')
    const id = await session(door, greedy)
    const body = (number: number): string => JSON.stringify(call(number, 'raw', { answer: false }))
    const taken: Socket[] = []
    for (let made = 0; made < 300; made += 1) {
      const socket = await openSocket()
      taken.push(socket)
      const text = body(made)
      socket.write(headOf(greedy, { 'mcp-session-id': id, 'content-length': String(text.length) }) + text)
    }
    expect((await door.send('/mcp/one', { token: mine, body: initialize() })).status).toBe(200)
    expect((await door.send('/mcp/one', { token: greedy, body: initialize() })).status).toBe(503)
    for (const socket of taken) socket.destroy()
  })

  it('carry one request at a time: a packet full of them does not fill the memory with answers', async () => {
    const token = await door.token('packet')
    const id = await session(door, token, 'one', '2025-11-25')
    const headers = { 'mcp-session-id': id }
    const news = JSON.stringify({ jsonrpc: '2.0', method: 'notifications/message', params: { level: 'info', data: 'x'.repeat(900_000) } })
    const answer = '{"jsonrpc":"2.0","id":ID,"result":{"content":[]}}'
    await door.send('/mcp/one', { token, headers, body: call(1, 'raw', { write: `${answer}\n${news}\n`, answer: false }) })
    const before = memoryOf(door.daemon.pid)
    const socket = await openSocket()
    const closed = new Promise((settle) => socket.once('close', settle))
    socket.resume().write(headOf(token, { ...headers, accept: 'text/event-stream', 'last-event-id': '0-0' }, 'GET').repeat(250))
    await closed
    expect(memoryOf(door.daemon.pid) - before).toBeLessThan(32 * 1024)
  })
})

describe('a page in a browser', () => {
  it.each([
    ['another host', () => ({ host: `evil.example:${door.port}` })],
    ['a host that begins like ours', () => ({ host: `127.0.0.1.evil.example:${door.port}` })],
    ['another port', () => ({ host: '127.0.0.1:1' })],
    ['no port', () => ({ host: '127.0.0.1' })],
    ['a wildcard address', () => ({ host: `0.0.0.0:${door.port}` })],
    ['another origin', () => ({ origin: 'http://evil.example' })],
    ['no origin that has a name', () => ({ origin: 'null' })],
    ['another scheme', () => ({ origin: `https://127.0.0.1:${door.port}` })],
    ['an origin with a path', () => ({ origin: `http://127.0.0.1:${door.port}/` })],
  ])('is refused with %s, even with a token', async (_, headers) => {
    expect((await door.send('/mcp/one', { token: mine, headers: headers(), body: initialize() })).status).toBe(403)
  })

  it('is let in under our own names', async () => {
    for (const name of ['127.0.0.1', 'localhost', '[::1]']) {
      const headers = { host: `${name}:${door.port}`, origin: `http://${name}:${door.port}` }
      expect((await door.send('/mcp/one', { token: mine, headers, body: initialize() })).status).toBe(200)
    }
  })

  it('cannot post without asking first: a simple form is no message', async () => {
    for (const type of ['text/plain', 'application/x-www-form-urlencoded', 'application/json; charset=utf-16', '']) {
      const reply = await door.send('/mcp/one', { token: mine, headers: { 'content-type': type }, body: initialize() })
      expect(reply.status).toBe(415)
    }
  })
})

describe('a request that two readers could read in two ways', () => {
  const body = JSON.stringify(initialize())
  const head = (...more: string[]): string =>
    [
      `POST /mcp/one HTTP/1.1`,
      `Host: 127.0.0.1:${door.port}`,
      `Authorization: Bearer ${mine}`,
      'Content-Type: application/json',
      ...more,
      '',
      '',
    ].join('\r\n')

  it.each([
    ['both lengths', () => head(`Content-Length: ${body.length}`, 'Transfer-Encoding: chunked') + body],
    ['two lengths', () => head(`Content-Length: ${body.length}`, 'Content-Length: 5') + body],
    ['the same length twice', () => head(`Content-Length: ${body.length}`, `Content-Length: ${body.length}`) + body],
    ['an unknown coding', () => head('Transfer-Encoding: xchunked') + body],
    ['two codings', () => `${head('Transfer-Encoding: gzip, chunked')}0\r\n\r\n`],
    ['a folded header', () => head(`Content-Length: ${body.length}`, 'X-A: b', ' Mcp-Session-Id: c') + body],
    ['a space before the colon', () => head(`Content-Length : ${body.length}`) + body],
    ['two hosts', () => head(`Content-Length: ${body.length}`, 'Host: evil.example') + body],
    ['two tokens', () => head(`Content-Length: ${body.length}`, `Authorization: Bearer ${other}`) + body],
    ['two sessions', () => head(`Content-Length: ${body.length}`, 'Mcp-Session-Id: a', 'Mcp-Session-Id: b') + body],
    ['an upgrade', () => head(`Content-Length: ${body.length}`, 'Connection: Upgrade', 'Upgrade: websocket') + body],
    [
      'an absolute target',
      () => head(`Content-Length: ${body.length}`).replace('POST /mcp/one', 'POST http://evil.example/mcp/one') + body,
    ],
    ['another version', () => head(`Content-Length: ${body.length}`).replace('HTTP/1.1', 'HTTP/1.0') + body],
    ['a NUL in a header', () => head(`Content-Length: ${body.length}`, 'X-A: b\u0000c') + body],
    ['no host', () => head(`Content-Length: ${body.length}`).replace(/Host: .*\r\n/, '') + body],
  ])('is refused: %s', async (_, text) => {
    const got = await door.bytes(text(), /\r\n\r\n[^]*(\}|$)/)
    expect(got).toMatch(/^HTTP\/1\.1 (400|403) /)
    expect(got.match(/HTTP\/1\.1 \d/g)).toHaveLength(1)
    expect(got).not.toMatch(/^mcp-session-id:/im)
  })

  it('opens no tunnel', async () => {
    const got = await door.bytes(`CONNECT 127.0.0.1:22 HTTP/1.1\r\nHost: 127.0.0.1:${door.port}\r\nAuthorization: Bearer ${mine}\r\n\r\n`)
    expect(got).not.toContain('200')
  })

  it('is cut off when its headers are endless', async () => {
    const got = await door.bytes(head(`X-A: ${'b'.repeat(100_000)}`), /\r\n\r\n/)
    expect(got).toMatch(/^HTTP\/1\.1 431 /)
  })
})

describe('a session', () => {
  it('is bound to its token and its server', async () => {
    const id = await session(door, mine)
    const headers = { 'mcp-session-id': id }
    expect((await door.send('/mcp/one', { token: other, headers, body: call(1, 'say') })).status).toBe(404)
    expect((await door.send('/mcp/two', { token: mine, headers, body: call(1, 'say') })).status).toBe(404)
    expect((await door.send('/mcp/one', { method: 'GET', token: other, headers })).status).toBe(404)
    expect((await door.send('/mcp/one', { method: 'DELETE', token: other, headers })).status).toBe(404)
    expect((await door.send(`/mcp/one/message?session=${id}`, { token: mine, body: call(1, 'say') })).status).toBe(404)
    expect((await door.send('/mcp/one', { token: mine, headers, body: call(1, 'say', { text: 'here' }) })).text).toContain('here')
  })

  it('is gone when its client ends it', async () => {
    const id = await session(door, mine)
    const headers = { 'mcp-session-id': id }
    expect((await door.send('/mcp/one', { method: 'DELETE', token: mine, headers })).status).toBe(204)
    expect((await door.send('/mcp/one', { token: mine, headers, body: call(1, 'say') })).status).toBe(404)
  })

  it('does not begin when the server refuses the handshake, or there is none', async () => {
    const refused = await door.send('/mcp/grim', { token: mine, body: initialize() })
    expect(refused).toMatchObject({ status: 200, body: { error: { code: -32602, message: 'no' } } })
    const wrong = await door.send('/mcp/one', { token: mine, body: { ...initialize(), params: 'x' } })
    expect(wrong.status).toBe(400)
    for (const { headers } of [refused, wrong]) expect(headers['mcp-session-id']).toBeUndefined()
    expect((await door.send('/mcp/one', { token: mine, body: call(1, 'say') })).status).toBe(400)
  })

  it('speaks the revisions that have sessions, and no other', async () => {
    const id = await session(door, mine)
    const ask = (revision: string) =>
      door.send('/mcp/one', { token: mine, headers: { 'mcp-session-id': id, 'mcp-protocol-version': revision }, body: call(1, 'say') })
    expect((await ask('2025-06-18')).status).toBe(200)
    expect((await ask('1999-01-01')).status).toBe(400)
    expect((await ask('2026-07-28')).body).toMatchObject({ id: 1, error: { code: -32602 } })
  })

  it('answers an id that is in flight already with an error, and the first request with its answer', async () => {
    const id = await session(door, mine)
    const headers = { 'mcp-session-id': id }
    const progress = JSON.stringify({ jsonrpc: '2.0', method: 'notifications/message', params: { level: 'info', data: 'begun' } })
    const first = await door.open('/mcp/one', { token: mine, headers, body: call(7, 'raw', { write: `${progress}\n`, answer: false }) })
    await first.until('begun')
    const second = await door.send('/mcp/one', { token: mine, headers, body: call(7, 'say') })
    expect(second.status).toBe(400)
    const answer = JSON.stringify({ jsonrpc: '2.0', id: 7, result: { content: [{ type: 'text', text: 'late' }] } })
    await door.send('/mcp/one', { token: mine, headers, body: call(8, 'raw', { write: `${answer}\n` }) })
    await first.ended
    expect(first.text()).toContain('late')
  })

  it.each([
    ['no JSON', '{"jsonrpc":', 400],
    ['a key twice', '{"jsonrpc":"2.0","id":1,"id":2,"method":"ping"}', 400],
    ['a batch, which its revision has not', '[{"jsonrpc":"2.0","id":1,"method":"ping"}]', 400],
    ['an empty batch', '[]', 400],
    ['nothing', '', 400],
    ['what is too deep', `{"jsonrpc":"2.0","id":1,"method":"ping","params":${'{"a":'.repeat(100)}1${'}'.repeat(100)}}`, 400],
    ['what is too long', `{"jsonrpc":"2.0","id":1,"method":"ping","params":{"a":"${'x'.repeat(5 * 1024 * 1024)}"}}`, 413],
  ])('answers %s with an error, and goes on', async (_, raw, status) => {
    const id = await session(door, mine)
    const headers = { 'mcp-session-id': id }
    expect((await door.send('/mcp/one', { token: mine, headers, raw })).status).toBe(status)
    expect((await door.send('/mcp/one', { token: mine, headers, body: call(1, 'say', { text: 'on' }) })).text).toContain('on')
  })
})

describe('a request of 2026-07-28', () => {
  const say = statelessCall(1, 'say', { text: 'x' })
  it.each([
    ['no version', { 'mcp-protocol-version': '' }],
    ['another version', { 'mcp-protocol-version': '2025-11-25' }],
    ['no method', { 'mcp-method': '' }],
    ['another method', { 'mcp-method': 'tools/list' }],
    ['no name', { 'mcp-name': '' }],
    ['another name', { 'mcp-name': 'journal' }],
    ['another spelling', { 'mcp-name': 'Say' }],
    ['a sentinel of another name', { 'mcp-name': '=?base64?am91cm5hbA==?=' }],
    ['a sentinel that is none', { 'mcp-name': '=?base64?c2F5?' }],
    ['a sentinel that is no base64', { 'mcp-name': '=?base64?c2F5*?=' }],
  ])('whose headers disagree with its body is refused: %s', async (_, wrong) => {
    const headers = Object.fromEntries(Object.entries({ ...say.headers, ...wrong }).filter(([, value]) => value !== ''))
    const { status, body } = await door.send('/mcp/one', { token: mine, headers, body: say.body })
    expect({ status, body }).toMatchObject({ status: 400, body: { id: 1, error: { code: -32020 } } })
  })

  it('passes with a name that is packed', async () => {
    const headers = { ...say.headers, 'mcp-name': `=?base64?${Buffer.from('say').toString('base64')}?=` }
    expect((await door.send('/mcp/one', { token: mine, headers, body: say.body })).status).toBe(200)
  })

  it('has no streams and no sessions beside it', async () => {
    const id = await session(door, mine)
    for (const method of ['GET', 'DELETE', 'PUT', 'OPTIONS']) {
      const reply = await door.send('/mcp/one', {
        method,
        token: mine,
        headers: method === 'GET' ? { 'mcp-session-id': id, 'mcp-protocol-version': '2026-07-28' } : {},
      })
      expect(reply.status).toBe(405)
    }
  })

  it('meets no other one of the same id: each gets its own answer, and its own progress', async () => {
    const token = await door.token('twins')
    const asks = ['left', 'right'].map((side) => {
      const news = JSON.stringify({
        jsonrpc: '2.0',
        method: 'notifications/progress',
        params: { progressToken: 'PLACE', progress: 1, message: side },
      })
      const { body, headers } = statelessCall(
        'same',
        'raw',
        { write: `${news.replace('"PLACE"', 'ID')}\n`, answer: side },
        { progressToken: 'token' },
      )
      return door.send('/mcp/one', { token, headers, body })
    })
    const replies = await Promise.all(asks)
    for (const [index, side] of ['left', 'right'].entries()) {
      const text = replies[index]?.text ?? ''
      expect(text).toContain(`"message":"${side}"`)
      expect(text).toContain('"progressToken":"token"')
      expect(text).toContain(`"text":"${side}"`)
      expect(text).toContain('"id":"same"')
      expect(text).not.toContain(side === 'left' ? 'right' : 'left')
    }
  })

  it('whose client goes away is cancelled at once', async () => {
    const token = await door.token('leaver')
    const news = JSON.stringify({ jsonrpc: '2.0', method: 'notifications/message', params: { level: 'info', data: 'begun' } })
    const { body, headers } = statelessCall(1, 'raw', { write: `${news}\n`, answer: false })
    const stream = await door.open('/mcp/one', { token, headers, body })
    await stream.until('begun')
    stream.leave()
    const look = statelessCall(2, 'journal')
    for (let turn = 0; turn < 100; turn += 1) {
      const { text } = await door.send('/mcp/one', { token, ...look })
      if (text.includes('notifications/cancelled')) return
    }
    throw new Error('the server was not told')
  })
})

describe('a client of a session that goes away', () => {
  it('has cancelled nothing, and finds what it missed', async () => {
    const id = await session(door, mine, 'one', '2025-11-25')
    const headers = { 'mcp-session-id': id }
    const news = JSON.stringify({ jsonrpc: '2.0', method: 'notifications/message', params: { level: 'info', data: 'begun' } })
    const stream = await door.open('/mcp/one', { token: mine, headers, body: call(1, 'raw', { write: `${news}\n`, answer: false }) })
    await stream.until('begun')
    const [, last] = [...stream.text().matchAll(/^id: (.*)$/gm)].map((match) => match[1])
    expect(stream.text()).toContain('retry: ')
    stream.leave()
    await stream.ended
    const answer = JSON.stringify({ jsonrpc: '2.0', id: 1, result: { content: [{ type: 'text', text: 'late' }] } })
    await door.send('/mcp/one', { token: mine, headers, body: call(2, 'raw', { write: `${answer}\n` }) })
    expect(await journal(mine, id)).not.toContain('cancelled')
    const again = await door.send('/mcp/one', { method: 'GET', token: mine, headers: { ...headers, 'last-event-id': last ?? '' } })
    expect(again.events.map(({ data }) => data)).toEqual([answer])
  })

  it('is refused an event that was never its own', async () => {
    const id = await session(door, mine)
    for (const event of ['9-1', 'x', '1', '1-1-1', '-1-1'])
      expect(
        (await door.send('/mcp/one', { method: 'GET', token: mine, headers: { 'mcp-session-id': id, 'last-event-id': event } })).status,
      ).toBe(400)
  })
})

describe('what a server says', () => {
  it('about no request waits for the stream that it belongs to', async () => {
    const id = await session(door, mine)
    const headers = { 'mcp-session-id': id }
    const news = JSON.stringify({ jsonrpc: '2.0', method: 'notifications/tools/list_changed' })
    // It comes behind the answer, so it is about no request.
    const answer = '{"jsonrpc":"2.0","id":ID,"result":{"content":[]}}'
    await door.send('/mcp/one', { token: mine, headers, body: call(1, 'raw', { write: `${answer}\n${news}\n`, answer: false }) })
    const stream = await door.open('/mcp/one', { method: 'GET', token: mine, headers })
    await stream.until('list_changed')
    const second = await door.open('/mcp/one', { method: 'GET', token: mine, headers })
    await stream.ended
    second.leave()
  })

  it('waits while its client does not read, and is kept in no memory meanwhile', async () => {
    const token = await door.token('slow')
    const news = `${JSON.stringify({ jsonrpc: '2.0', method: 'notifications/message', params: { level: 'info', data: 'x'.repeat(1000) } })}\n`
    const { body, headers } = statelessCall(1, 'raw', { write: news, times: 100_000, answer: 'through' })
    const before = memoryOf(door.daemon.pid)
    const stream = await door.open('/mcp/one', { token, headers, body })
    stream.response.pause()
    await new Promise((settle) => setTimeout(settle, 1500))
    expect(memoryOf(door.daemon.pid) - before).toBeLessThan(64 * 1024)
    stream.response.resume()
    await stream.ended
    expect(stream.text().match(/notifications\/message/g)).toHaveLength(100_000)
    expect(stream.text()).toContain('through')
  })
})

/** KiB. */
function memoryOf(pid: number): number {
  return Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1])
}
