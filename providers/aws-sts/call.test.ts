import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { loadConfig } from '../../src/config/load.ts'
import { JitError, type JsonObject } from '../../src/provider/index.ts'
import { compilePolicy } from '../../src/policy/compile.ts'
import { leaseOf, presets, toolCall } from '../../test/unit/policy/support.ts'
import { awsSts } from './index.ts'
import { policyText, sessionPolicy } from './policy.ts'

const facts = {
  kind: 'aws-sts',
  authentication: 'aws-sigv4' as const,
  origin: 'https://sts.eu-west-1.amazonaws.com',
  parseScope: (scope: JsonObject) => {
    const parsed = awsSts.scope.safeParse(scope)
    if (!parsed.success) throw new JitError('provider.scope', parsed.error.issues[0]?.message ?? '')
    return parsed.data
  },
  checkField: awsSts.checkField,
  checkTemplate: (template: JsonObject) => awsSts.checkTemplate?.(template),
}

function policyOf(scope: string, requests = '["GET https://s3.eu-west-1.amazonaws.com/**"]'): ReturnType<typeof compilePolicy> {
  const text = `version: 1
providers: { aws: { kind: aws-sts, region: eu-west-1, roleArn: "arn:aws:iam::123456789012:role/agents" } }
servers:
  files:
    run: [x]
    provider: aws
    inject: { env: T }
    allow: [read]
    tools:
      read: { scope: ${scope}, requests: ${requests} }
`
  return compilePolicy(
    loadConfig('jit.yaml', text, { kinds: new Map([['aws-sts', awsSts.config]]), presets }),
    new Map([['aws', facts]]),
    presets,
  )
}

describe('a call that names a bucket and a key', () => {
  const policy = policyOf('{ actions: ["s3:GetObject"], resources: ["arn:aws:s3:::${args.bucket}/${args.key...}"] }')
  const decide = (args: JsonObject): ReturnType<typeof policy.decide> =>
    policy.decide(toolCall('files', 'read', args as Record<string, string>))

  it('asks AWS for that object and nothing else', () => {
    const { scope } = leaseOf(decide({ bucket: 'acme-reports', key: '2026/q1.csv' }))
    expect(sessionPolicy(scope)).toEqual({
      Version: '2012-10-17',
      Statement: [{ Effect: 'Allow', Action: ['s3:GetObject'], Resource: ['arn:aws:s3:::acme-reports/2026/q1.csv'] }],
    })
  })

  it.each([
    ['acme-reports', '*'],
    ['acme-reports', '2026/*'],
    ['acme-reports', '../acme-secret/x'],
    ['acme-reports', '${aws:username}'],
    ['acme-reports', ''],
    ['acme-reports', '/'],
    ['acme-reports', 'a","arn:aws:s3:::acme-secret/x'],
    ['acme-reports', 'arn:aws:s3:::acme-secret/x'],
    ['acme-reports/2026', 'q1.csv'],
    ['*', 'q1.csv'],
    ['ACME', 'q1.csv'],
    ['', 'q1.csv'],
    ['arn:aws:s3:::acme-secret', 'x'],
  ])('is denied for %j and %j', (bucket, key) => {
    expect(decide({ bucket, key }).effect).toBe('deny')
  })

  it('never asks for more than one object, whatever the values are', () => {
    const nasty = fc.string({
      unit: fc.constantFrom('a', 'b', 'c', '0', '-', '.', '/', ':', '*', '?', '$', '{', '}', '"', '\\', '%', ' ', 'é', '\u0000'),
      maxLength: 12,
    })
    const plain = fc.string({ unit: fc.constantFrom('a', 'b', '0', '/', '.', ' ', 'é', '-'), minLength: 1, maxLength: 6 })
    let allowed = 0
    fc.assert(
      fc.property(fc.oneof(fc.constant('acme-reports'), nasty), fc.oneof(plain, nasty), (bucket, key) => {
        const decision = decide({ bucket, key })
        if (decision.effect === 'deny') return
        allowed += 1
        const { Statement }: { Statement: { Action: string[]; Resource: string[] }[] } = JSON.parse(
          policyText(sessionPolicy(leaseOf(decision).scope)),
        )
        expect(Statement.map(({ Action, Resource }) => [Action, Resource])).toEqual([[['s3:GetObject'], [`arn:aws:s3:::${bucket}/${key}`]]])
        expect(bucket).toMatch(/^[a-z0-9.-]+$/)
        expect(key).not.toMatch(/[*?$"\\:]|\.\.|^\/|\/\/|\/$/)
      }),
      { numRuns: 3000 },
    )
    expect(allowed).toBeGreaterThan(20)
  })
})

describe('a config', () => {
  it('hands a server the three parts of a session, and no others', () => {
    const good = ['accessKeyId', 'secretAccessKey', 'sessionToken', 'token', 'session'].filter(
      (part) => awsSts.checkPart?.(part) === undefined,
    )
    expect(good).toEqual(['accessKeyId', 'secretAccessKey', 'sessionToken'])
  })

  it.each([
    [
      'a misspelt action',
      '{ actions: ["s3:GetObjects"], resources: ["arn:aws:s3:::acme-reports/${args.key}"] }',
      'the nearest is "s3:GetObject"',
    ],
    [
      'a misspelt action without arguments',
      '{ actions: ["s3:GetObjects"], resources: ["arn:aws:s3:::acme-reports/x"] }',
      'the nearest is "s3:GetObject"',
    ],
    ['every resource', '{ actions: ["s3:GetObject"], resources: ["*"] }', 'every resource'],
  ])('with %s is refused before any call', (_, scope, words) => {
    expect(() => policyOf(scope)).toThrow(expect.objectContaining({ code: 'config.invalid', message: expect.stringMatching(words) }))
  })

  it.each([
    ['no operation', '{ Version: "2016-11-15" }', false],
    ['an operation of any name', '{ Action: }', false],
    ['the operation from the call', '{ Action: "${args.action}" }', false],
    ['a part of it from the call', '{ Action: "Describe${args.what}" }', false],
    ['one operation', '{ Action: DescribeInstances, InstanceId.1: "${args.id}" }', true],
  ])('with a form of %s: %s: %s', (_, form, good) => {
    const compile = (): unknown =>
      policyOf(
        '{ actions: ["ec2:DescribeInstances"], resources: ["*"] }',
        `[{ request: "POST https://ec2.eu-west-1.amazonaws.com/", form: ${form} }]`,
      )
    if (good) expect(compile).not.toThrow()
    else
      expect(compile).toThrow(
        expect.objectContaining({ code: 'config.invalid', message: expect.stringContaining('`Action` with a fixed value') }),
      )
  })
})
