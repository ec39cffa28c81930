import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { PathSegment, RequestRule } from '../../../../src/core/types.ts'
import { atPointer, matchBody, matchRequest } from '../../../../src/egress/match.ts'
import { mayOverlap } from '../../../../src/gateway/lane/overlap.ts'
import { rule } from '../../egress/support.ts'
import { cases } from '../../../support/cases.ts'

const web = (value: string, ignoreCase = false): Partial<RequestRule> => ({ segments: [{ kind: 'literal', value, ignoreCase }] })
const body = (pointer: string, value: string): Partial<RequestRule> => ({ body: [{ pointer, value }] })
const form = (text: string): Pick<RequestRule, 'form'> => {
  const [name = '', value] = text.split('=')
  return { form: [value === undefined ? { name } : { name, value }] }
}
const graphql = (operation: 'query' | 'mutation', fields: string[], variables = {}): Partial<RequestRule> => ({
  graphql: { operation, fields, variables },
})

describe('two request rules may overlap', () => {
  it.each<[string, RequestRule, RequestRule]>([
    ['that are equal', rule('GET /a/b'), rule('GET /a/b')],
    ['whose names differ in case that one ignores', rule('GET /x', web('Web', true)), rule('GET /x', web('web'))],
    ['of which one has a wildcard', rule('GET /a/*'), rule('GET /a/b')],
    ['with wildcards in different places', rule('GET /*/b'), rule('GET /a/*')],
    ['of which one takes the rest', rule('GET /a/**'), rule('GET /a/b/c')],
    ['where the rest is empty', rule('GET /a/**'), rule('GET /a')],
    ['with a value that is captured later', rule('GET /a/{sha}'), rule('GET /a/b')],
    ['that list other parameters, since both admit none', rule('GET /a ?x'), rule('GET /a ?y')],
    ['of which one binds a parameter that the other leaves free', rule('GET /a ?x=1'), rule('GET /a ?x&y')],
    ['of which one binds a parameter to nothing', rule('GET /a ?x='), rule('GET /a')],
    ['of which one binds the body', rule('POST /a', body('/title', 'x')), rule('POST /a')],
    ['that bind other places of the body', rule('POST /a', body('/title', 'x')), rule('POST /a', body('/body', 'y'))],
    ['of which one binds a form', rule('POST /', form('Id=1')), rule('POST /')],
    ['of which one leaves a field free', rule('POST /', form('Id=1')), rule('POST /', form('Id'))],
    ['over GraphQL with other fields', rule('POST /g', graphql('query', ['a'])), rule('POST /g', graphql('query', ['b']))],
    [
      'over GraphQL with other variables',
      rule('POST /g', graphql('query', ['a'], { x: 1 })),
      rule('POST /g', graphql('query', ['a'], { y: 2 })),
    ],
  ])('%s', (_, left, right) => {
    expect(mayOverlap([left], [right])).toBe(true)
    expect(mayOverlap([right], [rule('DELETE /'), left])).toBe(true)
  })

  it.each<[string, RequestRule, RequestRule]>([
    ['that name another method', rule('GET /a'), rule('POST /a')],
    ['that name another host', rule('GET /a'), rule('GET /a', { origin: 'https://other.test' })],
    [
      'that want another header',
      rule('POST /', { headers: { 'x-amz-target': 'A' } }),
      rule('POST /', { headers: { 'x-amz-target': 'B' } }),
    ],
    ['that name another thing', rule('GET /repos/acme/web/issues/42'), rule('GET /repos/acme/web/issues/43')],
    ['that bind a parameter to two values', rule('GET /a ?x=1'), rule('GET /a ?x=2&y')],
    ['of which one binds a parameter that the other refuses', rule('GET /a ?x=1'), rule('GET /a ?y')],
    ['of another length', rule('GET /a/b'), rule('GET /a')],
    ['whose case counts', rule('GET /x', web('Web')), rule('GET /x', web('web'))],
    ['that part before the rest', rule('GET /a/**'), rule('GET /b/**')],
    ['that bind one place of the body to two values', rule('POST /a', body('/n', 'x')), rule('POST /a', body('/n', 'y'))],
    ['that bind one field of a form to two values', rule('POST /', form('Id=1')), rule('POST /', form('Id=2'))],
    ['of which one binds a field that the other refuses', rule('POST /', form('Id=1')), rule('POST /', form('Name=1'))],
    ['over GraphQL, a query and a mutation', rule('POST /g', graphql('query', ['a'])), rule('POST /g', graphql('mutation', ['a']))],
    [
      'over GraphQL with two values of a variable',
      rule('POST /g', graphql('query', ['a'], { x: 1 })),
      rule('POST /g', graphql('query', ['a'], { x: 2 })),
    ],
  ])('not those %s', (_, left, right) => {
    expect(mayOverlap([left], [right])).toBe(false)
    expect(mayOverlap([right], [left])).toBe(false)
  })

  it('not where one of them has no rule at all', () => {
    expect(mayOverlap([], [rule('GET /**')])).toBe(false)
  })

  it('whenever a request matches both', () => {
    const both = sent.chain((one) => fc.tuple(fc.constant(one), ruleFor(one), ruleFor(one)))
    let met = 0
    fc.assert(
      fc.property(both, ([{ request, body: content }, left, right]) => {
        if (![left, right].every((one) => matchRequest(one, request, seen) && matchBody(one, { kind: 'json', value: content }))) return
        met += 1
        expect(mayOverlap([left], [right])).toBe(true)
        expect(mayOverlap([right], [left])).toBe(true)
      }),
      { numRuns: cases(2000) },
    )
    expect(met).toBeGreaterThan(1000)
  })
})

const seen = new Map([['x', 'a']])
/** Names that meet only where case does not count, and some that a reader of Unicode would fold. */
const name = fc.constantFrom('a', 'A', 'bc', 'BC', 'ſ', 'K')
const sent = fc.record({
  request: fc.record({
    method: fc.constantFrom('GET', 'POST'),
    origin: fc.constant('https://a.test'),
    segments: fc.array(name, { maxLength: 4 }),
    query: fc.uniqueArray(fc.tuple(name, fc.constantFrom('1', '2')), { maxLength: 2, selector: ([key]) => key }),
    headers: fc.constantFrom(
      new Map<string, string>(),
      new Map([
        ['x-amz-target', 'A'],
        ['content-type', 'application/x-amz-json-1.0'],
      ]),
    ),
  }),
  body: fc
    .record({
      operation: fc.constantFrom('query', 'mutation'),
      field: fc.constantFrom('a', '__typename'),
      variables: fc.dictionary(fc.constantFrom('x', 'y'), fc.constantFrom(1, '1', null)),
    })
    .map(({ operation, field, variables }) => ({ query: `${operation}{${field}${field === 'a' ? given(variables) : ''}}`, variables })),
})
function given(variables: object): string {
  const names = Object.keys(variables)
  return names.length === 0 ? '' : `(${names.map((key) => `${key}:$${key}`).join(',')})`
}

type Sent = typeof sent extends fc.Arbitrary<infer Value> ? Value : never

/** A rule that nearly always admits the request, each time in another way. */
function ruleFor({ request, body: content }: Sent): fc.Arbitrary<RequestRule> {
  return fc
    .record({
      segments: fc.tuple(...request.segments.map(segmentFor)),
      rest: fc.option(fc.nat(request.segments.length)),
      bound: fc.boolean(),
      named: fc.boolean(),
      pointer: fc.option(fc.constantFrom('', '/query', '/variables')),
      graphql: fc.option(
        fc.record({ fields: fc.constantFrom(['a'], ['b', 'a']), variables: fc.constantFrom([], Object.entries(content.variables)) }),
      ),
    })
    .map(({ segments, rest, bound, named, pointer, graphql: over }) => ({
      text: '',
      method: request.method,
      origin: request.origin,
      segments: rest === null ? segments : [...segments.slice(0, rest), { kind: 'rest' }],
      query: request.query.map(([key, value]) => (bound ? { name: key, value } : { name: key })),
      ...(named ? { headers: Object.fromEntries(request.headers) } : {}),
      ...(pointer === null ? {} : { body: [{ pointer, value: atPointer(content, pointer) ?? null }] }),
      ...(over === null
        ? {}
        : {
            graphql: {
              operation: content.query.startsWith('mutation') ? ('mutation' as const) : ('query' as const),
              fields: over.fields,
              variables: Object.fromEntries(over.variables),
            },
          }),
    }))
}

function segmentFor(value: string): fc.Arbitrary<PathSegment> {
  return fc.constantFrom<PathSegment>(
    { kind: 'literal', value, ignoreCase: false },
    { kind: 'literal', value: value.toUpperCase(), ignoreCase: true },
    { kind: 'literal', value, ignoreCase: true },
    { kind: 'one' },
    { kind: 'seen', name: 'x' },
  )
}
