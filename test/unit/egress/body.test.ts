import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { RequestRule } from '../../../src/core/types.ts'
import { parseBody } from '../../../src/egress/body.ts'
import { ask, type Bench, call, placeholder, rule, shareBench } from './support.ts'

let bench: Bench
shareBench((opened) => (bench = opened))

const path = '/repos/acme/web/issues'
const json = 'application/json'

async function post(
  rules: (string | RequestRule)[],
  body: string | Buffer,
  type: string | undefined,
  more: Record<string, string> = {},
): Promise<number> {
  const lane = await bench.lane()
  lane.begin(call(rules))
  const headers = { authorization: `Bearer ${placeholder}`, ...(type === undefined ? {} : { 'content-type': type }), ...more }
  const { status } = await ask(lane, { method: 'POST', path, headers, body })
  lane.close()
  return status
}

const title = rule(`POST ${path}`, { body: [{ pointer: '/title', value: 'Hello' }] })
const whole = rule(`POST ${path}`, { body: [{ pointer: '', value: { title: 'Hello', labels: ['a', 'b'] } }] })
const deep = rule(`POST ${path}`, { body: [{ pointer: '/a/0/b~1c', value: 7 }] })

describe('a body that a rule binds', () => {
  it.each<[name: string, by: RequestRule, body: string, type?: string]>([
    ['as it is', title, '{"title":"Hello"}'],
    ['in other letters', title, '{ "t\\u0069tle" : "H\\u0065llo" }'],
    ['beside members that are free', title, '{"title":"Hello","body":"x"}'],
    ['with another type of JSON', title, '{"title":"Hello"}', 'application/vnd.github+json; charset=utf-8'],
    ['whole, in another order', whole, '{"labels":["a","b"],"title":"Hello"}'],
    ['deep within', deep, '{"a":[{"b/c":7}]}'],
    ['a number in another spelling', deep, '{"a":[{"b/c":7.0}]}'],
  ])('is admitted: %s', async (_, by, body, type = json) => {
    expect(await post([by], body, type)).toBe(200)
    expect(JSON.parse(bench.upstream.journal[0]?.body ?? '')).toEqual(JSON.parse(body))
  })

  it.each<[name: string, status: number, by: RequestRule, body: string | Buffer, type?: string, more?: Record<string, string>]>([
    ['another value', 403, title, '{"title":"Other"}'],
    ['no value', 403, title, '{"body":"x"}'],
    ['null', 403, title, '{"title":null}'],
    ['another type', 403, title, '{"title":["Hello"]}'],
    ['a list around it', 403, title, '[{"title":"Hello"}]'],
    ['text', 403, title, '"Hello"'],
    ['a key twice', 400, title, '{"title":"Hello","title":"Other"}'],
    ['a key twice, the bound value last', 400, title, '{"title":"Other","title":"Hello"}'],
    ['a key twice in two spellings', 400, title, '{"title":"Other","t\\u0069tle":"Hello"}'],
    ['a key twice elsewhere', 400, title, '{"title":"Hello","a":{"b":1,"b":2}}'],
    ['a variant in upper case', 403, title, '{"title":"Hello","TITLE":"Other"}'],
    [
      'a variant with separators',
      403,
      rule(`POST ${path}`, { body: [{ pointer: '/displayName', value: 'Hello' }] }),
      '{"displayName":"Hello","display_name":"Other"}',
    ],
    [
      'a variant that folds to it',
      403,
      rule(`POST ${path}`, { body: [{ pointer: '/state', value: 'open' }] }),
      '{"state":"open","ſtate":"closed"}',
    ],
    ['a variant in full width', 403, title, '{"title":"Hello","ｔitle":"Other"}'],
    ['a variant in its place', 403, title, '{"Title":"Hello"}'],
    ['a variant further up', 403, rule(`POST ${path}`, { body: [{ pointer: '/a/b', value: 1 }] }), '{"a":{"b":1},"A":{"b":2}}'],
    ['one member more in a body that is bound whole', 403, whole, '{"title":"Hello","labels":["a","b"],"state":"closed"}'],
    ['another order of a list', 403, whole, '{"title":"Hello","labels":["b","a"]}'],
    ['an index that is none', 403, deep, '{"a":{"00":{"b/c":7},"0":{"b/c":8}}}'],
    ['a number that loses digits', 400, deep, '{"a":[{"b/c":7}],"n":9007199254740993}'],
    ['a number that overflows', 400, deep, '{"a":[{"b/c":7}],"n":1e999}'],
    ['a mark of byte order', 400, title, '\ufeff{"title":"Hello"}'],
    ['bytes that are no UTF-8', 400, title, Buffer.from('{"title":"Hello","x":"\xff"}', 'latin1')],
    ['UTF-16', 400, title, Buffer.from('{"title":"Hello"}', 'utf16le')],
    ['two values', 400, title, '{"title":"Hello"}{"title":"Other"}'],
    ['comments', 400, title, '{"title":"Hello"/**/}'],
    ['nothing', 400, title, ''],
    ['half of it', 400, title, '{"title":"Hello"'],
    ['depth that would end the process', 400, title, `{"title":"Hello","a":${'['.repeat(100_000)}${']'.repeat(100_000)}}`],
    ['a form', 415, title, 'title=Hello', 'application/x-www-form-urlencoded'],
    ['JSON declared as a form', 415, title, '{"title":"Hello"}', 'application/x-www-form-urlencoded'],
    ['JSON declared as text', 415, title, '{"title":"Hello"}', 'text/plain'],
    ['JSON in another charset', 415, title, '{"title":"Hello"}', 'application/json; charset=utf-7'],
    ['JSON with a parameter', 415, title, '{"title":"Hello"}', 'application/json; boundary=x'],
    ['two types', 415, title, '{"title":"Hello"}', 'application/json, application/x-www-form-urlencoded'],
    ['parts', 415, title, '--x\r\n\r\n{"title":"Hello"}\r\n--x--', 'multipart/form-data; boundary=x'],
    ['a coding', 415, title, '{"title":"Hello"}', json, { 'content-encoding': 'gzip' }],
  ])('is refused: %s', async (_, status, by, body, type = json, more = {}) => {
    expect(await post([by], body, type, more)).toBe(status)
    expect(bench.refusals()).toHaveLength(1)
    expect(bench.upstream.journal).toEqual([])
  })

  it('is refused when it has no type', async () => {
    expect(await post([title], '{"title":"Hello"}', undefined)).toBe(415)
    expect(bench.upstream.journal).toEqual([])
  })

  it('travels as it was judged', async () => {
    expect(await post([title], '{ "title" : "Hel\\u006co", "n": 1.50, "__proto__": {"a": 1} }', json)).toBe(200)
    expect(bench.upstream.journal).toMatchObject([
      { body: '{"title":"Hello","n":1.5,"__proto__":{"a":1}}', headers: { 'content-length': '45' } },
    ])
  })

  it('counts for GraphQL too, over the wire', async () => {
    const graphql = rule(`POST ${path}`, { graphql: { operation: 'query', fields: ['viewer'], variables: {} } })
    expect(await post([graphql], '{"query":"{ viewer { login } }"}', json)).toBe(200)
    expect(await post([graphql], '{"query":"{ user { login } }"}', json)).toBe(403)
    expect(await post([graphql], '{"query":"{ user { login } }","query":"{ viewer { login } }"}', json)).toBe(400)
    expect(await post([graphql], 'query=%7B%20viewer%20%7B%20login%20%7D%20%7D', 'application/x-www-form-urlencoded')).toBe(415)
    expect(await post([graphql], '{ viewer { login } }', 'application/graphql')).toBe(415)
  })

  it('is streamed as it comes where no rule binds it', async () => {
    expect(await post([`POST ${path}`], '{"a":1,"a":2} and more', 'text/plain')).toBe(200)
    expect(bench.upstream.journal).toMatchObject([{ body: '{"a":1,"a":2} and more' }])
  })
})

describe('reading a body', () => {
  const read = (text: string): ReturnType<typeof parseBody> => parseBody(Buffer.from(text))

  it('takes every JSON value whose integers are exact', () => {
    fc.assert(
      fc.property(fc.jsonValue({ stringUnit: fc.constantFrom('a', ':', '"', '\\', '{', ',', '\n', 'é') }), (value) => {
        const text = JSON.stringify(value, undefined, 1)
        const reading = read(text)
        if (reading.ok) expect(JSON.parse(reading.bytes.toString())).toEqual(JSON.parse(text))
        else expect(text).toMatch(/\d{16}|"\\\\":/)
      }),
    )
  })

  it('refuses a key that V8 takes for a backslash, which would hide that it stands there twice', () => {
    read('{"H":0,"\\\\":1}')
    expect(read('{"H":0,"\\u0048":1}').ok).toBe(false)
    expect(read('[{"\\\\":1}]').ok).toBe(false)
    expect(read('{"H":"\\\\"}').ok).toBe(true)
  })

  it('refuses a key that stands there twice, at any depth and in any spelling', () => {
    const escaped = (key: string): string =>
      `"${[...key].map((unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`).join('')}"`
    fc.assert(
      fc.property(fc.string({ unit: 'binary-ascii' }), fc.boolean(), fc.nat(5), fc.jsonValue(), (key, spelt, depth, value) => {
        const twice = `{${JSON.stringify(key)}:${JSON.stringify(value)},${spelt ? escaped(key) : JSON.stringify(key)}:1}`
        expect(read(`${'[{"a:b":'.repeat(depth)}${twice}${'}]'.repeat(depth)}`).ok).toBe(false)
      }),
    )
  })
})

describe('a value captured from an answer', () => {
  const pull = rule('GET /pulls/7', { capture: { sha: '/head/sha', id: '/id', first: '/items/0/name' } })
  const rules = [pull, 'GET /commits/{sha}', 'GET /ids/{id}', 'GET /names/{first}']

  async function afterAnswer(body: string, paths: string[], status = 200): Promise<number[]> {
    const lane = await bench.lane()
    lane.begin(call(rules))
    bench.upstream.answer = (_, response) => response.writeHead(status).end(body)
    await ask(lane, { path: '/pulls/7' })
    bench.upstream.answer = (_, response) => response.end('{}')
    const statuses: number[] = []
    for (const path of paths) statuses.push((await ask(lane, { path })).status)
    lane.close()
    return statuses
  }

  it('opens the path that it stands in, and no other', async () => {
    const body = '{"head":{"sha":"abc"},"id":12,"items":[{"name":"a b"}]}'
    expect(await afterAnswer(body, ['/commits/abc', '/commits/abd', '/commits/ABC', '/ids/12', '/ids/012', '/names/a%20b'])).toEqual([
      200, 403, 403, 200, 403, 200,
    ])
  })

  it.each<[name: string, body: string, status?: number]>([
    ['an answer that failed', '{"head":{"sha":"abc"}}', 404],
    ['no JSON', 'sha: abc'],
    ['another shape', '{"head":["abc"]}'],
    ['a value that is no text', '{"head":{"sha":{"toString":"abc"}}}'],
    ['an empty value', '{"head":{"sha":""}}'],
    ['nothing', ''],
  ])('is not there after %s', async (_, body, status) => {
    expect(await afterAnswer(body, ['/commits/abc', '/commits/undefined', '/commits/'], status)).toEqual([403, 403, 403])
  })

  it.each([
    ['a slash', 'a/b', '/commits/a%2fb'],
    ['two segments', 'a/b', '/commits/a/b'],
    ['dots', '..', '/commits/..'],
    ['escaped dots', '..', '/commits/%2e%2e'],
  ])('reaches no further when it holds %s', async (_, sha, path) => {
    const [status] = await afterAnswer(JSON.stringify({ head: { sha } }), [path])
    expect(status).toBeGreaterThanOrEqual(400)
  })

  it('is kept from answers in pieces and from long ones', async () => {
    const padding = 'x'.repeat(200_000)
    expect(await afterAnswer(JSON.stringify({ padding, head: { sha: 'abc' } }), ['/commits/abc'])).toEqual([200])
  })

  it('belongs to its call', async () => {
    const lane = await bench.lane()
    const end = lane.begin(call(rules))
    bench.upstream.answer = (_, response) => response.end('{"head":{"sha":"abc"}}')
    await ask(lane, { path: '/pulls/7' })
    end()
    lane.begin(call(rules))
    expect((await ask(lane, { path: '/commits/abc' })).status).toBe(403)
    lane.close()
  })

  it('is replaced by a later answer of the same call', async () => {
    const lane = await bench.lane()
    lane.begin(call(rules))
    for (const sha of ['abc', 'def']) {
      bench.upstream.answer = (_, response) => response.end(JSON.stringify({ head: { sha } }))
      await ask(lane, { path: '/pulls/7' })
    }
    expect([(await ask(lane, { path: '/commits/abc' })).status, (await ask(lane, { path: '/commits/def' })).status]).toEqual([403, 200])
    lane.close()
  })
})
