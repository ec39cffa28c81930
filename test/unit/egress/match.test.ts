import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { RequestRule } from '../../../src/core/types.ts'
import { parseBody } from '../../../src/egress/body.ts'
import { atPointer, matchBody, matchRequest } from '../../../src/egress/match.ts'
import { readTarget } from '../../../src/egress/target.ts'
import { cases } from '../../support/cases.ts'

const origin = 'https://api.github.com'
const literal = (value: string, ignoreCase = false): RequestRule['segments'][number] => ({ kind: 'literal', value, ignoreCase })
const issue: RequestRule = {
  text: 'GET /repos/acme/web/issues/42',
  method: 'GET',
  origin,
  segments: [literal('repos'), literal('acme', true), literal('web', true), literal('issues'), literal('42')],
  query: [{ name: 'page' }],
}

function admits(rule: RequestRule, method: string, target: string, at = origin, seen = new Map<string, string>()): boolean {
  const request = readTarget(method, at, target)
  return request !== undefined && matchRequest(rule, request, seen)
}

describe('a request rule', () => {
  it.each([
    ['/repos/acme/web/issues/42'],
    ['/repos/Acme/WEB/issues/42'],
    ['/repos/acme/web/issues/%34%32'],
    ['/repos/acme/web/issues/42?page=2'],
    ['/repos/acme/web/issues/42?page='],
    ['/repos/acme/web/issues/42?'],
  ])('admits %s', (target) => {
    expect(admits(issue, 'GET', target)).toBe(true)
  })

  it.each([
    ['another number', '/repos/acme/web/issues/43'],
    ['one segment more', '/repos/acme/web/issues/42/comments'],
    ['one segment less', '/repos/acme/web/issues'],
    ['another repository', '/repos/acme/api/issues/42'],
    ['an encoded slash', '/repos/acme/web%2fissues/42'],
    ['a dot segment', '/repos/acme/web/../web/issues/42'],
    ['an encoded dot segment', '/repos/acme/web/%2e%2e/web/issues/42'],
    ['an empty segment', '/repos//acme/web/issues/42'],
    ['a trailing slash', '/repos/acme/web/issues/42/'],
    ['a backslash', '/repos/acme/web\\issues/42'],
    ['a fragment', '/repos/acme/web/issues/42#x'],
    ['a doubly encoded character', '/repos/acme/web/issues/%2534'],
    ['a broken escape', '/repos/acme/web/issues/%zz'],
    ['an absolute address', 'https://evil.example/repos/acme/web/issues/42'],
    ['a parameter that is not named', '/repos/acme/web/issues/42?access_token=x'],
    ['a parameter twice', '/repos/acme/web/issues/42?page=1&page=2'],
    ['a parameter in another case', '/repos/acme/web/issues/42?Page=1'],
    ['a parameter twice, once in disguise', '/repos/acme/web/issues/42?page=1&p%61ge=2'],
    ['a value without a name', '/repos/acme/web/issues/42?=1'],
  ])('refuses %s', (_, target) => {
    expect(admits(issue, 'GET', target)).toBe(false)
  })

  it.each([
    ['another method', 'POST', origin],
    ['another host', 'GET', 'https://uploads.github.com'],
    ['another port', 'GET', 'https://api.github.com:8443'],
    ['no encryption', 'GET', 'http://api.github.com'],
  ])('refuses %s', (_, method, at) => {
    expect(admits(issue, method, '/repos/acme/web/issues/42', at)).toBe(false)
  })

  const filtered: RequestRule = { ...issue, query: [{ name: 'page' }, { name: 'state', value: 'open' }, { name: 'since', value: '' }] }
  it.each([
    ['as it is', '?state=open', true],
    ['escaped', '?st%61te=%6fpen', true],
    ['among others', '?page=2&state=open', true],
    ['beside one that is bound to nothing', '?state=open&since=', true],
    ['left out', '', false],
    ['left out beside others', '?page=2', false],
    ['empty', '?state=', false],
    ['without a value', '?state', false],
    ['with another value', '?state=all', false],
    ['with another value, escaped', '?st%61te=all', false],
    ['with more', '?state=open%20', false],
    ['in another case', '?State=open', false],
    ['as a list', '?state[]=open', false],
    ['twice', '?state=open&state=open', false],
    ['and then otherwise', '?state=open&state=all', false],
    ['beside one that is bound to nothing and has a value', '?state=open&since=2026', false],
  ])('with a parameter bound to a value, which stands there %s', (_, query, admitted) => {
    expect(admits(filtered, 'GET', `/repos/acme/web/issues/42${query}`)).toBe(admitted)
  })

  it('with * takes one segment, with ** the rest', () => {
    const one: RequestRule = { ...issue, segments: [literal('repos'), { kind: 'one' }] }
    const rest: RequestRule = { ...issue, segments: [literal('repos'), { kind: 'rest' }] }
    expect(['/repos/a', '/repos/a/b', '/repos'].map((target) => admits(one, 'GET', target))).toEqual([true, false, false])
    expect(['/repos/a', '/repos/a/b', '/repo'].map((target) => admits(rest, 'GET', target))).toEqual([true, true, false])
  })

  const project: RequestRule = {
    ...issue,
    segments: [literal('projects'), { kind: 'literal', value: 'acme/web', ignoreCase: false, encoded: true }, literal('issues')],
  }
  it.each([
    ['in capitals', '/projects/acme%2Fweb/issues', true],
    ['in small letters', '/projects/acme%2fweb/issues', true],
    ['beside other escapes', '/projects/%61cme%2Fweb/issues', true],
    ['not escaped', '/projects/acme/web/issues', false],
    ['escaped twice', '/projects/acme%252Fweb/issues', false],
    ['with another project', '/projects/acme%2Fapi/issues', false],
    ['with more after it', '/projects/acme%2Fweb%2Fissues/issues', false],
    ['with more before it', '/projects/x%2Facme%2Fweb/issues', false],
    ['doubled', '/projects/acme%2F%2Fweb/issues', false],
    ['at the end', '/projects/acme%2Fweb%2F/issues', false],
    ['with a dot segment', '/projects/acme%2F..%2Facme%2Fweb/issues', false],
    ['with an escaped dot segment', '/projects/acme%2F%2e%2Fweb/issues', false],
    ['with a path parameter', '/projects/acme%2F..;x%2Fweb/issues', false],
    ['as a backslash', '/projects/acme%5Cweb/issues', false],
    ['also elsewhere', '/projects%2Facme%2Fweb/issues', false],
    ['in the place of a separator', '/projects/acme%2Fweb%2Fissues', false],
    ['as a wide character', '/projects/acme%EF%BC%8Fweb/issues', false],
    ['overlong', '/projects/acme%C0%AFweb/issues', false],
  ])('whose segment is bound to a value with a slash, which stands there %s: %s', (_, target, admitted) => {
    expect(admits(project, 'GET', target)).toBe(admitted)
  })

  it.each([
    '/a/..',
    '/a/../b',
    '/./a',
    '/a/..;x/b',
    '/a/%2e%2e',
    '/a%2F..',
    '/a%2F..%2Fb',
    '/a%2F.%2Fb',
    '/..%2Fa',
    '/a%2F..;x%2Fb',
    '/a%2F%2Fb',
    '/%2Fa',
    '/a%2F',
    '/a%2F/b',
    '/%2F',
    '/a%252Fb',
    '/a%5Cb',
    '/a//b',
  ])('%s is not taken apart at all, whatever the rule', (target) => {
    expect(readTarget('GET', origin, target)).toBeUndefined()
  })

  it.each<[string, RequestRule['segments']]>([
    ['a literal', [literal('a/b')]],
    ['a literal in any case', [literal('a/b', true)]],
    ['*', [{ kind: 'one' }]],
    ['**', [{ kind: 'rest' }]],
    ['** after others', [literal('a'), { kind: 'rest' }]],
    ['a captured value', [{ kind: 'seen', name: 'sha' }]],
  ])('with %s takes no escaped slash', (_, segments) => {
    for (const target of ['/a%2Fb', '/a/b%2Fc'])
      expect(admits({ ...issue, segments }, 'GET', target, origin, new Map([['sha', 'a/b']]))).toBe(false)
  })

  it('with a captured value takes that value and nothing before it was seen', () => {
    const status: RequestRule = { ...issue, segments: [literal('commits'), { kind: 'seen', name: 'sha' }] }
    expect(admits(status, 'GET', '/commits/abc')).toBe(false)
    expect(admits(status, 'GET', '/commits/abc', origin, new Map([['sha', 'abc']]))).toBe(true)
    expect(admits(status, 'GET', '/commits/abd', origin, new Map([['sha', 'abc']]))).toBe(false)
  })

  it('admits no target whose URL, as WHATWG reads it, is another path', () => {
    fc.assert(
      fc.property(
        fc.array(fc.constantFrom('repos', 'acme', 'web', 'issues', '42', '..', '.', '%2e', '%2f', '/', '?', '#', '\\', ';', '%34', ''), {
          maxLength: 12,
        }),
        (parts) => {
          const target = `/${parts.join('/')}`
          if (!admits(issue, 'GET', target)) return
          expect(decodeURIComponent(new URL(target, origin).pathname).toLowerCase()).toBe('/repos/acme/web/issues/42')
        },
      ),
      { numRuns: cases(2000) },
    )
  })

  it('admits an escaped slash only where it decodes to the bound value, whether a reader decodes before or after it splits', () => {
    const pieces = fc.constantFrom('acme', 'web', 'api', '%2f', '%2F', '%252F', '/', '..', '.', ';', '%5c', '%61', 'issues', '')
    fc.assert(
      fc.property(fc.array(pieces, { maxLength: 7 }), (parts) => {
        const target = `/projects/${parts.join('')}/issues`
        if (!admits(project, 'GET', target)) return
        expect(target.split('/').map((segment) => decodeURIComponent(segment))).toEqual(['', 'projects', 'acme/web', 'issues'])
        expect(new URL(decodeURIComponent(target), origin).pathname).toBe('/projects/acme/web/issues')
      }),
      { numRuns: cases(3000), examples: [[['acme', '%2F', 'web']]] },
    )
  })
})

function admitsBody(rule: RequestRule, text: string): boolean {
  const body = parseBody(Buffer.from(text))
  return body.ok && matchBody(rule, body.body)
}

describe('a body rule', () => {
  const bound: RequestRule = { ...issue, body: [{ pointer: '/title', value: 'Hello' }] }
  const graphql: RequestRule = {
    ...issue,
    graphql: { operation: 'query', fields: ['repository'], variables: { owner: 'acme', name: 'web' } },
  }
  const variables = { owner: 'acme', name: 'web' }

  it('compares values, whatever the spelling', () => {
    expect(admitsBody(bound, '{"title":"He\\u006clo","body":"x"}')).toBe(true)
    expect(admitsBody(bound, '{"title":"Other"}')).toBe(false)
    expect(admitsBody(bound, 'title=Hello')).toBe(false)
  })

  it('admits one GraphQL operation with the bound fields and variables', () => {
    expect(
      admitsBody(
        graphql,
        graphqlBody('query Q($owner: String!, $name: String!) { repository(owner: $owner, name: $name) { id } }', variables),
      ),
    ).toBe(true)
  })

  it.each([
    ['a mutation', 'mutation { deleteRef(input: {}) { id } }', variables],
    ['another root field', 'query { viewer { login } }', variables],
    ['one more root field', 'query { repository(owner: "a", name: "b") { id } viewer { login } }', variables],
    ['a root field behind an alias', 'query { repository: viewer { login } }', variables],
    ['a fragment at the root', 'query { ...F } fragment F on Query { viewer { login } }', variables],
    ['two operations', 'query A { repository { id } } query B { viewer { login } }', variables],
    ['another variable', 'query { repository { id } }', { owner: 'acme', name: 'secret' }],
    ['a batch', '', variables],
  ])('refuses GraphQL with %s', (name, query, values) => {
    const body = name === 'a batch' ? '[{"query":"query { repository { id } }"}]' : graphqlBody(query, values)
    expect(admitsBody(graphql, body)).toBe(false)
  })
})

describe('a JSON pointer', () => {
  it('finds values as RFC 6901 says, and nothing on a prototype', () => {
    const value = { head: { sha: 'abc', 'a/b': [1, { 'm~n': 2 }] } }
    expect(atPointer(value, '/head/sha')).toBe('abc')
    expect(atPointer(value, '/head/a~1b/1/m~0n')).toBe(2)
    expect(atPointer(value, '')).toBe(value)
    expect(atPointer(value, '/head/toString')).toBeUndefined()
  })
})

function graphqlBody(query: string, variables: object): string {
  return JSON.stringify({ query, variables })
}
