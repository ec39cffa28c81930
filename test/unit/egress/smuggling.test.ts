import { describe, expect, it } from 'vitest'
import { pipelineCap } from '../../../src/egress/inner.ts'
import { type Bench, call, eventually, exchange, placeholder, secure, shareBench, token } from './support.ts'

let bench: Bench
shareBench((opened) => (bench = opened))

const credential = `Authorization: Bearer ${placeholder}`
const host = 'Host: api.test'
const get = 'GET /repos/acme/web HTTP/1.1'
const post = 'POST /repos/acme/web/issues HTTP/1.1'

/** One request by hand: lines are joined by CRLF, the body follows the empty line. */
function raw(lines: readonly string[], body = ''): string {
  return `${lines.join('\r\n')}\r\n\r\n${body}`
}

/** Sends bytes through a tunnel with two rules in flight and answers the statuses that came back, and what they held. */
async function speak(bytes: string, answers = 1): Promise<{ statuses: number[]; text: string }> {
  const lane = await bench.lane()
  const end = lane.begin(call(['GET /repos/acme/web', 'POST /repos/acme/web/issues', 'GET /open/**']))
  const text = await exchange(await secure(lane), bytes, (so) => complete(so) >= answers)
  end()
  lane.close()
  return { statuses: statusesIn(text), text }
}

/** How many answers are there and whole: each of those here ends with `}` or with its head. */
function complete(text: string): number {
  return /(\}\n?|\r\n\r\n)$/.test(text) ? statusesIn(text).filter((status) => status !== 100).length : 0
}

function statusesIn(text: string): number[] {
  return [...text.matchAll(/HTTP\/1\.1 (\d{3}) /g)].map((match) => Number(match[1]))
}

describe('requests that come faster than they are served', () => {
  it('wait for their turn as long as they are few; more are not read, and that is recorded once', async () => {
    let held: (() => void) | undefined
    bench.upstream.answer = (_, response) => {
      if (held === undefined) held = () => response.end('{"ok":true}')
      else response.end('{"ok":true}')
    }
    const lane = await bench.lane()
    const end = lane.begin(call(['GET /repos/acme/web']))
    const one = raw([get, host, credential])
    const few = exchange(await secure(lane), one.repeat(pipelineCap), (text) => statusesIn(text).length === pipelineCap)
    await eventually(() => held !== undefined)
    held?.()
    expect(statusesIn(await few)).toHaveLength(pipelineCap)

    bench.upstream.answer = () => undefined
    expect(await exchange(await secure(lane), one.repeat(5000))).toBe('')
    expect(bench.refusals()).toEqual([`more than ${pipelineCap} requests that wait`])
    end()
    lane.close()
  })
})

describe('what two readers could read differently', () => {
  it.each<[name: string, status: number, lines: string[], body?: string]>([
    ['two equal Host headers', 400, [get, host, host, credential]],
    ['two different Host headers', 400, [get, host, 'Host: evil.test', credential]],
    ['no Host header', 421, [get, credential]],
    ['an empty Host header', 421, [get, 'Host: ', credential]],
    ['another Host', 421, [get, 'Host: evil.test', credential]],
    ['another Host that is listed too', 421, [get, 'Host: open.test', credential]],
    ['a Host with a port that it does not need', 421, [get, 'Host: api.test:443', credential]],
    ['a Host with somebody before it', 421, [get, 'Host: me@api.test', credential]],
    ['a length and a coding', 400, [get, host, credential, 'Content-Length: 5', 'Transfer-Encoding: chunked'], '0\r\n\r\n'],
    ['a coding and a length', 400, [get, host, credential, 'Transfer-Encoding: chunked', 'Content-Length: 5'], '0\r\n\r\n'],
    ['two lengths that differ', 400, [get, host, credential, 'Content-Length: 1', 'Content-Length: 2'], 'ab'],
    ['two lengths that agree', 400, [get, host, credential, 'Content-Length: 1', 'Content-Length: 1'], 'a'],
    ['a list of lengths', 400, [get, host, credential, 'Content-Length: 1, 1'], 'a'],
    ['a length with a sign', 400, [get, host, credential, 'Content-Length: +1'], 'a'],
    ['a negative length', 400, [get, host, credential, 'Content-Length: -1'], 'a'],
    ['a length in hexadecimal', 400, [get, host, credential, 'Content-Length: 0x1'], 'a'],
    ['a coding in disguise', 400, [get, host, credential, 'Transfer-Encoding: xchunked']],
    ['a coding over chunks', 400, [get, host, credential, 'Transfer-Encoding: gzip, chunked'], '0\r\n\r\n'],
    ['two codings', 400, [get, host, credential, 'Transfer-Encoding: chunked', 'Transfer-Encoding: identity'], '0\r\n\r\n'],
    ['a folded header', 400, [get, host, credential, 'X-One: a', ' b: c']],
    ['a folded credential', 400, [get, host, 'Authorization: Bearer', ` ${placeholder}`]],
    ['a space before the colon', 400, [get, host, credential, 'Content-Length : 0']],
    ['a space before the name', 400, [get, host, credential, ' X-One: a']],
    ['a header without a name', 400, [get, host, credential, ': a']],
    ['a bare LF between headers', 400, [get, `${host}\n${credential}`]],
    ['a bare LF at the end of the request line', 400, [`${get}\n${host}`, credential]],
    ['a bare CR in a header', 400, [get, host, `X-One: a\rb`, credential]],
    ['NUL in a header', 400, [get, host, 'X-One: a\0b', credential]],
    ['NUL in the path', 400, ['GET /repos/acme/web\0 HTTP/1.1', host, credential]],
    ['two Authorization headers', 400, [get, host, credential, 'Authorization: Bearer other']],
    ['the same Authorization header twice', 400, [get, host, credential, credential]],
    ['two content types', 400, [get, host, credential, 'Content-Type: a/b', 'Content-Type: application/json']],
    ['a body of a GET', 400, [get, host, credential, 'Content-Length: 2'], '{}'],
    ['a body of a GET in chunks', 400, [get, host, credential, 'Transfer-Encoding: chunked'], '2\r\n{}\r\n0\r\n\r\n'],
    ['HTTP/1.0', 505, ['GET /repos/acme/web HTTP/1.0', host, credential]],
    ['HTTP/0.9', 505, ['GET /repos/acme/web']],
    ['HTTP/2 with prior knowledge', 400, ['PRI * HTTP/2.0', '', 'SM']],
    ['another protocol', 400, ['GET /repos/acme/web HTTPS/1.1', host, credential]],
    ['an absolute target', 400, ['GET https://api.test/repos/acme/web HTTP/1.1', host, credential]],
    ['an absolute target of another host', 400, ['GET http://evil.test/repos/acme/web HTTP/1.1', host, credential]],
    ['an authority as the target', 405, ['CONNECT api.test:443 HTTP/1.1', host, credential]],
    ['an authority as the target of a GET', 400, ['GET api.test:443 HTTP/1.1', host, credential]],
    ['an asterisk as the target', 400, ['OPTIONS * HTTP/1.1', host, credential]],
    ['an empty segment', 400, ['GET //repos/acme/web HTTP/1.1', host, credential]],
    ['an empty segment within', 400, ['GET /repos//web HTTP/1.1', host, credential]],
    ['an escaped slash', 400, ['GET /repos/acme%2fweb HTTP/1.1', host, credential]],
    ['a dot segment', 400, ['GET /open/../repos/acme/web HTTP/1.1', host, credential]],
    ['an escaped dot segment', 400, ['GET /open/%2e%2e/user HTTP/1.1', host, credential]],
    ['an escaped dot', 400, ['GET /open/a%2etxt HTTP/1.1', host, credential]],
    ['a half escaped dot segment', 400, ['GET /open/.%2E/user HTTP/1.1', host, credential]],
    ['a doubly escaped dot segment', 400, ['GET /open/%252e%252e/user HTTP/1.1', host, credential]],
    ['a dot segment with a parameter', 400, ['GET /open/..;/user HTTP/1.1', host, credential]],
    ['a dot segment with an escaped parameter', 400, ['GET /open/..%3b/user HTTP/1.1', host, credential]],
    ['a dot segment at the end', 400, ['GET /open/.. HTTP/1.1', host, credential]],
    ['a backslash', 400, ['GET /open\\..\\user HTTP/1.1', host, credential]],
    ['an escaped backslash', 400, ['GET /open/..%5cuser HTTP/1.1', host, credential]],
    ['an escaped NUL', 400, ['GET /open/a%00b HTTP/1.1', host, credential]],
    ['an escaped line end', 400, ['GET /open/a%0d%0ab HTTP/1.1', host, credential]],
    ['a broken escape', 400, ['GET /open/%zz HTTP/1.1', host, credential]],
    ['bytes that are no UTF-8', 400, ['GET /open/%ff HTTP/1.1', host, credential]],
    ['an overlong slash', 400, ['GET /open/%c0%af HTTP/1.1', host, credential]],
    ['raw bytes beyond ASCII', 400, ['GET /open/\xfc HTTP/1.1', host, credential]],
    ['a fragment', 400, ['GET /open/a#b HTTP/1.1', host, credential]],
    ['a semicolon in the query', 400, ['GET /open/a?x=1;y=2 HTTP/1.1', host, credential]],
    ['TRACE', 405, ['TRACE /repos/acme/web HTTP/1.1', host, credential]],
    ['an unknown method', 400, ['FETCH /repos/acme/web HTTP/1.1', host, credential]],
    ['a method in lower case', 400, ['get /repos/acme/web HTTP/1.1', host, credential]],
    ['an upgrade to a socket', 400, [get, host, credential, 'Connection: Upgrade', 'Upgrade: websocket']],
    ['an upgrade to HTTP/2', 400, [get, host, credential, 'Connection: Upgrade, HTTP2-Settings', 'Upgrade: h2c', 'HTTP2-Settings: AAMA']],
    ['an upgrade that Connection does not list', 400, [get, host, credential, 'Upgrade: h2c']],
    ['an expectation that nobody meets', 417, [get, host, credential, 'Expect: 200-ok']],
    ['a credential that Connection lists', 403, [get, host, credential, 'Connection: close, Authorization']],
    ['a header in an odd spelling', 400, [get, host, credential, 'Content_Length: 5']],
    ['a credential in an odd spelling', 400, [get, host, `X_Api_Key: ${placeholder}`]],
    ['too many headers', 431, [get, host, credential, ...Array.from({ length: 150 }, (_, index) => `X-${index}: a`)]],
    ['headers that are too long', 431, [get, host, credential, `X-Long: ${'a'.repeat(40_000)}`]],
  ])('%s is refused with %i, recorded, and never reaches the upstream', async (_, status, lines, body) => {
    const { statuses, text } = await speak(raw(lines, body))
    expect(statuses).toEqual([status])
    expect(text).toMatch(/^connection: close/im)
    expect(bench.refusals()).toHaveLength(1)
    expect(bench.upstream.journal).toEqual([])
  })

  it.each<[name: string, lines: string[]]>([
    ['a coding in disguise', [get, host, credential, 'Transfer-Encoding: xchunked']],
    ['another host', [get, 'Host: evil.test', credential]],
    ['an upgrade', [get, host, credential, 'Connection: Upgrade', 'Upgrade: websocket']],
    ['an expectation that nobody meets', [get, host, credential, 'Expect: 200-ok']],
  ])('%s ends the connection: a request that stands behind it is not served', async (_, lines) => {
    const { statuses } = await speak(raw(lines) + raw([get, host, credential]), 3)
    expect(statuses).toHaveLength(1)
    expect(bench.upstream.journal).toEqual([])
  })

  it.each<[name: string, lines: string[], body: string]>([
    ['a chunk whose size is none', ['Transfer-Encoding: chunked'], 'zz\r\n'],
    ['a chunk longer than its size', ['Transfer-Encoding: chunked'], '1\r\nabc\r\n0\r\n\r\n'],
    ['a chunk size that overflows', ['Transfer-Encoding: chunked'], 'fffffffffffffffff\r\na\r\n0\r\n\r\n'],
    ['a chunk size with a bare LF', ['Transfer-Encoding: chunked'], '1\na\n0\n\n'],
    ['an extension with a bare LF', ['Transfer-Encoding: chunked'], '1;a\nb\r\na\r\n0\r\n\r\n'],
  ])('a body with %s never becomes whole upstream', async (_, lines, body) => {
    let whole = false
    bench.upstream.answer = (request) => request.on('end', () => (whole = true))
    const { statuses } = await speak(raw([post, host, credential, ...lines], body))
    expect(statuses.filter((status) => status < 400)).toEqual([])
    expect(bench.refusals()).toEqual([expect.stringContaining('no HTTP request')])
    expect(whole).toBe(false)
  })
})

describe('what is read in one way travels as this side writes it', () => {
  it.each<[name: string, lines: string[]]>([
    ['two spaces in the request line', ['GET  /repos/acme/web HTTP/1.1', host, credential]],
    ['headers in any case', [get, 'hOsT: API.test', `AUTHORIZATION: bearer ${placeholder}`]],
    ['empty lines before the request', ['', '', get, host, credential]],
    ['white space around a value', [get, host, `Authorization:   Bearer ${placeholder}  `]],
    ['a length of nothing', [get, host, credential, 'Content-Length: 0']],
  ])('%s', async (_, lines) => {
    expect((await speak(raw(lines))).statuses).toEqual([200])
    expect(bench.upstream.journal).toMatchObject([{ method: 'GET', url: '/repos/acme/web', headers: { host: 'api.test' } }])
    expect(bench.upstream.journal[0]?.headers.authorization).toMatch(new RegExp(`^bearer ${token}$`, 'i'))
  })

  it('headers that end with this hop, or would change what the upstream reads, stay here', async () => {
    const hop = ['Connection: keep-alive, X-Mine', 'X-Mine: a', 'Keep-Alive: a', 'TE: trailers', 'Proxy-Authorization: Basic eA==']
    const forged = ['X-Forwarded-Host: evil.test', 'X-HTTP-Method-Override: DELETE', 'X-Original-URL: /user', 'Forwarded: host=evil.test']
    const kept = ['Accept: application/json', 'X-GitHub-Api-Version: 2022-11-28', 'If-None-Match: "a"']
    await speak(raw([get, host, credential, ...hop, ...forged, 'Cookie: a=b', ...kept]))
    const [entry] = bench.upstream.journal
    expect(entry?.rawHeaders.filter((_, index) => index % 2 === 0).sort()).toEqual(
      ['Accept', 'Accept-Encoding', 'Authorization', 'Connection', 'Host', 'If-None-Match', 'X-GitHub-Api-Version'].sort(),
    )
    expect(entry?.headers).toMatchObject({ 'accept-encoding': 'identity', connection: 'keep-alive' })
  })

  it('Connection cannot take away the type of a body that a rule reads', async () => {
    await speak(raw([post, host, credential, 'Connection: content-type', 'Content-Type: application/json', 'Content-Length: 2'], '{}'))
    expect(bench.upstream.journal).toMatchObject([{ headers: { 'content-type': 'application/json' }, body: '{}' }])
  })

  it('chunks lose their extensions and trailers', async () => {
    const body = `5;a="${placeholder}"\r\nhello\r\n0\r\nAuthorization: Bearer ${placeholder}\r\nX-Late: ${placeholder}\r\n\r\n`
    const { statuses } = await speak(raw([post, host, credential, 'Transfer-Encoding: chunked', 'Trailer: X-Late'], body))
    expect(statuses).toEqual([200])
    const [entry] = bench.upstream.journal
    expect(entry?.body).toBe('hello')
    expect(JSON.stringify(entry)).not.toContain(placeholder)
    expect(entry?.headers).not.toHaveProperty('trailer')
  })
})

describe('requests on one connection', () => {
  it('are judged each by itself', async () => {
    const { statuses, text } = await speak(
      [
        raw([get, host, credential]),
        raw(['GET /repos/acme/secret HTTP/1.1', host, credential]),
        raw([post, host, credential, 'Content-Length: 2'], '{}'),
        raw([get, host, 'Authorization: Bearer ghp_another']),
        raw([get, host]),
        raw([get, host, credential]),
      ].join(''),
      6,
    )
    expect(statuses).toEqual([200, 403, 200, 403, 403, 200])
    expect(text).not.toContain(token)
    expect(bench.upstream.journal.map(({ method, url }) => `${method} ${url}`)).toEqual([
      'GET /repos/acme/web',
      'POST /repos/acme/web/issues',
      'GET /repos/acme/web',
    ])
    expect(bench.refusals()).toEqual([
      'no rule of a call in flight admits this request',
      'another credential than this lane’s placeholder in the header authorization',
      'no credential: the placeholder is missing',
    ])
  })

  it('are no body of the one before, whatever it says', async () => {
    const smuggled = raw(['GET /user HTTP/1.1', host])
    const { statuses } = await speak(raw([post, host, credential, `Content-Length: ${smuggled.length}`], smuggled))
    expect(statuses).toEqual([200])
    expect(bench.upstream.journal).toMatchObject([{ method: 'POST', body: smuggled }])
  })

  it('end with one that is refused while its client waits to send a body', async () => {
    const refused = raw(['POST /user HTTP/1.1', host, credential, 'Content-Length: 5', 'Expect: 100-continue'])
    const { statuses, text } = await speak(refused + raw([get, host, credential]), 2)
    expect(statuses).toEqual([403])
    expect(text).toMatch(/^connection: close/im)
    expect(bench.upstream.journal).toEqual([])
  })

  it('get 100 Continue only when they are admitted', async () => {
    const asked = raw([post, host, credential, 'Content-Length: 2', 'Expect: 100-continue'])
    expect((await speak(`${asked}{}`)).statuses).toEqual([100, 200])
    expect(bench.upstream.journal).toMatchObject([{ body: '{}' }])
    expect(bench.upstream.journal[0]?.headers).not.toHaveProperty('expect')
  })
})
