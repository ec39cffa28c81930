import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { Json } from '../../../src/core/json.ts'
import { leaseOf, policyOf, reasonOf, toolCall } from './support.ts'
import { cases } from '../../support/cases.ts'

const policy = policyOf(`  github:
    run: [node, server.js]
    provider: acme
    preset: server-github
    allow: [get_issue, get_file_contents, list_issues, list_pull_requests]
  plain:
    run: [node, server.js]
    provider: plain
    inject: { env: T }
    allow: [one, header, copy, form, escaped, list, digits, composite, below, compare, nested, encoded, whole, graph]
    tools:
      one: { scope: { k: "\${args.x}" }, requests: ["GET /a/\${args.x}"] }
      header: { scope: { k: 1 }, requests: [{ request: PUT /h, headers: { if-match: "\${args.x}" } }] }
      copy: { scope: { k: 1 }, requests: [{ request: PUT /h, headers: { x-amz-copy-source: "/\${args.x}/\${args.y...}" } }] }
      form: { scope: { k: 1 }, requests: [{ request: POST /f, form: { Action: Get, Version: 2016, Id.1: "\${args.x}", Name: "n-\${args.y}", Token: } }] }
      escaped: { scope: { k: 1 }, requests: ["GET /p/\${args.x|encoded}/i"] }
      list: { scope: { k: [fixed, "\${args.x}"] }, requests: [GET /] }
      digits: { scope: { digits: "\${args.x}" }, requests: [GET /] }
      composite: { scope: { k: "\${args.x}/\${args.y}" }, requests: [GET /] }
      below: { scope: { k: "a/\${args.x...}" }, requests: [GET /] }
      compare: { scope: { k: 1 }, requests: ["GET /c/\${args.x}...\${args.y}"] }
      nested: { scope: { k: "\${args.in.x}" }, requests: [GET /] }
      encoded: { scope: { k: 1 }, requests: [{ request: POST /e, body: { /data: "\${args.x|base64}", /note: "re: \${args.y}" } }] }
      whole: { scope: { k: 1 }, requests: [{ request: POST /w, body: { "": { x: "\${args.x}", in: { y: "\${args.y}" }, l: ["\${args.z}"] } } }] }
      graph: { scope: { k: 1 }, requests: [{ request: POST /graphql, graphql: { operation: mutation, fields: [close], variables: { id: "\${args.x}", n: 1 } } }] }
`)

const decide = (tool: string, args: Record<string, Json>): ReturnType<typeof policy.decide> => policy.decide(toolCall('plain', tool, args))

describe('a value from a call in a header', () => {
  it('stands there as it is', () => {
    expect(leaseOf(decide('header', { x: 'arn:aws:s3:::logs/a' })).requests[0]?.headers).toEqual({ 'if-match': 'arn:aws:s3:::logs/a' })
    const { requests } = leaseOf(decide('copy', { x: 'logs', y: '2026/q1.csv' }))
    expect(requests[0]?.headers).toEqual({ 'x-amz-copy-source': '/logs/2026/q1.csv' })
    expect(requests[0]?.text).toBe('PUT https://api.plain.dev/h [x-amz-copy-source: /logs/2026/q1.csv]')
    expect(decide('copy', { x: 'logs', y: 'a' }).used).toEqual({ x: 'logs', y: 'a' })
  })

  it.each<[string, Json]>([
    ['a second item', 'a, b'],
    ['a parameter', 'a;q=1'],
    ['a field', 'a&acl=public-read'],
    ['quotes', '"a"'],
    ['a space', 'a b'],
    ['a line break', 'a\r\nx-evil: 1'],
    ['a letter beyond ASCII', 'größe'],
    ['an escape', 'a%2fb'],
    ['a plus, which some read as a space', 'a+b'],
    ['nothing', ''],
    ['null', null],
    ['a list', ['a']],
    ['too much', 'a'.repeat(1025)],
  ])('may not be %s', (_, value) => {
    expect(reasonOf(decide('header', { x: value }))).toMatch(/x /)
  })

  it.each<[string, Json, Json, RegExp]>([
    ['a slash where one name is meant', 'logs/secret', 'a', /contains "\/"/],
    ['a traversal', 'logs', '../secret/a', /contains "\.\."/],
    ['an empty segment', 'logs', 'a//b', /a segment that is empty/],
    ['a dot', 'logs', './a', /a segment that is empty or "\."/],
    ['a slash at the end', 'logs', 'a/', /a segment that is empty/],
  ])('does not become another address: %s', (_, x, y, reason) => {
    expect(reasonOf(decide('copy', { x, y }))).toMatch(reason)
  })
})

describe('a value from a call in a form', () => {
  it('is one value, whatever it holds, and is left out with its argument', () => {
    const form = (args: Record<string, Json>): unknown => leaseOf(decide('form', args)).requests[0]?.form
    const fixed = [
      { name: 'Action', value: 'Get' },
      { name: 'Version', value: '2016' },
    ]
    expect(form({ x: 'a&Action=Delete', y: 'b' })).toEqual([
      ...fixed,
      { name: 'Id.1', value: 'a&Action=Delete' },
      { name: 'Name', value: 'n-b' },
      { name: 'Token' },
    ])
    expect(form({})).toEqual([...fixed, { name: 'Token' }])
    expect(leaseOf(decide('form', { x: 7 })).requests[0]?.text).toBe('POST https://api.plain.dev/f [Action=Get&Version=2016&Id.1=7&Token]')
  })

  it.each<[string, Record<string, Json>]>([
    ['a wildcard beside text', { y: '*' }],
    ['a list', { x: ['a'] }],
    ['a control character beside text', { y: 'a\u0000' }],
  ])('may not be %s', (_, args) => {
    expect(decide('form', args).effect).toBe('deny')
  })
})

describe('a value from a call', () => {
  it.each<[string, Json, RegExp]>([
    ['a wildcard', '*', /x "\*" contains "\*"/],
    ['a query', 'a?b', /contains "\?"/],
    ['a template', '${args.y}', /contains "\$\{"/],
    ['a traversal', '..', /contains "\.\."/],
    ['a traversal inside', 'a/../b', /contains "\.\."/],
    ['an encoded slash', 'a%2fb', /contains "%"/],
    ['a backslash', 'a\\b', /contains a backslash/],
    ['a null byte', 'a\0b', /contains a control character/],
    ['a line break', 'a\r\nb', /contains a control character/],
    ['an escape sequence', '\u001b[31m', /contains a control character/],
    ['a text that runs backwards', 'a\u202eb', /contains a control character/],
    ['half a character', 'a\ud800', /is not valid Unicode/],
    ['a slash', 'a/b', /contains "\/"/],
    ['a dot', '.', /cannot be part of a path/],
    ['nothing', '', /is empty/],
    ['null', null, /the call has no x/],
    ['a list', ['a'], /is no text, number or boolean/],
    ['an object', { toString: 'a' }, /is no text, number or boolean/],
    ['a number without a plain spelling', 1e21, /is no text, number or boolean/],
    ['a megabyte', 'a'.repeat(1_000_000), /x has 1000000 characters; policy reads at most 4096/],
  ])('%s is refused, and quoted', (_, value, reason) => {
    const message = reasonOf(decide('one', { x: value }))
    expect(message).toMatch(reason)
    expect(message.length).toBeLessThan(300)
    expect(message).not.toMatch(/[\u0000-\u001f\u202e]/)
  })

  it.each<[Json, string]>([
    ['a', 'a'],
    ['a b', 'a b'],
    ['ü#;&', 'ü#;&'],
    [42, '42'],
    [-0, '0'],
    [1.5, '1.5'],
    [true, 'true'],
  ])('%j stands in a path as %j', (value, text) => {
    expect(leaseOf(decide('one', { x: value }))).toMatchObject({
      scope: { k: text },
      requests: [{ segments: [{ value: 'a' }, { kind: 'literal', value: text, ignoreCase: false }] }],
    })
  })

  it.each<[Json, string]>([
    ['acme/web', 'GET https://api.plain.dev/p/acme%2Fweb/i'],
    ['a/b/c', 'GET https://api.plain.dev/p/a%2Fb%2Fc/i'],
    [42, 'GET https://api.plain.dev/p/42/i'],
  ])('%j is one segment where its slashes are escaped: %s', (x, text) => {
    const [rule] = leaseOf(decide('escaped', { x })).requests
    expect(rule?.text).toBe(text)
    expect(rule?.segments[1]).toEqual({ kind: 'literal', value: String(x), ignoreCase: false, encoded: true })
  })

  it.each<Json>(['', '/', '/a', 'a/', 'a//b', '.', '..', './a', 'a/./b', 'a/..', 'a%2fb', 'a\\b', '*', 'a/*', 'a?b', 'a\nb', null, ['a']])(
    '%j is no segment, escaped or not',
    (x) => expect(decide('escaped', { x }).effect).toBe('deny'),
  )

  it('takes the place of list items, each checked, never of all', () => {
    expect(leaseOf(decide('list', { x: ['a', 'b/c', 1] })).scope).toEqual({ k: ['fixed', 'a', 'b/c', '1'] })
    for (const x of [[], ['a', '*'], ['a', ['b']], ['a', ''], Array.from({ length: 501 }, () => 'a')])
      expect(decide('list', { x }).effect).toBe('deny')
  })

  it('is checked by the grammar of its field', () => {
    expect(leaseOf(decide('digits', { x: '12' })).scope).toEqual({ digits: '12' })
    expect(reasonOf(decide('digits', { x: '1a' }))).toBe('x "1a": takes digits (servers.plain.tools.digits.scope)')
  })

  it('cannot reach over into the next value', () => {
    expect(leaseOf(decide('composite', { x: 'a', y: 'b' })).scope).toEqual({ k: 'a/b' })
    expect(decide('composite', { x: 'evil/web', y: 'b' }).effect).toBe('deny')
    expect(leaseOf(decide('compare', { x: 'main', y: 'dev' })).requests[0]?.text).toBe('GET https://api.plain.dev/c/main...dev')
  })

  it('takes several segments where the rule says so, none of which leads elsewhere', () => {
    expect(leaseOf(decide('below', { x: 'b/c.csv' })).scope).toEqual({ k: 'a/b/c.csv' })
    for (const x of ['../b', 'b/..', 'b/./c', 'b//c', '/b', 'b/', '.', '', '*', 'b/*', ['b']])
      expect(decide('below', { x }).effect).toBe('deny')
  })

  it('is found inside an object, and only its own members', () => {
    expect(leaseOf(decide('nested', { in: { x: 'a' } })).scope).toEqual({ k: 'a' })
    for (const args of [{ in: 'a' }, { in: ['a'] }, { in: null }, { x: 'a' }, {}]) expect(decide('nested', args).effect).toBe('deny')
  })

  it('stands in a body as it is, whatever it contains and however long it is', () => {
    const x = `*?%../\u0000${'x'.repeat(100_000)}`
    expect(leaseOf(decide('whole', { x, y: { any: [1] }, z: 'z', other: 1 })).requests[0]?.body).toEqual([
      { pointer: '', value: { x, in: { y: { any: [1] } }, l: ['z'] } },
    ])
    expect(decide('whole', { x, y: 1, z: null }).effect).toBe('deny')
  })

  it('that is absent leaves its member out of a bound body, and denies where nothing may be left out', () => {
    expect(leaseOf(decide('whole', { z: 1 })).requests[0]?.body).toEqual([{ pointer: '', value: { in: {}, l: [1] } }])
    expect(decide('whole', { x: 1 }).effect).toBe('deny')
    expect(leaseOf(decide('encoded', { x: 'hé', y: 'ok' })).requests[0]?.body).toEqual([
      { pointer: '/data', value: Buffer.from('hé').toString('base64') },
      { pointer: '/note', value: 're: ok' },
    ])
    for (const args of [{ y: 'ok' }, { x: 'a' }, { x: 1, y: 'ok' }, { x: 'a', y: '*' }]) expect(decide('encoded', args).effect).toBe('deny')
    expect(leaseOf(decide('graph', { x: { deep: true } })).requests[0]?.graphql).toEqual({
      operation: 'mutation',
      fields: ['close'],
      variables: { id: { deep: true }, n: 1 },
    })
    expect(decide('graph', {}).effect).toBe('deny')
  })

  it('never makes a rule wider: what is granted names one repository, and every path is literal', () => {
    const name = fc.oneof(
      fc.constantFrom('acme', 'web', '..', '*', 'a/b', '%2e', 'w\u0000', '.'),
      fc.string({ maxLength: 8 }),
      fc.jsonValue(),
    )
    const args = fc.record(
      { owner: name, repo: name, issue_number: fc.oneof(fc.nat(), name), path: fc.oneof(name, fc.string()), branch: name, state: name },
      { requiredKeys: [] },
    )
    let allowed = 0
    fc.assert(
      fc.property(fc.constantFrom('get_issue', 'get_file_contents', 'list_issues', 'list_pull_requests'), args, (tool, generated) => {
        const callArgs: Record<string, Json> = JSON.parse(JSON.stringify(generated))
        const decision = policy.decide(toolCall('github', tool, callArgs))
        if (decision.effect === 'deny') {
          expect(decision.reason).not.toMatch(/could not be decided/)
          return
        }
        allowed += 1
        const { scope, requests } = leaseOf(decision)
        expect(scope['repositories']).toEqual([`${String(callArgs['owner'])}/${String(callArgs['repo'])}`])
        for (const rule of requests) {
          expect(rule.origin).toBe('https://api.github.com')
          expect(rule.segments.slice(0, 3)).toMatchObject([
            { value: 'repos' },
            { value: String(callArgs['owner']) },
            { value: String(callArgs['repo']) },
          ])
          for (const segment of rule.segments)
            expect(
              segment.kind === 'literal' && segment.value !== '..' && segment.value !== '.' && !/[/*?%\\\u0000-\u001f]/.test(segment.value),
            ).toBe(true)
          const url = new URL(
            `https://api.github.com/${rule.segments.map((segment) => (segment.kind === 'literal' ? encodeURIComponent(segment.value) : '')).join('/')}`,
          )
          expect(url.pathname.split('/').length).toBe(rule.segments.length + 1)
        }
      }),
      { numRuns: cases(3000) },
    )
    expect(allowed).toBeGreaterThan(20)
  })
})

describe('speed', () => {
  it('of a decision does not grow with the number of rules', () => {
    const timeOf = (count: number): number => {
      const tools = Array.from({ length: count }, (_, index) => `tool_${index}`)
      const large = policyOf(
        `  s:\n    run: [x]\n    provider: plain\n    inject: { env: T }\n    where: { repo: [${tools.join(', ')}] }\n    allow: [${tools.join(', ')}]\n    tools:\n${tools.map((tool) => `      ${tool}: { scope: { k: "\${args.repo}" }, requests: ["GET /\${args.repo}"] }\n`).join('')}`,
      )
      const calls = Array.from({ length: 2000 }, (_, index) =>
        toolCall('s', `tool_${(index * 7) % count}`, { repo: `tool_${index % count}` }),
      )
      for (const call of calls) expect(large.decide(call).effect).toBe('allow')
      // Its own time, and the best of several: other programs only ever make it slower.
      const rounds = Array.from({ length: 5 }, () => {
        const started = process.cpuUsage()
        for (const call of calls) large.decide(call)
        return process.cpuUsage(started).user / 1000
      })
      return Math.min(...rounds)
    }
    const few = timeOf(10)
    expect(timeOf(10_000)).toBeLessThan(few * 5 + 50)
  })
})
