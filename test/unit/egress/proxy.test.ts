import { once } from 'node:events'
import { connect, createServer, type Socket } from 'node:net'
import { connect as connectTls } from 'node:tls'
import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { createScrubber } from '../../../src/core/scrub.ts'
import { createInner, serverLimits } from '../../../src/egress/inner.ts'
import { Lane } from '../../../src/egress/lane.ts'
import { listenOnLoopback } from '../../../src/egress/listen.ts'
import { createRefusals } from '../../../src/egress/refusals.ts'
import type { LaneNetwork } from '../../../src/egress/types.ts'
import { FakeClock } from '../../support/fake-clock.ts'
import { ask, type Bench, call, eventually, exchange, listen, origin, placeholder, secure, shareBench, tunnel } from './support.ts'

const clock = new FakeClock(Date.now())
let bench: Bench
shareBench((opened) => (bench = opened), clock)

function dial(lane: LaneNetwork): Socket {
  return connect(Number(new URL(lane.proxyUrl).port), '127.0.0.1')
}

const basic = (pair: string): string => `Basic ${Buffer.from(pair).toString('base64')}`

describe('a CONNECT', () => {
  it.each<[name: string, credentials: (lane: URL, other: URL) => string]>([
    ['no credentials', () => ''],
    ['a wrong nonce', ({ username }) => basic(`${username}:wrong`)],
    ['the beginning of the nonce', ({ username, password }) => basic(`${username}:${password.slice(0, -1)}`)],
    ['more than the nonce', ({ username, password }) => basic(`${username}:${password}x`)],
    ['no nonce', ({ username }) => basic(`${username}:`)],
    ['an unknown lane', ({ password }) => basic(`lane_unknown:${password}`)],
    ['a lane of the prototype', ({ password }) => basic(`__proto__:${password}`)],
    ['the nonce of another lane', ({ username }, { password }) => basic(`${username}:${password}`)],
    ['the nonce as a bearer', ({ password }) => `Bearer ${password}`],
    ['no base64', ({ username, password }) => `Basic ${username}:${password}`],
  ])('with %s is nobody’s: 407', async (_, credentials) => {
    const [lane, other] = [await bench.lane(), await bench.lane()]
    const given = credentials(new URL(lane.proxyUrl), new URL(other.proxyUrl))
    await expect(tunnel(lane, 'api.test:443', given)).rejects.toThrow(/^HTTP\/1\.1 407 [^]*proxy-authenticate: Basic/)
    expect(bench.audit.ofType('egress.refused')).toMatchObject([{ server: '', lane: '', reason: 'wrong or missing proxy credentials' }])
    expect(JSON.stringify(bench.audit.events)).not.toContain(new URL(lane.proxyUrl).password)
    lane.close()
    other.close()
  })

  it.each([
    ['another host', 403, 'evil.test:443'],
    ['another port', 403, 'api.test:8443'],
    ['the port of clear text', 403, 'api.test:80'],
    ['a host that ends like one of ours', 403, 'evil-api.test:443'],
    ['a host that begins like one of ours', 403, 'api.test.evil.test:443'],
    ['an address', 403, '127.0.0.1:443'],
    ['a loopback address of the sixth version', 403, '[::1]:443'],
    ['the metadata service', 403, '169.254.169.254:443'],
    ['a name with a final dot', 400, 'api.test.:443'],
    ['no port', 400, 'api.test'],
    ['a port that is none', 400, 'api.test:99999'],
    ['an address in another spelling', 400, '0x7f000001:443'],
    ['an address in few parts', 400, '127.1:443'],
    ['somebody before the host', 400, 'api.test@evil.test:443'],
    ['a path behind it', 400, 'api.test:443/x'],
  ])('to %s is refused (%i) and recorded', async (_, status, to) => {
    const lane = await bench.lane()
    await expect(tunnel(lane, to)).rejects.toThrow(`HTTP/1.1 ${status} `)
    expect(bench.audit.ofType('egress.refused')).toMatchObject([{ server: 'github', request: { method: 'CONNECT' } }])
    lane.close()
  })

  it('in other letters and with its default port reaches the host', async () => {
    const lane = await bench.lane()
    const socket = await tunnel(lane, 'API.test:0443')
    socket.destroy()
    lane.close()
  })

  it('that was refused leaves no connection behind, also when its client stays', async () => {
    const lane = await bench.lane()
    const socket = connect({ port: Number(new URL(lane.proxyUrl).port), host: '127.0.0.1', allowHalfOpen: true })
    const answers = listen(socket)
    const ended = once(socket, 'end')
    socket.write('CONNECT evil.test:443 HTTP/1.1\r\nHost: evil.test\r\n\r\n')
    await answers.until('407')
    await ended
    await clock.advance(1000)
    // The other side is gone altogether: what is written now is answered by a reset.
    await eventually(() => {
      socket.write('x')
      return socket.destroyed
    })
    lane.close()
  })
})

describe('the proxy', () => {
  it('carries no clear text, and tells who may not ask from what may not be asked', async () => {
    const lane = await bench.lane()
    const { username, password } = new URL(lane.proxyUrl)
    const request = `GET http://api.test/ HTTP/1.1\r\nHost: api.test\r\n`
    expect(await exchange(dial(lane), `${request}\r\n`)).toMatch(/^HTTP\/1\.1 407 /)
    expect(await exchange(dial(lane), `${request}Proxy-Authorization: ${basic(`${username}:${password}`)}\r\n\r\n`)).toMatch(
      /^HTTP\/1\.1 403 /,
    )
    expect(bench.refusals()).toEqual(['wrong or missing proxy credentials', 'a request in clear text to the proxy'])
    lane.close()
  })

  it('ends what is no HTTP', async () => {
    const lane = await bench.lane()
    const socket = dial(lane)
    const closed = once(socket, 'close')
    socket.on('error', () => undefined)
    socket.write('\x16\x03\x01\x00\x00 not for here\r\n\r\n')
    socket.resume()
    await closed
    lane.close()
  })
})

describe('a tunnel', () => {
  it.each([
    ['plain HTTP', 'GET / HTTP/1.1\r\nHost: api.test\r\n\r\n', 'a tunnel that carries no TLS'],
    ['SSH', 'SSH-2.0-x\r\n', 'a tunnel that carries no TLS'],
    ['a handshake that is none', '\x16\x03\x01\x00\x05hello', 'a TLS handshake that fails'],
  ])('with %s in it is cut and recorded', async (_, bytes, reason) => {
    const lane = await bench.lane()
    lane.begin(call(['GET /']))
    const socket = await tunnel(lane)
    expect(await exchange(socket, bytes)).not.toContain('HTTP/')
    await eventually(() => bench.refusals().length > 0)
    expect(bench.refusals()).toEqual([expect.stringContaining(reason)])
    lane.close()
  })

  it('without a handshake in time is cut', async () => {
    const lane = await bench.lane()
    const socket = await tunnel(lane)
    const closed = once(socket.resume(), 'close')
    await eventually(() => clock.pending > 0)
    await clock.advance(10_000)
    await closed
    expect(bench.refusals()).toEqual(['no TLS handshake within 10000 ms'])
    lane.close()
  })

  it('for one host cannot be used for another: 421', async () => {
    const lane = await bench.lane({ origins: new Set([origin, 'https://other.test']) })
    lane.begin(call(['GET /a']))
    const named = await secure(lane, { servername: 'other.test', trust: false })
    const answers = listen(named)
    named.write(`GET /a HTTP/1.1\r\nHost: api.test\r\nAuthorization: Bearer ${placeholder}\r\n\r\n`)
    await answers.until('HTTP/1.1 421 ')
    expect((await ask(lane, { path: '/a', headers: { authorization: `Bearer ${placeholder}`, host: 'other.test' } })).status).toBe(421)
    expect(bench.refusals()).toEqual([
      'a handshake for another host: "other.test"',
      'another host than the connection is for',
      'another host than the connection is for',
    ])
    expect(bench.upstream.journal).toEqual([])
    lane.close()
  })

  it('without a name in its handshake, or with one in other letters, is judged alike', async () => {
    const lane = await bench.lane()
    lane.begin(call(['GET /a']))
    const raw = await tunnel(lane)
    const nameless = connectTls({ socket: raw, ca: [readFileSync(lane.caFile)], checkServerIdentity: () => undefined })
    await once(nameless, 'secureConnect')
    expect((await ask(lane, { path: '/a', socket: nameless })).status).toBe(421)
    const shouting = await secure(lane, { servername: 'API.TEST' })
    expect((await ask(lane, { path: '/a', socket: shouting })).status).toBe(200)
    lane.close()
  })

  it('speaks HTTP/1.1 and nothing newer', async () => {
    const lane = await bench.lane()
    const raw = await tunnel(lane)
    const modern = connectTls({ socket: raw, servername: 'api.test', ca: [readFileSync(lane.caFile)], ALPNProtocols: ['h2'] })
    await expect(once(modern, 'secureConnect')).rejects.toThrow()
    lane.close()
  })

  it('shows a certificate that only this lane’s authority vouches for', async () => {
    const [lane, other] = [await bench.lane(), await bench.lane({ origins: new Set(['https://other.test']), open: new Set() })]
    expect(lane.caFile).not.toBe(other.caFile)
    const raw = await tunnel(lane)
    const socket = connectTls({ socket: raw, servername: 'api.test', ca: [readFileSync(other.caFile)] })
    await expect(once(socket, 'secureConnect')).rejects.toThrow()
    lane.close()
    other.close()
  })
})

describe('a lane', () => {
  it('has 64 connections at most, and gets them back when they end', async () => {
    const [lane, other] = [await bench.lane(), await bench.lane()]
    const sockets = await Promise.all(Array.from({ length: 64 }, () => tunnel(lane)))
    await expect(tunnel(lane)).rejects.toThrow('HTTP/1.1 503 ')
    expect(bench.refusals()).toContain('more than 64 connections of one lane')
    const foreign = await tunnel(other)
    const [first] = sockets
    first?.destroy()
    let again: Socket | undefined
    for (let tries = 0; tries < 100 && again === undefined; tries += 1) again = await tunnel(lane).catch(() => undefined)
    expect(again).toBeDefined()
    foreign.destroy()
    lane.close()
    other.close()
  })

  it('writes a flood of refusals as a count', async () => {
    const lane = await bench.lane()
    const socket = await secure(lane)
    const answers = listen(socket)
    const one = `GET /a HTTP/1.1\r\nHost: api.test\r\nAuthorization: Bearer ${placeholder}\r\n\r\n`
    for (let sent = 0; sent < 150; sent += 1) socket.write(one)
    await answers.until((text) => text.split('HTTP/1.1 403 ').length > 150)
    const name = new URL(lane.proxyUrl).username
    const reasons = (): string[] => bench.audit.ofType('egress.refused').flatMap((event) => (event.lane === name ? [event.reason] : []))
    expect(reasons()).toHaveLength(100)
    lane.close()
    expect(reasons().slice(100)).toEqual(['the lane ended (50 more before this were refused and not written)'])
  })

  it('cannot have a placeholder that could be guessed', async () => {
    await expect(bench.lane({ placeholder: 'short' })).rejects.toThrow('placeholder of 5 characters')
    await expect(bench.lane({ placeholder: '' })).rejects.toThrow('placeholder of 0 characters')
  })
})

describe('a client that dawdles', () => {
  it.each([
    ['in its headers', 'GET /a HTTP/1.1\r\nHost: api.test\r\nX-Slow: '],
    ['before its first byte', ''],
  ])('%s is cut', async (_, bytes) => {
    const options = { lane: 'lane_slow', server: 'github', placeholder, origins: new Set([origin]), open: new Set<string>() }
    const log = { debug() {}, info() {}, warn() {}, error() {} }
    const lane = new Lane(options, 'nonce', createRefusals({ audit: bench.audit, clock, log, scrub: (text) => text }, options))
    const limits = { ...serverLimits, headersTimeout: 50, connectionsCheckingInterval: 20 }
    const inner = createInner({ network: bench.network, clock, log, scrubberFor: () => createScrubber([]) }, limits)
    const server = createServer((socket) =>
      inner.attach(socket, { lane, origin, host: 'api.test', misdirected: false, endpoint: undefined }),
    )
    const socket = connect(await listenOnLoopback(server), '127.0.0.1')
    const answers = listen(socket)
    const closed = once(socket, 'close')
    socket.write(bytes)
    await closed
    expect(answers.text()).toMatch(/^HTTP\/1\.1 408 /)
    expect(bench.refusals()).toEqual(['bytes that are no HTTP request (ERR_HTTP_REQUEST_TIMEOUT)'])
    inner.close()
    server.close()
  })
})
