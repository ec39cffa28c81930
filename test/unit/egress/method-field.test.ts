import { describe, expect, it } from 'vitest'
import type { RequestRule } from '../../../src/core/types.ts'
import { type Bench, call, exchange, placeholder, rule, secure, shareBench } from './support.ts'

let bench: Bench
shareBench((opened) => (bench = opened))

const path = '/projects/7/files'
const form = 'application/x-www-form-urlencoded'
const parts = 'multipart/form-data; boundary=b'
const json = 'application/json'

/** Answers the status of a POST whose body comes in these pieces, each of them a chunk. */
async function post(type: string | undefined, pieces: readonly string[], by: RequestRule = rule(`POST ${path}`)): Promise<number> {
  const lane = await bench.lane()
  const end = lane.begin(call([by]))
  const head = [`POST ${path} HTTP/1.1`, 'Host: api.test', `Authorization: Bearer ${placeholder}`, 'Transfer-Encoding: chunked']
  if (type !== undefined) head.push(`Content-Type: ${type}`)
  const chunks = [...pieces.map((piece) => `${Buffer.byteLength(piece).toString(16)}\r\n${piece}\r\n`), '0\r\n\r\n']
  const text = await exchange(await secure(lane), `${head.join('\r\n')}\r\n\r\n${chunks.join('')}`, (so) => /\}\n?$/.test(so))
  end()
  lane.close()
  return Number(/^HTTP\/1\.1 (\d{3})/.exec(text)?.[1])
}

function part(headers: string): string {
  return `--b\r\n${headers}\r\n\r\nDELETE\r\n--b--\r\n`
}

describe('a body that has some upstreams take another method than the rule’s', () => {
  it.each<[name: string, type: string | undefined, ...pieces: string[]]>([
    ['a form', form, '_method=DELETE'],
    ['a form, behind another field', form, 'content=x&_method=DELETE'],
    ['a form behind a semicolon', form, 'content=x;_method=DELETE'],
    ['a form in escapes', form, 'content=x&%5fm%65thod=DELETE'],
    ['a form in brackets', form, 'content=x&[_method]=DELETE'],
    ['a form as PHP names fields', form, 'content=x&.method=DELETE'],
    ['a form behind very much that is skipped', form, `a=b&${'+'.repeat(3000)}`, `${'%20'.repeat(2000)}_method=DELETE`],
    ['a form letter by letter', form, 'a=b', '&', ...'_method', '=DELETE'],
    ['a form whose type says more', `${form}; charset=utf-8`, '_method=DELETE'],
    ['a body without a type', undefined, '_method=DELETE'],
    ['parts', parts, part('Content-Disposition: form-data; name="_method"')],
    ['parts without quotes', parts, part('Content-Disposition: form-data; name=_method')],
    ['parts with backslashes', parts, part('Content-Disposition: form-data; name="\\_m\\\\ethod"')],
    ['parts with spaces', parts, part('Content-Disposition: form-data; name =\r\n "_method"')],
    ['a part that is known by its id', parts, part('Content-ID: <_method>')],
    ['JSON', json, '{"content":"x","_method":"DELETE"}'],
    ['JSON in escapes and pieces', json, '{"content":"x","\\u005fme', 'th\\u006Fd"  ', '\n', ':"DELETE"}'],
  ])('does not travel: %s', async (_, type, ...pieces) => {
    expect(await post(type, pieces)).toBe(403)
    expect(bench.refusals()).toEqual(['the field _method in a body, by which some upstreams take another method than the rule’s'])
    // What had come of it before is no whole request.
    for (const { body } of bench.upstream.journal) expect(body).not.toMatch(/DELETE/)
  })

  it('does not travel beside what a rule binds', async () => {
    const bound = rule(`POST ${path}`, { body: [{ pointer: '/content', value: 'x' }] })
    expect(await post(json, ['{"content":"x","_m\\u0065thod":"DELETE"}'], bound)).toBe(403)
    expect(bench.upstream.journal).toEqual([])
  })

  it.each<[name: string, type: string | undefined, body: string, by?: RequestRule]>([
    ['a form that speaks of it', form, 'content=the+_method+field&payment_method=card&my_method=x'],
    ['parts that speak of it', parts, part('Content-Disposition: form-data; name="payment_method"; filename="_method.rb"')],
    ['JSON that speaks of it', json, '{"content":"_method: &_method=DELETE","payment_method":"card"}'],
    ['bytes of a file', 'application/octet-stream', '&_method=DELETE'],
    ['a form whose rule lists it', form, '_method=DELETE', rule(`POST ${path}`, { form: [{ name: '_method', value: 'DELETE' }] })],
    ['JSON whose rule binds it', json, '{"_method":"DELETE"}', rule(`POST ${path}`, { body: [{ pointer: '/_method', value: 'DELETE' }] })],
  ])('is not seen in %s', async (_, type, body, by) => {
    expect(await post(type, [body], by)).toBe(200)
    expect(bench.refusals()).toEqual([])
  })
})
