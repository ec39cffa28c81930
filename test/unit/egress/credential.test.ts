import { describe, expect, it } from 'vitest'
import { Secret } from '../../../src/core/secret.ts'
import { ask, type Bench, call, exchange, lease, placeholder, rule, secure, shareBench, token } from './support.ts'

let bench: Bench
shareBench((opened) => (bench = opened))

const path = '/repos/acme/web'
const pair = (user: string, password: string): string => `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}`

async function withCall(
  asking: Parameters<typeof ask>[1],
  mine = call([`GET ${path} ?q`, `POST ${path}`]),
): Promise<Awaited<ReturnType<typeof ask>>> {
  const lane = await bench.lane()
  const end = lane.begin(mine)
  const answer = await ask(lane, { path, ...asking })
  end()
  lane.close()
  return answer
}

describe('the token', () => {
  it.each([
    ['Authorization: Bearer', { authorization: `Bearer ${placeholder}` }, { authorization: `Bearer ${token}` }],
    ['Authorization: token', { authorization: `token ${placeholder}` }, { authorization: `token ${token}` }],
    ['Authorization alone', { authorization: placeholder }, { authorization: token }],
    [
      'a Basic pair as its password',
      { authorization: pair('x-access-token', placeholder) },
      { authorization: pair('x-access-token', token) },
    ],
    ['a Basic pair of an address', { authorization: pair('me@acme.test', placeholder) }, { authorization: pair('me@acme.test', token) }],
    ['a Basic pair as its name', { authorization: pair(placeholder, 'x-oauth-basic') }, { authorization: pair(token, 'x-oauth-basic') }],
    ['a Basic pair without a password', { authorization: pair(placeholder, '') }, { authorization: pair(token, '') }],
    ['Private-Token', { 'private-token': placeholder }, { 'private-token': token }],
    ['X-Vault-Token', { 'X-Vault-Token': placeholder }, { 'x-vault-token': token }],
    ['X-Api-Key', { 'X-Api-Key': placeholder }, { 'x-api-key': token }],
  ])('stands where the placeholder stood: %s', async (_, headers, arrived) => {
    expect((await withCall({ headers })).status).toBe(200)
    expect(bench.upstream.journal[0]?.headers).toMatchObject(arrived)
    expect(JSON.stringify(bench.upstream.journal)).not.toContain(placeholder)
  })

  it('is the part called token, or the only part', async () => {
    const parts = { access: new Secret('AKIA-access-part'), token: new Secret(token) }
    await withCall({}, call([`GET ${path}`], { lease: { ...lease(), secrets: parts } }))
    await withCall({}, call([`GET ${path}`], { lease: { ...lease(), secrets: { key: new Secret('only-part-of-it') } } }))
    expect(bench.upstream.journal.map(({ headers }) => headers.authorization)).toEqual([`Bearer ${token}`, 'Bearer only-part-of-it'])
  })

  it.each([
    ['parts of which none is called token', { a: new Secret('first-part-0'), b: new Secret('second-part-') }],
    ['no part', {}],
    ['a line end in it', { token: new Secret('abcdefgh\r\nX-Admin: 1') }],
    ['a space in it', { token: new Secret('abcdefgh ijkl') }],
    ['letters beyond ASCII', { token: new Secret('abcdefghé') }],
    ['nothing in it', { token: new Secret('') }],
  ])('is not written when the lease has %s', async (_, secrets) => {
    expect((await withCall({}, call([`GET ${path}`], { lease: { ...lease(), secrets } }))).status).toBe(403)
    expect(bench.refusals()).toEqual(['the lease holds no credential that fits into a header'])
    expect(bench.upstream.journal).toEqual([])
  })
})

describe('another credential than the placeholder', () => {
  it('does not come into the record of its refusal, in whatever header’s name it stands', async () => {
    const other = 'another-live-secret-of-the-broker'
    bench.live.push(new Secret(other))
    const lane = await bench.lane()
    for (const name of [`x-${other}-token`, `x-${other}-${'x'.repeat(9000)}-token`])
      expect((await ask(lane, { path, headers: { authorization: `Bearer ${placeholder}`, [name]: 'x' } })).status).toBe(403)
    const [short = '', long = ''] = bench.refusals()
    expect(short).toBe('another credential than this lane’s placeholder in the header x-[redacted by jit]-token')
    expect(long.length).toBeLessThan(600)
    lane.close()
  })

  it.each([
    ['a bearer token', { authorization: 'Bearer ghp_somebodyelse' }],
    ['a bearer token of the same length', { authorization: `Bearer ${'x'.repeat(placeholder.length)}` }],
    ['the placeholder and more', { authorization: `Bearer ${placeholder}x` }],
    ['the placeholder in another case', { authorization: `Bearer ${placeholder.toUpperCase()}` }],
    ['two tokens in one header', { authorization: `Bearer ${placeholder}, Bearer other` }],
    ['an unknown scheme', { authorization: `Negotiate ${placeholder}` }],
    ['a digest', { authorization: `Digest username="a", response="${placeholder}"` }],
    ['a signature', { authorization: `AWS4-HMAC-SHA256 Credential=${placeholder}/20260101/eu/s3/aws4_request` }],
    ['a scheme alone', { authorization: 'Bearer' }],
    ['nothing', { authorization: '' }],
    ['another pair', { authorization: pair('me', 'secret') }],
    ['a pair with a second credential', { authorization: pair('ghp_anothertokenghp_anothertokenghp_anothertoken', placeholder) }],
    ['a pair whose password is one too', { authorization: pair(placeholder, 'another') }],
    ['a pair without a colon', { authorization: `Basic ${Buffer.from(placeholder).toString('base64')}` }],
    ['a pair with a colon in the password', { authorization: pair('me', `${placeholder}:x`) }],
    ['a second credential in another header', { authorization: `Bearer ${placeholder}`, 'x-api-key': 'mine' }],
    ['an API key', { 'x-api-key': 'mine' }],
    ['a session token of AWS', { 'x-amz-security-token': 'mine' }],
    ['a secret', { 'x-client-secret': 'mine' }],
    ['a credential for a proxy further on', { authorization: `Bearer ${placeholder}`, 'x-original-authorization': 'Bearer mine' }],
  ])('is refused and recorded: %s', async (_, headers) => {
    const answer = await withCall({ headers })
    expect(answer.status).toBe(403)
    expect(bench.refusals()).toEqual([expect.stringMatching(/^another credential than this lane’s placeholder in the header /)])
    expect(JSON.stringify([answer, bench.audit.events])).not.toContain('mine')
    expect(bench.upstream.journal).toEqual([])
  })
})

describe('the placeholder where no credential belongs', () => {
  const half = `${placeholder.slice(0, 20)}%${placeholder.charCodeAt(20).toString(16)}${placeholder.slice(21)}`
  const json = { authorization: `Bearer ${placeholder}`, 'content-type': 'application/json' }
  it.each<[name: string, asking: Parameters<typeof ask>[1]]>([
    ['in the path', { path: `/repos/${placeholder}` }],
    ['in the path, escaped', { path: `/repos/${half}` }],
    ['in the query', { path: `${path}?q=${placeholder}` }],
    ['in the query, escaped', { path: `${path}?q=${half}` }],
    ['in the query, as a name', { path: `${path}?${placeholder}` }],
    ['in the query, without a credential', { path: `${path}?access_token=${placeholder}`, headers: {} }],
    ['in another header', { headers: { authorization: `Bearer ${placeholder}`, 'user-agent': `x ${placeholder}` } }],
    ['in a header alone', { headers: { 'x-mine': placeholder } }],
    ['in the body', { method: 'POST', headers: json, body: `{"a":"${placeholder}"}` }],
  ])('is refused and recorded: %s', async (_, asking) => {
    expect((await withCall(asking)).status).toBe(403)
    expect(bench.refusals()).toEqual([expect.stringContaining('the placeholder in')])
    expect(JSON.stringify(bench.audit.events)).not.toContain(placeholder)
    expect(bench.upstream.journal.filter(({ body }) => body.includes(placeholder))).toEqual([])
  })

  it('is found in a body that comes in pieces', async () => {
    const lane = await bench.lane()
    lane.begin(call([`POST ${path}`]))
    const seen: string[] = []
    bench.upstream.answer = (request) => request.on('data', (chunk: Buffer) => seen.push(chunk.toString()))
    const socket = await secure(lane)
    const head = `POST ${path} HTTP/1.1\r\nHost: api.test\r\nAuthorization: Bearer ${placeholder}\r\nTransfer-Encoding: chunked\r\n\r\n`
    const pieces = [...placeholder].map((letter) => `1\r\n${letter}\r\n`).join('')
    const text = await exchange(socket, `${head}3\r\nabc\r\n${pieces}0\r\n\r\n`, (so) => so.endsWith('}\n'))
    expect(text).toMatch(/^HTTP\/1\.1 403 /)
    expect(bench.refusals()).toEqual(['the placeholder in the body'])
    expect(seen.join('')).not.toContain(placeholder)
    lane.close()
  })

  it('is found in a JSON body that a rule binds, however it is spelt', async () => {
    const mine = call([rule(`POST ${path}`, { body: [{ pointer: '/title', value: 'x' }] })])
    const body = `{"title":"x","other":"\\u${placeholder.charCodeAt(0).toString(16).padStart(4, '0')}${placeholder.slice(1)}"}`
    expect((await withCall({ method: 'POST', headers: json, body }, mine)).status).toBe(403)
    expect(bench.refusals()).toEqual(['the placeholder in the body'])
    expect(bench.upstream.journal).toEqual([])
  })
})
