import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { Json } from '../../../src/core/json.ts'
import type { GraphqlRule } from '../../../src/core/types.ts'
import { parseBody } from '../../../src/egress/body.ts'
import { matchGraphql } from '../../../src/egress/graphql.ts'
import { cases } from '../../support/cases.ts'

const bound: GraphqlRule = { operation: 'query', fields: ['repository', 'node'], variables: { owner: 'acme', name: 'web' } }
const free: GraphqlRule = { operation: 'mutation', fields: ['addStar', 'removeStar'], variables: {} }
const variables = { owner: 'acme', name: 'web' }
const declared = 'query($owner: String!, $name: String!)'
const at = 'repository(owner: $owner, name: $name)'

function admits(rule: GraphqlRule, query: unknown, values: unknown = variables, more: object = {}): boolean {
  const body = parseBody(Buffer.from(JSON.stringify({ query, variables: values, ...more })))
  return body.ok && body.body.kind === 'json' && matchGraphql(rule, body.body.value)
}

describe('a GraphQL rule with variables admits', () => {
  it.each<[name: string, query: string, values?: object, more?: object]>([
    ['its field', `${declared} { ${at} { id } }`],
    ['an operation with a name', `query Q($owner: String!, $name: String!) { ${at} { id } }`, variables, { operationName: 'Q' }],
    [
      'an operation whose name is not repeated',
      `query Q($owner: String!, $name: String!) { ${at} { id } }`,
      variables,
      { operationName: null },
    ],
    ['its field under another name', `${declared} { mine: ${at} { id } }`],
    ['its field twice', `${declared} { a: ${at} { id } b: ${at} { name } }`],
    ['its field in a fragment', `${declared} { ...F } fragment F on Query { ${at} { id } }`],
    ['its field in an inline fragment', `${declared} { ... on Query { ... { ${at} { id } } } }`],
    ['its field beside the name of the type', `${declared} { __typename ${at} { id } }`],
    [
      'paging by literals and by variables',
      `query($owner: String!, $name: String!, $after: String) { ${at} { issues(first: 10, after: $after) { nodes { id } } } }`,
      { ...variables, after: 'x' },
    ],
    [
      'a choice among fixed values',
      `${declared} { repository(owner: $owner, name: $name, followRenames: false) { issues(states: [OPEN], orderBy: {field: CREATED_AT, direction: DESC}) { nodes { id } } } }`,
    ],
    ['a variable further down', `${declared} { repository(owner: $owner) { child(name: $name) { id } } }`],
    [
      'a variable in a fragment further down',
      `${declared} { repository(owner: $owner) { ...F } } fragment F on Repository { child(name: $name) { id } }`,
    ],
    ['a variable in an object', `${declared} { repository(by: {owner: $owner, names: [$name]}) { id } }`],
    ['a condition', `query($owner: String!, $name: String!, $if: Boolean!) { ${at} { id @include(if: $if) } }`, { ...variables, if: true }],
    ['a default that does not count', `query($owner: String = "other", $name: String!) { ${at} { id } }`],
    ['a comment', `# a comment\n${declared} { ${at} { id } }`],
  ])('%s', (_, query, values, more) => {
    expect(admits(bound, query, values, more)).toBe(true)
  })
})

describe('a GraphQL rule with variables refuses', () => {
  it.each<[name: string, query: unknown, values?: unknown, more?: object]>([
    ['another root field', `${declared} { viewer { login } }`],
    ['one more root field', `${declared} { ${at} { id } viewer { login } }`],
    ['another root field under its name', `${declared} { repository: viewer { login } }`],
    ['another root field in a fragment', `${declared} { ${at} { id } ...F } fragment F on Query { viewer { login } }`],
    ['another root field in an inline fragment', `${declared} { ${at} { id } ... @include(if: true) { viewer { login } } }`],
    [
      'another root field in a fragment of a fragment',
      `${declared} { ...A } fragment A on Query { ...B } fragment B on Query { viewer { login } }`,
    ],
    ['the schema', `${declared} { __schema { types { name } } }`],
    ['a type', '{ __type(name: "User") { name } }'],
    ['a mutation', `mutation($owner: String!, $name: String!) { ${at} { id } }`],
    ['a subscription', `subscription($owner: String!, $name: String!) { ${at} { id } }`],
    ['two operations', `query A { ${at} { id } } query B { viewer { login } }`, variables, { operationName: 'A' }],
    ['two operations that are equal', `query A { ${at} { id } } query B { ${at} { id } }`, variables, { operationName: 'A' }],
    ['no operation', `fragment F on Query { ${at} { id } }`],
    ['a definition of the schema', `${declared} { ${at} { id } } extend type Query { a: Int }`],
    ['the name of another operation', `query A { ${at} { id } }`, variables, { operationName: 'B' }],
    ['a name that is no text', `query A { ${at} { id } }`, variables, { operationName: 1 }],
    ['a fragment that is missing', `${declared} { ...F }`],
    ['a fragment that is missing further down', `${declared} { ${at} { ...F } }`],
    ['a fragment that contains itself', `${declared} { ...F } fragment F on Query { ...F }`],
    ['two fragments of one name', `${declared} { ...F } fragment F on Query { viewer { id } } fragment F on Query { ${at} { id } }`],
    ['another value', `${declared} { ${at} { id } }`, { ...variables, name: 'secret' }],
    ['a value of another type', `${declared} { ${at} { id } }`, { ...variables, name: ['web'] }],
    ['no value', `${declared} { ${at} { id } }`, { owner: 'acme' }],
    ['no variables', `${declared} { ${at} { id } }`, null],
    ['variables as text', `${declared} { ${at} { id } }`, JSON.stringify(variables)],
    ['variables as a list', `${declared} { ${at} { id } }`, [variables]],
    ['a variable of the prototype', 'query($toString: String) { repository(owner: $toString) { id } }', {}],
    ['a literal in place of a variable', `${declared} { repository(owner: $owner, name: "secret") { id } }`],
    ['a block of text in place of a variable', `${declared} { repository(owner: $owner, name: """secret""") { id } }`],
    ['a number in place of a variable', `${declared} { node(owner: $owner, name: $name, id: 5) { id } }`],
    [
      'a free variable',
      `query($owner: String!, $name: String!, $x: String!) { repository(owner: $owner, name: $x) { n(name: $name) } }`,
      { ...variables, x: 'secret' },
    ],
    ['a literal beside its variables', `${declared} { repository(owner: $owner, name: $name, of: "other") { id } }`],
    ['a literal in a list', `${declared} { repository(owner: $owner, names: [$name, "secret"]) { id } }`],
    ['a literal in an object', `${declared} { repository(by: {owner: $owner, name: $name, or: "secret"}) { id } }`],
    ['a literal further down', `${declared} { ${at} { object(expression: "HEAD:.env") { id } } }`],
    [
      'a literal further down in a fragment',
      `${declared} { ${at} { ...F } } fragment F on Repository { object(expression: "HEAD:.env") { id } }`,
    ],
    [
      'a free variable further down',
      `query($owner: String!, $name: String!, $n: Int!) { ${at} { issue(number: $n) { id } } }`,
      { ...variables, n: 7 },
    ],
    ['variables that it does not use', `${declared} { repository { id } }`],
    ['one variable that it does not use', `${declared} { repository(owner: $owner) { id } }`],
    ['variables that one of its fields does not use', `${declared} { a: ${at} { id } b: repository { id } }`],
    ['variables that only a condition uses', `${declared} { repository { id @include(if: $owner) @skip(if: $name) } }`],
    ['variables that only a fragment uses that nobody spreads', `${declared} { repository { id } } fragment F on Query { ${at} { id } }`],
    [
      'a persisted query beside it',
      `${declared} { ${at} { id } }`,
      variables,
      { extensions: { persistedQuery: { version: 1, sha256Hash: 'x' } } },
    ],
    ['a query by its id', undefined, variables, { id: 'abc' }],
    ['another member', `${declared} { ${at} { id } }`, variables, { Query: 'x' }],
    ['no query', undefined],
    ['a query that is a list', [`${declared} { ${at} { id } }`]],
    ['what does not parse', `${declared} { ${at} { id }`],
    ['nothing', ''],
    ['more tokens than anybody writes', `${declared} { ${at} { ${'id '.repeat(6000)} } }`],
    ['depth that would end the process', `${declared} { ${'a{'.repeat(2400)}b${'}'.repeat(2400)} }`],
  ])('%s', (_, query, values, more) => {
    expect(admits(bound, query, values, more)).toBe(false)
  })

  it.each<[name: string, body: Json]>([
    ['a batch', [{ query: `${declared} { ${at} { id } }`, variables }]],
    ['text', `${declared} { ${at} { id } }`],
    ['nothing', null],
  ])('%s as its body', (_, body) => {
    expect(matchGraphql(bound, body)).toBe(false)
  })
})

describe('a GraphQL rule without variables', () => {
  it('names fields alone: their arguments are free', () => {
    expect(admits(free, 'mutation { addStar(input: {id: "x"}) { id } }', {})).toBe(true)
    expect(admits(free, 'mutation { removeStar(input: {id: "x"}) { id } deleteRef(input: {}) { id } }', {})).toBe(false)
    expect(admits(free, 'query { addStar { id } }', {})).toBe(false)
    expect(admits(free, '{ addStar { id } }', {})).toBe(false)
  })

  it('admits no document that selects another field at the root, however it is nested in fragments', () => {
    const names = fc.constantFrom('addStar', 'removeStar', 'deleteRef', '__typename')
    const { set } = fc.letrec<{ set: string[]; item: string }>((tie) => ({
      item: fc.oneof(
        { maxDepth: 4 },
        names.map((name) => `${name} `),
        names.map((name) => `addStar: ${name} `),
        tie('set').map((items) => `... { ${items.join('')} } `),
      ),
      set: fc.array(tie('item'), { minLength: 1, maxLength: 3 }),
    }))
    fc.assert(
      fc.property(set, (items) => {
        const query = `mutation { ${items.join('')} }`
        expect(admits(free, query, {})).toBe(!query.includes('deleteRef'))
      }),
      { numRuns: cases(500) },
    )
  })

  it('spends no more on a document than it is long, whatever its fragments spread', () => {
    const fragments = Array.from(
      { length: 30 },
      (_, index) => `fragment F${index} on Q { ${'...F'.concat(String(index + 1), ' ').repeat(10)} }`,
    )
    const document = `${declared} { ${at} { ...F0 } } ${fragments.join(' ')} fragment F30 on Q { id }`
    expect(admits(bound, document)).toBe(true)
    expect(admits(bound, `${declared} { ...F0 } ${fragments.join(' ')} fragment F30 on Q { ${at} { id } }`)).toBe(true)
    expect(admits(bound, `${declared} { ...F0 } ${fragments.join(' ')} fragment F30 on Q { ${at} { id } viewer }`)).toBe(false)
  })
})
