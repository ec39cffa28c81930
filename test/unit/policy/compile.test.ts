import { describe, expect, it } from 'vitest'
import { keyFacts, plainFacts, problemsOf } from './support.ts'

const head = '  s:\n    run: [x]\n    provider: plain\n    inject: { env: T }\n'
const row = (text: string): string => `${head}    allow: [t]\n    tools:\n      t: ${text}\n`

describe('what cannot be compiled', () => {
  it('is nothing in a plain row', () => {
    expect(problemsOf(row('{ scope: { a: "${args.x}" }, requests: ["GET /${args.x}/*/**?page&q=${args.q}&z=1"] }'))).toEqual([])
    expect(problemsOf(row('{ scope: { a: 1 }, requests: [] }'))).toEqual([])
  })

  const cases: [name: string, text: string, problem: RegExp][] = [
    [
      'bad CEL',
      row(`{ when: 'args.x ==', credential: none }`),
      /^12:12 servers\.s\.tools\.t\.when: the condition is not CEL: Unexpected token/,
    ],
    [
      'a condition over something else',
      row(`{ when: 'argh.x == 1', credential: none }`),
      /servers\.s\.tools\.t\.when: the condition is wrong: Unknown variable: argh/,
    ],
    ['a condition that is no yes or no', row(`{ when: '"yes"', credential: none }`), /gives a string, not true or false/],
    ['a condition over all arguments', row(`{ when: 'size(args) == 1', credential: none }`), /`args` as a whole cannot be read/],
    ['a pattern from the call', row(`{ when: 'args.x.matches(args.y)', credential: none }`), /matches\(\) needs its pattern as a text/],
    ['a pattern that is none', row(`{ when: 'args.x.matches("(a")', credential: none }`), /unmatched "\("/],
    [
      'three loops within each other',
      row(`{ when: 'args.a.all(x, args.a.all(y, args.a.all(z, x == y)))', credential: none }`),
      /more than two loops/,
    ],
    ['no scope', row('{ requests: [GET /] }'), /12:7 servers\.s\.tools\.t: needs a `scope`, or `credential: none`/],
    ['no requests', row('{ scope: { a: 1 } }'), /servers\.s\.tools\.t: needs `requests`/],
    [
      'a scope with credential: none',
      row('{ scope: { a: 1 }, credential: none }'),
      /t\.scope: a scope asks for a credential, but `credential: none`/,
    ],
    ['requests with credential: none', row('{ requests: [GET /], credential: none }'), /t\.requests: requests need a credential/],
    ['a template that is none', row('{ scope: { a: "${arg.x}" }, requests: [GET /] }'), /t\.scope\.a: \$\{arg\.x\} is no template/],
    ['an open template', row('{ scope: { a: "${args.x" }, requests: [GET /] }'), /t\.scope\.a: "\$\{" opens a template that is not closed/],
    ['a template in a key', row('{ scope: { "${args.x}": 1 }, requests: [GET /] }'), /holds a template; only values may/],
    ['a captured value in a scope', row('{ scope: { a: ["${seen.x}"] }, requests: [GET /] }'), /t\.scope\.a\[0\]: \$\{seen/],
    ['what the provider knows to be wrong', row('{ scope: { never: "${args.x}" }, requests: [GET /] }'), /t\.scope: nothing is ever that/],
    ['base64 in a scope', row('{ scope: { a: "${args.x|base64}" }, requests: [GET /] }'), /takes no "\|base64" in a scope/],
    ['no method', row('{ scope: { a: 1 }, requests: [/x] }'), /t\.requests\[0\]: "\/x" is no request rule/],
    ['a method in lower case', row('{ scope: { a: 1 }, requests: [get /x] }'), /"get" is no method; write one of GET/],
    ['plain http', row('{ scope: { a: 1 }, requests: ["GET http://x.dev/y"] }'), /"http:\/\/x\.dev" is not https/],
    ['a host from the call', row('{ scope: { a: 1 }, requests: ["GET https://${args.x}/y"] }'), /is no https:\/\/host/],
    [
      'an encoded argument in a header',
      row('{ scope: { a: 1 }, requests: [{ request: "POST /", headers: { x-amz-target: "A.${args.x|encoded}" } }] }'),
      /headers\.x-amz-target: \$\{args\.x\} takes no "\|encoded" in a header/,
    ],
    [
      'a captured value in a header',
      row('{ scope: { a: 1 }, requests: [{ request: "POST /", headers: { if-match: "${seen.x}" } }] }'),
      /headers\.if-match: \$\{seen/,
    ],
    [
      'a header that ends in a space',
      row('{ scope: { a: 1 }, requests: [{ request: "POST /", headers: { if-match: "${args.x} " } }] }'),
      /is no header's value/,
    ],
    [
      'a form and a JSON body',
      row('{ scope: { a: 1 }, requests: [{ request: "POST /", form: { a: b }, body: { /a: b } }] }'),
      /form: a body is a form or JSON, not both/,
    ],
    ['a form of a GET', row('{ scope: { a: 1 }, requests: [{ request: "GET /", form: { a: b } }] }'), /form: a GET request has no form/],
    ['a form without fields', row('{ scope: { a: 1 }, requests: [{ request: "POST /", form: {} }] }'), /leave `form` out/],
    [
      'a field with a name that is none',
      row('{ scope: { a: 1 }, requests: [{ request: "POST /", form: { "a&b": c } }] }'),
      /"a&b" is no name of a form's field/,
    ],
    [
      'several segments in a form',
      row('{ scope: { a: 1 }, requests: [{ request: "POST /", form: { a: "${args.x...}" } }] }'),
      /form\.a: a field of a form takes \$\{args\.NAME\} only/,
    ],
    [
      'a header on two lines',
      row('{ scope: { a: 1 }, requests: [{ request: "POST /", headers: { x-amz-target: "A\\nb: c" } }] }'),
      /is no header's value/,
    ],
    ['a wildcard host', row('{ scope: { a: 1 }, requests: ["GET https://*.dev/y"] }'), /is no https:\/\/host/],
    ['a user in the host', row('{ scope: { a: 1 }, requests: ["GET https://a@x.dev/y"] }'), /is no https:\/\/host/],
    ['** in the middle', row('{ scope: { a: 1 }, requests: ["GET /**/y"] }'), /"\*\*" stands for the rest/],
    ['* in a segment', row('{ scope: { a: 1 }, requests: ["GET /a*"] }'), /"\*" must be a whole part/],
    ['.. in the rule', row('{ scope: { a: 1 }, requests: ["GET /a/../b"] }'), /the path has a "\.\." part/],
    ['an empty part', row('{ scope: { a: 1 }, requests: ["GET /a//b"] }'), /empty part/],
    ['an encoded path', row('{ scope: { a: 1 }, requests: ["GET /a%20b"] }'), /write paths decoded/],
    ['segments beside text', row('{ scope: { a: 1 }, requests: ["GET /a-${args.x...}"] }'), /must stand alone between slashes/],
    [
      'an escaped segment beside text',
      row('{ scope: { a: 1 }, requests: ["GET /a-${args.x|encoded}"] }'),
      /must stand alone between slashes/,
    ],
    ['an escaped segment in a query', row('{ scope: { a: 1 }, requests: ["GET /a?b=${args.x|encoded}"] }'), /t\.requests\[0\]/],
    ['an escaped segment in a scope', row('{ scope: { a: "${args.x|encoded}" }, requests: [GET /] }'), /takes no "\|encoded" in a scope/],
    [
      'an escaped segment in a body',
      row('{ scope: { a: 1 }, requests: [{ request: POST /, body: { /b: "${args.x|encoded}" } }] }'),
      /\|encoded\} belongs to paths/,
    ],
    ['an unknown suffix', row('{ scope: { a: 1 }, requests: ["GET /${args.x|decoded}"] }'), /is no template/],
    ['base64 in a path', row('{ scope: { a: 1 }, requests: ["GET /${args.x|base64}"] }'), /belongs to a body/],
    [
      'a value captured by nobody',
      row('{ scope: { a: 1 }, requests: ["GET /${seen.sha}"] }'),
      /\$\{seen\.sha\} is captured by no request before/,
    ],
    [
      'a value captured later',
      row('{ scope: { a: 1 }, requests: ["GET /${seen.sha}", { request: GET /b, capture: { sha: /sha } }] }'),
      /captured by no request before/,
    ],
    [
      'a captured value beside text',
      row('{ scope: { a: 1 }, requests: [{ request: GET /b, capture: { sha: /sha } }, "GET /x-${seen.sha}"] }'),
      /must be a whole path segment/,
    ],
    ['a query without a name', row('{ scope: { a: 1 }, requests: ["GET /a?=1"] }'), /is no query parameter/],
    ['an empty query', row('{ scope: { a: 1 }, requests: ["GET /a?"] }'), /is no query parameter/],
    ['a query name twice', row('{ scope: { a: 1 }, requests: ["GET /a?x&x=1"] }'), /stands there twice/],
    ['a body on GET', row('{ scope: { a: 1 }, requests: [{ request: GET /a, body: { /x: 1 } }] }'), /a GET request has no body/],
    [
      'GraphQL by GET',
      row('{ scope: { a: 1 }, requests: [{ request: GET /graphql, graphql: { operation: query, fields: [viewer] } }] }'),
      /a GraphQL request is a POST/,
    ],
    [
      'a captured value in a body',
      row(
        '{ scope: { a: 1 }, requests: [{ request: GET /b, capture: { sha: /sha } }, { request: POST /a, body: { /x: "${seen.sha}" } }] }',
      ),
      /requests\[1\]\.body\.\/x: \$\{seen/,
    ],
    ['where with a name that is none', `${head}    where: { "a b": 1 }\n`, /servers\.s\.where\.a b: "a b" cannot name an argument/],
    [
      'a tool that nobody defines',
      `${head}    allow: [t]\n`,
      /10:13 servers\.s\.allow\[0\]: "t" is not defined under `tools`; a tool that needs no credential/,
    ],
    [
      'a misspelt tool',
      `${row('{ credential: none }')}      get_issue: { credential: none }\n    ask: [get_isue]\n`,
      /servers\.s\.ask\[0\]: "get_isue" is not defined under `tools`.* Did you mean "get_issue"\?/,
    ],
    [
      'where over an argument that the row lacks',
      `${row('{ credential: none }')}    where: { repo: web }\n`,
      /10:13 servers\.s\.allow\[0\]: "t" has no argument "repo" as far as its row says/,
    ],
    [
      'where over an argument that one case lacks',
      `${row('[{ when: "args.repo == \'web\'", credential: none }, { credential: none }]')}    where: { repo: web }\n`,
      /"t" has no argument "repo"/,
    ],
    [
      'a scope without a provider',
      '  s:\n    run: [x]\n    allow: [t]\n    tools: { t: { scope: { a: 1 }, requests: [GET /] } }\n',
      /the server has no `provider`/,
    ],
  ]
  it.each(cases)('%s is named with its position', (_, text, problem) => {
    expect(problemsOf(text).join('\n')).toMatch(problem)
  })

  it('rows that are not listed are checked too', () => {
    expect(problemsOf(`${head}    tools:\n      t: { scope: {}, requests: [nonsense] }\n`)).toHaveLength(1)
  })

  it.each([
    ['its row names the argument in a template', '{ scope: { a: "${args.repo}" }, requests: [GET /] }'],
    ['its condition reads it', `{ when: 'args.repo != ""', credential: none }`],
    ['its own where constrains it', '{ where: { repo: [web, api] }, credential: none }'],
    ['it is listed as one of its arguments', '{ credential: none, arguments: [repo] }'],
    ['the row says where: none', '{ credential: none, where: none }'],
  ])('a server’s where is accepted for a tool when %s', (_, text) => {
    expect(problemsOf(`${row(text)}    where: { repo: web }\n`)).toEqual([])
  })

  it('a scope without arguments is checked by the provider here and now', () => {
    const text =
      '  s:\n    run: [x]\n    provider: acme\n    inject: { env: T }\n    allow: [t]\n    tools: { t: { scope: { repositories: [], permissions: { issues: read } }, requests: [GET /] } }\n'
    expect(problemsOf(text).join()).toContain('servers.s.tools.t.scope: the scope is refused')
  })

  it.each([
    ['env', '{ mode: env, env: T }', 1],
    ['egress', '{ env: T }', 0],
    ['endpoint', '{ mode: endpoint, env: T, url: { U: "${endpoint}" } }', 0],
  ])('a key that outlives the call, in mode %s', (mode, inject, found) => {
    const text = `  s:\n    run: [x]\n    provider: plain\n    inject: ${inject}\n`
    const problems = problemsOf(text, new Map([['plain', keyFacts]]))
    expect(problems).toHaveLength(found)
    for (const problem of problems)
      expect(problem).toMatch(new RegExp(`servers\\.s\\.inject\\.mode: mode ${mode} gives the server the secret itself`))
    expect(problemsOf(text)).toEqual([])
  })

  it.each<[string, string, RegExp | undefined]>([
    ['the token', '{ mode: env, env: T }', undefined],
    ['the token among text', '{ mode: env, env: { T: "Bearer ${token}" } }', undefined],
    ['nothing', '{ mode: env, env: { T: plain } }', undefined],
    [
      'what only jit uses',
      '{ mode: env, env: { T: "${refreshToken}" } }',
      /inject\.env\.T: \$\{refreshToken\} of a provider of kind plain: it gives/,
    ],
    ['no part', '{ mode: env, env: { T: "${token.x}" } }', /"\$\{token\.x\}" names no part of a credential/],
    ['an open template', '{ mode: env, env: { T: "${token" } }', /names no part/],
    ['any of these in mode egress', '{ env: { T: "${refreshToken}" } }', undefined],
  ])('a variable for a server that holds %s', (_, inject, problem) => {
    const found = problemsOf(`  s:\n    run: [x]\n    provider: plain\n    inject: ${inject}\n`)
    if (problem === undefined) expect(found).toEqual([])
    else expect(found).toEqual([expect.stringMatching(problem)])
  })

  it('a kind says which parts of its credentials a server may hold', () => {
    const checkPart = (part: string): string | undefined => (part === 'key' ? undefined : 'it has ${key}')
    const known = new Map([['plain', { ...plainFacts, checkPart }]])
    const problems = (inject: string): string[] => problemsOf(`  s:\n    run: [x]\n    provider: plain\n    inject: ${inject}\n`, known)
    expect(problems('{ mode: env, env: { T: "${key}" } }')).toEqual([])
    expect(problems('{ mode: env, env: T }')).toEqual([expect.stringContaining('it has ${key}; write `env: { T: "${…}" }` with its parts')])
  })

  it('all problems are reported at once, in order', () => {
    expect(
      problemsOf(
        `${row('{ scope: { a: "${x}" }, requests: [GET /] }')}      u: { credential: none, when: "1 +" }\n    where: { "a b": 1 }\n`,
      ),
    ).toHaveLength(3)
  })
})
