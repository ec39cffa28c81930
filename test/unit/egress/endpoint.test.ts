import { request as httpRequest } from 'node:http'
import { connect, type Socket } from 'node:net'
import { describe, expect, it } from 'vitest'
import { Secret } from '../../../src/core/secret.ts'
import { translate } from '../../../src/egress/answer.ts'
import type { LaneNetwork } from '../../../src/egress/types.ts'
import { type Answer, ask, type Bench, call, exchange, origin, placeholder, rule, shareBench, token } from './support.ts'

let bench: Bench
shareBench((opened) => (bench = opened))

const prefix = '/api/v3'
const authorization = `Bearer ${placeholder}`

async function endpointLane(options: { prefix?: string } = {}): Promise<LaneNetwork & { url: string }> {
  const lane = await bench.lane({ endpoint: { upstream: origin, prefix: options.prefix ?? prefix } })
  if (lane.endpointUrl === undefined) throw new Error('the lane has no endpoint')
  return { ...lane, url: lane.endpointUrl }
}

function get(url: string, headers: Record<string, string> = { authorization }): Promise<Answer> {
  return new Promise((resolve, reject) => {
    httpRequest(url, { headers, agent: false }, (answer) => {
      let body = ''
      answer.setEncoding('utf8').on('data', (part: string) => (body += part))
      answer.once('end', () => resolve({ status: answer.statusCode ?? 0, headers: answer.headers, body }))
    })
      .once('error', reject)
      .end()
  })
}

describe('a base-URL lane', () => {
  it('takes its prefix off and sends what a rule admits', async () => {
    const lane = await endpointLane()
    lane.begin(call(['GET /repos/acme/web ?page']))
    const answer = await get(`${lane.url}${prefix}/repos/acme/web?page=2`)
    expect(answer.status).toBe(200)
    expect(bench.upstream.journal).toMatchObject([
      { url: '/repos/acme/web?page=2', headers: { host: 'api.test', authorization: `Bearer ${token}` } },
    ])
    lane.close()
  })

  it('sends an escaped slash on as it came, where a rule binds that segment, and nowhere else', async () => {
    const lane = await endpointLane()
    const project = rule('GET /projects/x/issues')
    const escaped = { kind: 'literal', value: 'acme/web', ignoreCase: false, encoded: true } as const
    const end = lane.begin(call([{ ...project, segments: project.segments.with(1, escaped) }, 'GET /repos/**']))
    expect((await get(`${lane.url}${prefix}/projects/acme%2Fweb/issues`)).status).toBe(200)
    expect(bench.upstream.journal.map(({ url }) => url)).toEqual(['/projects/acme%2Fweb/issues'])
    for (const path of ['/projects/acme/web/issues', '/projects/acme%2Fapi/issues', '/repos/acme%2Fweb'])
      expect((await get(`${lane.url}${prefix}${path}`)).status).toBe(403)
    end()
    lane.begin(call(['GET /repos/**']))
    expect((await get(`${lane.url}${prefix}/repos/acme%2Fweb`)).status).toBe(400)
    expect(bench.upstream.journal).toHaveLength(1)
    lane.close()
  })

  it('needs none', async () => {
    const lane = await endpointLane({ prefix: '' })
    lane.begin(call(['GET /repos/acme/web']))
    expect((await get(`${lane.url}/repos/acme/web`)).status).toBe(200)
    lane.close()
  })

  it.each<[name: string, status: number, path: string, headers?: Record<string, string>]>([
    ['a path outside of the prefix', 400, '/repos/acme/web'],
    ['the prefix alone', 400, prefix],
    ['the prefix with a query', 400, `${prefix}?page=1`],
    ['another one that begins like it', 400, `${prefix}0/repos/acme/web`],
    ['the prefix in another case', 400, '/API/v3/repos/acme/web'],
    ['an escaped prefix', 400, '/api%2fv3/repos/acme/web'],
    ['a way out of the prefix', 400, `${prefix}/%2e%2e/repos/acme/web`],
    ['the prefix twice', 403, `${prefix}${prefix}/repos/acme/web`],
    ['another path', 403, `${prefix}/user`],
    ['no credential', 403, `${prefix}/repos/acme/web`, {}],
    ['another credential', 403, `${prefix}/repos/acme/web`, { authorization: 'Bearer ghp_another' }],
    ['the host of the upstream', 421, `${prefix}/repos/acme/web`, { authorization, host: 'api.test' }],
    ['a name of this machine', 421, `${prefix}/repos/acme/web`, { authorization, host: 'localhost' }],
    ['a page of a browser under its own name', 421, `${prefix}/repos/acme/web`, { authorization, host: 'rebound.test' }],
  ])('refuses %s', async (_, status, path, headers) => {
    const lane = await endpointLane()
    lane.begin(call(['GET /repos/acme/web']))
    expect((await get(`${lane.url}${path}`, headers)).status).toBe(status)
    expect(bench.refusals()).toHaveLength(1)
    expect(bench.upstream.journal).toEqual([])
    lane.close()
  })

  it('takes the placeholder of its own lane alone', async () => {
    const [lane, other] = [await endpointLane(), await bench.lane({ placeholder: 'ghs_another0lane0another0lane0another0lan' })]
    lane.begin(call(['GET /repos/acme/web']))
    other.begin(call(['GET /repos/acme/web']))
    const stolen = { authorization: 'Bearer ghs_another0lane0another0lane0another0lan' }
    expect((await get(`${lane.url}${prefix}/repos/acme/web`, stolen)).status).toBe(403)
    lane.close()
    other.close()
  })

  it('speaks no CONNECT and takes no absolute address', async () => {
    const lane = await endpointLane()
    lane.begin(call(['GET /repos/acme/web']))
    const host = new URL(lane.url).host
    const dial = (): Socket => connect(Number(new URL(lane.url).port), '127.0.0.1')
    const head = `Host: ${host}\r\nAuthorization: ${authorization}\r\n\r\n`
    expect(await exchange(dial(), `CONNECT api.test:443 HTTP/1.1\r\n${head}`)).toMatch(/^HTTP\/1\.1 405 /)
    expect(await exchange(dial(), `GET http://${host}${prefix}/repos/acme/web HTTP/1.1\r\n${head}`)).toMatch(/^HTTP\/1\.1 400 /)
    expect(bench.upstream.journal).toEqual([])
    lane.close()
  })

  it('ends with its lane', async () => {
    const lane = await endpointLane()
    lane.begin(call(['GET /repos/acme/web']))
    await get(`${lane.url}${prefix}/repos/acme/web`)
    lane.close()
    await expect(get(`${lane.url}${prefix}/repos/acme/web`)).rejects.toThrow('ECONNREFUSED')
  })

  it('answers with its own address in place of the upstream’s, and without secrets', async () => {
    const lane = await endpointLane()
    lane.begin(call(['GET /repos/acme/web']))
    bench.upstream.answer = (_, response) =>
      response
        .writeHead(302, {
          location: `${origin}/repositories/1?token=${token}`,
          link: `<${origin}/a?page=2>; rel="next", <${origin}/a?page=9>; rel="last"`,
          'x-echo': token,
        })
        .end(`{"token":"${token}"}`)
    const answer = await get(`${lane.url}${prefix}/repos/acme/web`)
    const base = `${lane.url}${prefix}`
    expect(answer).toMatchObject({
      status: 302,
      headers: {
        location: `${base}/repositories/1?token=[redacted by jit]`,
        link: `<${base}/a?page=2>; rel="next", <${base}/a?page=9>; rel="last"`,
        'x-echo': '[redacted by jit]',
      },
      body: '{"token":"[redacted by jit]"}',
    })
    lane.close()
  })
})

describe('addresses in answers', () => {
  const endpoint = { prefix, url: 'http://127.0.0.1:7' }
  const base = 'http://127.0.0.1:7/api/v3'
  it.each([
    ['Location', 'https://api.test/a', `${base}/a`],
    ['location', 'HTTPS://API.TEST/a', `${base}/a`],
    ['Location', 'https://api.test', base],
    ['Location', 'https://api.test?a=b', `${base}?a=b`],
    ['Location', '/a', `${prefix}/a`],
    ['Location', 'a/b', 'a/b'],
    ['Location', '//api.test/a', '//api.test/a'],
    ['Location', 'https://api.test.evil.test/a', 'https://api.test.evil.test/a'],
    ['Location', 'https://api.test:8443/a', 'https://api.test:8443/a'],
    ['Location', 'http://api.test/a', 'http://api.test/a'],
    ['Location', 'https://elsewhere.test/?to=https://api.test/a', 'https://elsewhere.test/?to=https://api.test/a'],
    ['Content-Location', 'https://api.test/a', `${base}/a`],
    ['Link', '<https://api.test/a?b=https://api.test/c>; rel="next"', `<${base}/a?b=https://api.test/c>; rel="next"`],
    ['Link', '<https://api.test/a>; rel="next", <https://api.test/b>; rel="last"', `<${base}/a>; rel="next", <${base}/b>; rel="last"`],
    ['Link', '</a>; rel="next", </b>; rel="last"', `<${prefix}/a>; rel="next", <${prefix}/b>; rel="last"`],
    ['Link', '<https://api.test/a>; rel="next", </b>; rel="last"', `<${base}/a>; rel="next", <${prefix}/b>; rel="last"`],
    ['Link', '<https://elsewhere.test/a>; rel="next"', '<https://elsewhere.test/a>; rel="next"'],
    ['ETag', 'https://api.test/a', 'https://api.test/a'],
  ])('%s: %s becomes %s', (name, value, expected) => {
    expect(translate({ endpoint, origin }, name, value)).toBe(expected)
    expect(translate({ endpoint: undefined, origin }, name, value)).toBe(value)
  })
})

describe('an open origin', () => {
  const open = { host: 'open.test' }

  it('is reached without a credential, whatever the path, with or without a call', async () => {
    const lane = await bench.lane()
    const path = '/files/a..b?X-Amz-Signature=abc&X-Amz-Credential=AKIA%2Fx;y'
    expect((await ask(lane, { ...open, path, headers: {} })).status).toBe(200)
    expect(bench.upstream.journal).toMatchObject([{ url: path, headers: { host: 'open.test' } }])
    expect(bench.upstream.journal[0]?.headers).not.toHaveProperty('authorization')
    lane.close()
  })

  it('gets no credential: the placeholder is refused there, and so is any other', async () => {
    const lane = await bench.lane()
    lane.begin(call(['GET /a']))
    expect((await ask(lane, { ...open, path: '/a' })).status).toBe(403)
    expect((await ask(lane, { ...open, path: '/a', headers: { authorization: 'Bearer mine' } })).status).toBe(403)
    expect((await ask(lane, { ...open, path: `/a?t=${placeholder}`, headers: {} })).status).toBe(403)
    expect(bench.refusals()).toEqual([
      'a credential for an origin that gets none',
      'another credential than this lane’s placeholder in the header authorization',
      'the placeholder in the address',
    ])
    expect(bench.upstream.journal).toEqual([])
    lane.close()
  })

  it('gets none either when a rule names it but the server’s origins do not', async () => {
    const lane = await bench.lane()
    const mine = call([])
    lane.begin({ ...mine, requests: [{ text: '', method: 'GET', origin: 'https://open.test', segments: [{ kind: 'rest' }], query: [] }] })
    expect((await ask(lane, { ...open, path: '/a' })).status).toBe(403)
    expect(bench.upstream.journal).toEqual([])
    lane.close()
  })

  it('has its answers scrubbed too', async () => {
    const lane = await bench.lane()
    bench.live.push(new Secret('a-secret-of-another-lane'))
    bench.upstream.answer = (_, response) => response.end('x a-secret-of-another-lane y')
    expect((await ask(lane, { ...open, path: '/a', headers: {} })).body).toBe('x [redacted by jit] y')
    lane.close()
  })
})
