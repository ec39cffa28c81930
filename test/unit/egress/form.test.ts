import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { RequestRule } from '../../../src/core/types.ts'
import { parseForm, writeForm } from '../../../src/egress/form.ts'
import { ask, type Bench, call, placeholder, rule, shareBench } from './support.ts'

let bench: Bench
shareBench((opened) => (bench = opened))

const type = 'application/x-www-form-urlencoded; charset=utf-8'
const describeOne = rule('POST /', {
  form: [
    { name: 'Action', value: 'DescribeInstances' },
    { name: 'InstanceId.1', value: 'i-1' },
    { name: 'Filter', value: '' },
    { name: 'NextToken' },
  ],
})
const good = 'Action=DescribeInstances&InstanceId.1=i-1&Filter='

async function post(rules: RequestRule[], body: string | Buffer, contentType = type, path = '/'): Promise<number> {
  const lane = await bench.lane()
  lane.begin(call(rules))
  const headers = { authorization: `Bearer ${placeholder}`, 'content-type': contentType }
  const { status } = await ask(lane, { method: 'POST', path, headers, body })
  lane.close()
  return status
}

describe('a form that a rule binds', () => {
  it.each([
    ['as it is', good, good],
    ['in another order, with what is free', `NextToken=a%20b%2B&${good}`, `NextToken=a%20b%2B&${good}`],
    ['escaped where it need not be', good.replace('i-1', '%69%2D1'), good],
    ['with a space as plus', `${good}&NextToken=a+b`, `${good}&NextToken=a%20b`],
    ['a field without "="', good.replace('Filter=', 'Filter'), good],
  ])('is admitted, and travels as it was judged: %s', async (_, body, sent) => {
    expect(await post([describeOne], body)).toBe(200)
    expect(bench.upstream.journal[0]?.body).toBe(sent)
  })

  it.each<[string, number, string | Buffer, string?]>([
    ['another operation', 403, good.replace('DescribeInstances', 'TerminateInstances')],
    ['another value', 403, good.replace('i-1', 'i-2')],
    ['a value that begins like it', 403, good.replace('i-1', 'i-1%20')],
    ['a field less', 403, 'Action=DescribeInstances&Filter='],
    ['an empty one less', 403, 'Action=DescribeInstances&InstanceId.1=i-1'],
    ['a field that does not stand there', 403, `${good}&InstanceId.2=i-2`],
    ['one in other letters', 403, `${good}&action=TerminateInstances`],
    ['no field at all', 403, ''],
    ['the operation twice', 400, `${good}&Action=TerminateInstances`],
    ['twice, escaped', 400, `${good}&Acti%6Fn=TerminateInstances`],
    ['twice, without a value', 400, `${good}&Action`],
    ['an empty part', 400, `${good}&`],
    ['no name', 400, `${good}&=x`],
    ['a semicolon', 400, `${good};Action=TerminateInstances`],
    ['an open escape', 400, `${good}&NextToken=%4`],
    ['an escape that is no UTF-8', 400, `${good}&NextToken=%ff`],
    ['bytes beyond ASCII', 400, Buffer.from(`${good}&NextToken=\u00e9`, 'latin1')],
    ['a line break', 400, `${good}&NextToken=a\nb`],
    ['the placeholder', 403, `${good}&NextToken=${placeholder}`],
    ['the placeholder, escaped', 403, `${good}&NextToken=%67${placeholder.slice(1)}`],
    ['JSON that says the same', 403, '{"Action":"DescribeInstances","InstanceId.1":"i-1","Filter":""}', 'application/json'],
    ['JSON in the clothes of a form', 400, '{"Action":"DescribeInstances"}'],
    ['parts', 415, good, 'multipart/form-data; boundary=x'],
    ['another charset', 415, good, 'application/x-www-form-urlencoded; charset=utf-7'],
    ['two types', 415, good, 'application/x-www-form-urlencoded, application/json'],
  ])('is refused: %s', async (_, status, body, contentType = type) => {
    expect(await post([describeOne], body, contentType)).toBe(status)
    expect(bench.upstream.journal).toEqual([])
  })

  it('is not the same as one in the address, which names its own fields', async () => {
    expect(await post([describeOne], good, type, '/?Action=TerminateInstances')).toBe(403)
  })

  it('does not fit a rule that binds JSON', async () => {
    expect(await post([rule('POST /', { body: [{ pointer: '/Action', value: 'DescribeInstances' }] })], good)).toBe(415)
    expect(await post([describeOne, rule('POST /', { body: [{ pointer: '/Action', value: 'Other' }] })], good.replace('i-1', 'i-2'))).toBe(
      403,
    )
  })
})

it('what is written is read as the same fields, whatever they hold', () => {
  const fields = fc.uniqueArray(fc.tuple(fc.string({ unit: 'grapheme', minLength: 1 }), fc.string({ unit: 'grapheme' })), {
    selector: ([name]) => name,
  })
  fc.assert(
    fc.property(fields, (pairs) => {
      const form = new Map(pairs)
      expect(parseForm(writeForm(form))).toEqual(form)
      expect([...new URLSearchParams(writeForm(form).toString())]).toEqual(pairs)
    }),
  )
})
