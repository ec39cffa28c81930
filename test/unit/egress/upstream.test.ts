import { once } from 'node:events'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { gzipSync } from 'node:zlib'
import { describe, expect, it } from 'vitest'
import { Secret } from '../../../src/core/secret.ts'
import { FakeClock } from '../../support/fake-clock.ts'
import { ask, type Bench, call, eventually, lease, listen, openBench, placeholder, rule, secure, shareBench, token } from './support.ts'

const clock = new FakeClock(Date.now())
let bench: Bench
shareBench((opened) => (bench = opened), clock, 1000)

const path = '/repos/acme/web'

/** Moves the clock on as soon as a request has arrived upstream: before that, timers are those of connecting. */
async function whileClockRuns<Result>(running: Promise<Result>): Promise<Result> {
  const state = { done: false }
  const asked = running.finally(() => (state.done = true))
  for (let turn = 0; turn < 20_000 && !state.done; turn += 1) {
    if (bench.upstream.journal.length > 0) await clock.advance(100)
    await new Promise((resolve) => setImmediate(resolve))
  }
  return asked
}

describe('a fresh token that the upstream does not know yet', () => {
  const fresh = (): ReturnType<typeof lease> => lease('lease_1', token, clock.now())

  /** Answers each request in turn and moves the clock on between them. */
  async function tries(
    statuses: number[],
    method = 'GET',
    mine = fresh(),
    body?: string,
  ): Promise<{ status: number; waited: number; sent: number[] }> {
    const lane = await bench.lane()
    const tried = call([`${method} ${path}`], { lease: mine })
    lane.begin(tried)
    let arrived = 0
    bench.upstream.answer = (_, response) => {
      response.statusCode = statuses[Math.min(arrived, statuses.length - 1)] ?? 500
      arrived += 1
      response.end('{}')
    }
    const started = clock.monotonic()
    const { status } = await whileClockRuns(ask(lane, { method, path, ...(body === undefined ? {} : { body }) }))
    lane.close()
    return { status, waited: clock.monotonic() - started, sent: tried.sent.map((request) => request.status) }
  }

  it('is tried again until it does', async () => {
    expect(await tries([401, 401, 200])).toMatchObject({ status: 200, sent: [401, 401, 200] })
  })

  it('is given up within five seconds', async () => {
    const { status, waited, sent } = await tries([401])
    expect({ status, sent: sent.length }).toEqual({ status: 401, sent: 5 })
    expect(waited).toBeLessThanOrEqual(5000)
  })

  it.each<[name: string, method: string, statuses: number[], mintedAt: () => number, body?: string]>([
    ['what may have changed something', 'POST', [401], () => clock.now()],
    ['what has a body', 'DELETE', [401], () => clock.now(), 'x'],
    ['what was forbidden', 'GET', [403], () => clock.now()],
    ['what was not found', 'GET', [404], () => clock.now()],
    ['with a token that is older', 'GET', [401], () => clock.now() - 60_000],
  ])('is not tried again: %s', async (_, method, statuses, mintedAt, body) => {
    const { status, sent } = await tries([...statuses, 200], method, lease('lease_1', token, mintedAt()), body)
    expect({ status, sent }).toEqual({ status: statuses[0], sent: statuses })
  })

  it.each<[name: string, stop: (parts: { end: () => void; revoke: () => void }) => void]>([
    ['its call ends', ({ end }) => end()],
    ['its lease is revoked', ({ revoke }) => revoke()],
  ])('is not tried again when %s while it waits', async (_, stop) => {
    const lane = await bench.lane()
    const mine = fresh()
    const end = lane.begin(call([`GET ${path}`], { lease: mine }))
    bench.upstream.answer = (__, response) => response.writeHead(401).end()
    const asked = ask(lane, { path }).catch(() => 'broken')
    await eventually(() => clock.pending > 0 && bench.upstream.journal.length > 0)
    stop({ end, revoke: mine.revoke })
    expect(await asked).toBe('broken')
    await clock.advance(5000)
    expect(bench.upstream.journal).toHaveLength(1)
    lane.close()
  })

  it('leaves nothing behind, also when the refusals have no end', async () => {
    const lane = await bench.lane()
    lane.begin(call([`GET ${path}`], { lease: fresh() }))
    const cut: boolean[] = []
    bench.upstream.answer = (_, response) => {
      if (cut.length === 1) return void response.end('{}')
      cut.push(false)
      response.writeHead(401).write('{')
      response.once('close', () => (cut[0] = true))
    }
    expect((await whileClockRuns(ask(lane, { path }))).status).toBe(200)
    await eventually(() => cut[0] === true)
    lane.close()
  })

  it('is not sent again when policy or tool changed while it waits', async () => {
    const lane = await bench.lane()
    let current = true
    lane.begin(call([`GET ${path}`], { lease: fresh(), current: () => current }))
    bench.upstream.answer = (_, response) => {
      current = false
      response.writeHead(401).end()
    }
    expect((await whileClockRuns(ask(lane, { path }))).status).toBe(403)
    expect(bench.refusals()).toEqual(['policy or tool changed since the decision'])
    expect(bench.upstream.journal).toHaveLength(1)
    lane.close()
  })
})

describe('an upstream that', () => {
  async function answerOf(
    answer: (request: IncomingMessage, response: ServerResponse) => void,
    asking: Parameters<typeof ask>[1] = {},
  ): ReturnType<typeof ask> {
    const lane = await bench.lane()
    lane.begin(call([`GET ${path}`, `HEAD ${path}`]))
    bench.upstream.answer = answer
    const result = await ask(lane, { path, ...asking }).finally(() => lane.close())
    return result
  }

  it.each([301, 302, 303, 307, 308])('redirects (%i) is not followed: the server sees it and decides', async (status) => {
    const location = 'https://elsewhere.test/secret'
    const answer = await answerOf((_, response) => response.writeHead(status, { location }).end())
    expect({ status: answer.status, location: answer.headers.location }).toEqual({ status, location })
    expect(bench.upstream.journal).toHaveLength(1)
  })

  it.each<[name: string, reason: RegExp, answer: (request: IncomingMessage, response: ServerResponse) => void]>([
    ['compresses against our wish', /compressed/, (_, response) => response.setHeader('content-encoding', 'gzip').end(gzipSync('{}'))],
    ['lists a coding that is none', /compressed/, (_, response) => response.setHeader('content-encoding', 'identity, x').end('{}')],
    ['breaks off before its head', /hang up|ECONNRESET/, (request) => request.socket.destroy()],
    ['is silent', /silent for 1000 ms/, () => undefined],
    ['answers with another protocol', /./, (request) => void request.socket.end('SSH-2.0-x\r\n\r\n')],
    [
      'switches protocols',
      /no answer that is HTTP/,
      (request) => void request.socket.write('HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n'),
    ],
    [
      'sends a length and a coding',
      /./,
      (request) => void request.socket.write('HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n'),
    ],
    [
      'breaks off within a short body',
      /broke off|aborted/,
      (request) => void request.socket.end('HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nabc'),
    ],
  ])('%s is answered for with 502', async (_, reason, answer) => {
    const { status, body } = await answerOf(answer)
    expect(status).toBe(502)
    expect(JSON.parse(body)).toEqual({ message: expect.stringMatching(reason) })
    expect(body).not.toContain(token)
  })

  it('breaks off within a long body breaks the server’s answer off too', async () => {
    await expect(
      answerOf((_, response) => {
        response.writeHead(200, { 'content-length': '1000000' })
        response.write('a'.repeat(70_000), () => response.destroy())
      }),
    ).rejects.toThrow()
  })

  it('answers with a status that is none is answered for with 502, and its connection does not stay behind', async () => {
    const lane = await bench.lane()
    lane.begin(call([`GET ${path}`]))
    let closed = false
    bench.upstream.answer = ({ socket }) => {
      socket.once('close', () => (closed = true))
      socket.write('HTTP/1.1 099 X\r\nContent-Length: 100000\r\n\r\nx')
    }
    const answer = await ask(lane, { path })
    expect(answer).toMatchObject({ status: 502, body: expect.stringContaining('status 99, which is none') })
    await eventually(() => closed)
    lane.close()
  })

  it('answers early hints and no content', async () => {
    const answer = await answerOf((_, response) => {
      response.writeEarlyHints({ link: '</a>; rel=preload' }, () => response.writeHead(204).end())
    })
    expect(answer).toMatchObject({ status: 204, body: '' })
  })

  it('is asked for a head alone', async () => {
    const answer = await answerOf((_, response) => response.writeHead(200, { 'content-length': '12345', 'x-a': 'b' }).end(), {
      method: 'HEAD',
    })
    expect(answer).toMatchObject({ status: 200, headers: { 'content-length': '12345', 'x-a': 'b' }, body: '' })
  })

  it('sets cookies and hop headers keeps them to itself', async () => {
    const answer = await answerOf((_, response) => {
      response
        .writeHead(200, {
          'set-cookie': ['a=b'],
          'proxy-authenticate': 'x',
          'alt-svc': 'h3=":443"',
          'strict-transport-security': 'max-age=1',
          etag: '"1"',
        })
        .end()
    })
    expect(Object.keys(answer.headers).sort()).toEqual(['connection', 'date', 'etag', 'transfer-encoding'])
  })

  it('tells secrets is scrubbed: headers, short bodies, long bodies, and across the seams of its pieces', async () => {
    const other = 'another-live-secret-of-the-broker'
    bench.live.push(new Secret(other))
    const lane = await bench.lane()
    lane.begin(call([`GET ${path}`]))
    const long = `${'x'.repeat(200_000)}${token}${'y'.repeat(200_000)}${Buffer.from(token).toString('base64')}`
    const bodies = [`{"token":"${token}","other":"${other}"}`, long]
    for (const body of bodies) {
      bench.upstream.answer = (_, response) => response.setHeader('x-echo', `Bearer ${token}`).end(body)
      const answer = await ask(lane, { path })
      expect(answer.status).toBe(200)
      expect(JSON.stringify(answer)).not.toContain(token.slice(4, 24))
      expect(answer.body).not.toContain(other)
      expect(answer.body).not.toContain(Buffer.from(token).toString('base64').slice(0, 20))
    }
    bench.upstream.answer = (_, response) => {
      const pieces = [...`a${token}b`]
      const next = (): void => void (pieces.length === 0 ? response.end() : response.write(pieces.shift(), () => setImmediate(next)))
      next()
    }
    expect((await ask(lane, { path })).body).toBe('a[redacted by jit]b')
    lane.close()
  })

  it.each([
    ['with a credential', 'api.test', undefined],
    ['without one', 'open.test', {}],
  ])('echoes cannot be had piece by piece, %s', async (_, host, credential) => {
    bench.live.push(new Secret(token))
    const lane = await bench.lane()
    lane.begin(call([`GET ${path}`]))
    const echo = `Authorization: Bearer ${token}`
    bench.upstream.answer = (request, response) => {
      const [, from, to] = /^bytes=(\d+)-(\d+)$/.exec(request.headers.range ?? '') ?? []
      if (from === undefined || to === undefined) return void response.end(echo)
      response.writeHead(206, { 'content-range': `bytes ${from}-${to}/${echo.length}` }).end(echo.slice(Number(from), Number(to) + 1))
    }
    let pieces = ''
    for (let from = 0; from < echo.length; from += 8) {
      const headers = {
        ...(credential ?? { authorization: `Bearer ${placeholder}` }),
        range: `bytes=${from}-${from + 7}`,
        'if-range': '"1"',
      }
      pieces += (await ask(lane, { path, host, headers })).body
    }
    expect(pieces).not.toContain(token)
    expect(pieces).toMatch(/^(Authorization: Bearer \[redacted by jit\])+$/)
    expect(bench.upstream.journal.flatMap(({ headers }) => Object.keys(headers))).not.toContain('if-range')
    lane.close()
  })

  it('tells its secret as the id of the request: it does not get into the trail either', async () => {
    const lane = await bench.lane()
    const made = call([`GET ${path}`])
    lane.begin(made)
    bench.upstream.answer = (_, response) => response.setHeader('x-github-request-id', `${'x'.repeat(180)}${token}`).end('{}')
    await ask(lane, { path })
    expect(made.sent[0]?.requestId).toMatch(/^x+\[redacted by jit\]$/)
    lane.close()
  })

  it('told to a server, which writes it into an address, stays out of the trail, whether that is let through or refused', async () => {
    const lane = await bench.lane()
    const made = call([`GET ${path}/**`])
    lane.begin(made)
    await ask(lane, { path: `${path}/${token}` })
    await ask(lane, { path: `/${'x'.repeat(480)}${token}` })
    await ask(lane, { path: `/other/${token}?${token}=1` })
    expect(made.sent).toMatchObject([{ url: expect.stringMatching(/web\/\[redacted by jit\]$/) }])
    const refused = bench.audit.ofType('egress.refused').map(({ request }) => request.path)
    expect(refused.slice(-2)).toEqual([expect.stringMatching(/^\/x+\[redacted by jit/), '/other/[redacted by jit]?[redacted by jit]'])
    expect(JSON.stringify(bench.audit.events)).not.toContain(token.slice(0, 12))
    lane.close()
  })
})

/** Waits until a count stays as it is: nobody reads, and what is under way fills the buffers between. */
async function standstill(count: () => number): Promise<void> {
  for (let last = -1; last !== count();) {
    last = count()
    await new Promise((resolve) => setTimeout(resolve, 100))
  }
}

describe('large bodies', () => {
  // More than the sockets between hold on their own.
  const size = 48 * 1024 * 1024

  it('go up at the upstream’s pace', async () => {
    const lane = await bench.lane()
    lane.begin(call([`POST ${path}`]))
    const arrived = new Promise<[IncomingMessage, ServerResponse]>((resolve) => {
      bench.upstream.answer = (request, response) => {
        request.removeAllListeners('data').pause()
        resolve([request, response])
      }
    })
    const socket = await secure(lane)
    const answers = listen(socket)
    socket.write(`POST ${path} HTTP/1.1\r\nHost: api.test\r\nAuthorization: Bearer ${placeholder}\r\nContent-Length: ${size}\r\n\r\n`)
    let taken = 0
    const piece = Buffer.alloc(65_536, 'a')
    const more = (): void => void (taken < size && socket.write(piece, () => ((taken += piece.length), more())))
    more()
    const [request, response] = await arrived
    await standstill(() => taken)
    expect(taken).toBeLessThan(size)
    let received = 0
    for await (const chunk of request) received += chunk.length
    expect(received).toBe(size)
    response.end('{"done":true}')
    await answers.until('done')
    socket.destroy()
    lane.close()
  })

  it('come down at the server’s pace, also when that is slower than an upstream may be', async () => {
    const quick = await openBench(clock, 150)
    const lane = await quick.lane()
    lane.begin(call([`GET ${path}`]))
    let written = 0
    const stuck = new Promise<void>((resolve) => {
      quick.upstream.answer = (_, response) => {
        const more = (): void => {
          while (written < size) {
            written += 65_536
            if (!response.write(Buffer.alloc(65_536, 'a'))) {
              response.once('drain', more)
              return resolve()
            }
          }
          response.end()
        }
        more()
      }
    })
    const socket = await secure(lane)
    socket.write(`GET ${path} HTTP/1.1\r\nHost: api.test\r\nAuthorization: Bearer ${placeholder}\r\nConnection: close\r\n\r\n`)
    socket.pause()
    await stuck
    await standstill(() => written)
    expect(written).toBeLessThan(size)
    let received = 0
    socket.on('data', (chunk: Buffer) => (received += chunk.length))
    socket.resume()
    await once(socket, 'close')
    expect(received).toBeGreaterThan(size)
    await quick.close()
  })

  it('that a rule binds are read to 1 MiB', async () => {
    const lane = await bench.lane()
    lane.begin(call([rule(`POST ${path}`, { body: [{ pointer: '/a', value: 1 }] })]))
    const headers = { authorization: `Bearer ${placeholder}`, 'content-type': 'application/json' }
    const send = async (padding: number): Promise<number> =>
      (await ask(lane, { method: 'POST', path, headers, body: JSON.stringify({ a: 1, b: 'x'.repeat(padding) }) })).status
    expect(await send(1024 * 1024 - 14)).toBe(200)
    expect(await send(1024 * 1024)).toBe(413)
    expect(bench.refusals()).toEqual(['a body over 1048576 bytes where a rule binds it'])
    lane.close()
  })
})
