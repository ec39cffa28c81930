import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { runSimulation } from '@cloud-copilot/iam-simulate'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { z } from 'zod'
import { lastCall } from '../demo/trail.ts'
import { runJit } from '../support/command.ts'
import { configureServers, must } from '../support/servers.ts'
import { callTool, connect } from './call.ts'
import { account, awsHosts, json, type Moto, query, region, startMoto } from './moto.ts'
import { findProgram } from './programs.ts'

const moto = findProgram('moto')
const cloudwatch = findProgram('cloudwatch-mcp-server')
const role = `arn:aws:iam::${account}:role/agents`
const object = 'arn:aws:s3:::acme-reports/2026/q1.csv'
const at = { bucket: 'acme-reports', key: '2026/q1.csv' }

const revoked = z.object({ receipts: z.array(z.looseObject({ outcome: z.string(), validUntil: z.number().optional() })) })

const explanation = z.object({ grant: z.looseObject({ asks: z.record(z.string(), z.unknown()) }) })

/** What the role may do; every session is narrower. */
const rolePolicy = {
  Version: '2012-10-17',
  Statement: [
    { Effect: 'Allow', Action: ['s3:GetObject'], Resource: ['arn:aws:s3:::acme-reports/*'] },
    { Effect: 'Allow', Action: ['dynamodb:GetItem', 'ssm:GetParameter', 'logs:StartQuery', 'logs:GetQueryResults'], Resource: ['*'] },
  ],
}
const trust = {
  Version: '2012-10-17',
  Statement: [{ Effect: 'Allow', Principal: { AWS: `arn:aws:iam::${account}:user/jit` }, Action: 'sts:AssumeRole' }],
}
const own = {
  Version: '2012-10-17',
  Statement: [
    { Effect: 'Allow', Action: 'sts:AssumeRole', Resource: role },
    // moto does not look which role it is.
    { Effect: 'Allow', Action: ['iam:GetRolePolicy', 'iam:PutRolePolicy'], Resource: '*' },
  ],
}

const inject = {
  egress: '{ mode: egress, env: AWS_ACCESS_KEY_ID }',
  endpoint: '{ mode: endpoint, env: AWS_ACCESS_KEY_ID, url: { AWS_ENDPOINT_URL: "${endpoint}" } }',
} as const
const boto = (mode: keyof typeof inject, name: string = mode, provider = 'aws'): string => `  ${name}:
    run: [${JSON.stringify(join(dirname(cloudwatch ?? ''), 'python'))}, ${JSON.stringify(join(import.meta.dirname, 'boto_server.py'))}]
    provider: ${provider}
    inject: ${inject[mode]}
    lifetime: ${name === mode ? 'call' : 'ttl'}
    allow: [get_object, get_other_object, put_object, get_item, get_parameter, environment]
    tools:
      get_object: &get
        scope: { actions: ["s3:GetObject"], resources: ["arn:aws:s3:::\${args.bucket}/\${args.key...}"] }
        requests: ["GET https://s3.${region}.amazonaws.com/\${args.bucket}/\${args.key...}"]
      get_other_object: *get
      put_object:
        scope: { actions: ["s3:PutObject"], resources: ["arn:aws:s3:::\${args.bucket}/\${args.key...}"] }
        requests:
          - { request: "PUT https://s3.${region}.amazonaws.com/\${args.bucket}/\${args.key...}", payload: unsigned }
      get_item:
        scope: { actions: ["dynamodb:GetItem"], resources: ["arn:aws:dynamodb:${region}:${account}:table/\${args.table}"] }
        requests:
          - request: POST https://dynamodb.${region}.amazonaws.com/
            headers: { x-amz-target: DynamoDB_20120810.GetItem }
            body: { /TableName: "\${args.table}" }
      get_parameter:
        scope: { actions: ["ssm:GetParameter"], resources: ["arn:aws:ssm:${region}:${account}:parameter/\${args.name}"] }
        requests:
          - request: POST https://ssm.${region}.amazonaws.com/
            headers: { x-amz-target: AmazonSSM.GetParameter }
            body: { "": { Name: "\${args.name}" } }
      environment:
        scope: { actions: ["s3:ListAllMyBuckets"], resources: ["*"] }
        requests: ["GET https://s3.${region}.amazonaws.com/"]
`

/** awslabs' own server, with one log group to look into. */
const cloudwatchServer = `  cloudwatch:
    run: [${JSON.stringify(cloudwatch)}]
    provider: aws
    inject: ${inject.endpoint}
    env: { FASTMCP_LOG_LEVEL: ERROR }
    allow: [execute_log_insights_query]
    tools:
      execute_log_insights_query:
        arguments: [start_time, end_time, limit, max_timeout, region]
        when: args.log_group_names == ["/acme/web"] && !has(args.profile_name)
        scope:
          actions: ["logs:StartQuery", "logs:GetQueryResults"]
          resources: ["arn:aws:logs:${region}:${account}:log-group:/acme/web:*"]
        requests:
          - request: POST https://logs.${region}.amazonaws.com/
            headers: { x-amz-target: Logs_20140328.StartQuery }
            body: { /logGroupNames: "\${args.log_group_names}", /queryString: "\${args.query_string}" }
          - request: POST https://logs.${region}.amazonaws.com/
            headers: { x-amz-target: Logs_20140328.GetQueryResults }
`

/** jit's own identity, the role for agents and their data. Answers with the identity's key. */
async function furnish(aws: Moto): Promise<{ id: string; secret: string }> {
  await aws.ask('iam', query('CreateUser', { UserName: 'jit' }))
  await aws.ask('iam', query('PutUserPolicy', { UserName: 'jit', PolicyName: 'own', PolicyDocument: JSON.stringify(own) }))
  await aws.ask('iam', query('CreateRole', { RoleName: 'agents', AssumeRolePolicyDocument: JSON.stringify(trust) }))
  await aws.ask('iam', query('PutRolePolicy', { RoleName: 'agents', PolicyName: 'data', PolicyDocument: JSON.stringify(rolePolicy) }))
  const key = await aws.ask('iam', query('CreateAccessKey', { UserName: 'jit' }))
  const location = `<CreateBucketConfiguration><LocationConstraint>${region}</LocationConstraint></CreateBucketConfiguration>`
  await aws.ask('s3', { method: 'PUT', path: '/acme-reports', body: location })
  await aws.ask('s3', { method: 'PUT', path: '/acme-reports/2026/q1.csv', body: 'a,b\n1,2\n' })
  await aws.ask('s3', { method: 'PUT', path: '/acme-reports/other.txt', body: 'not for this call' })
  const keys = {
    KeySchema: [{ AttributeName: 'id', KeyType: 'HASH' }],
    AttributeDefinitions: [{ AttributeName: 'id', AttributeType: 'S' }],
  }
  await aws.ask('dynamodb', json('DynamoDB_20120810.CreateTable', { TableName: 'users', BillingMode: 'PAY_PER_REQUEST', ...keys }))
  const item = { id: { S: 'ada' }, name: { S: 'Ada Lovelace' } }
  await aws.ask('dynamodb', json('DynamoDB_20120810.PutItem', { TableName: 'users', Item: item }))
  await aws.ask('ssm', json('AmazonSSM.PutParameter', { Name: 'greeting', Value: 'good morning', Type: 'String' }))
  const stream = { logGroupName: '/acme/web', logStreamName: 'today' }
  const event = { timestamp: Date.now(), message: 'sign-in failed' }
  await aws.ask('logs', json('Logs_20140328.CreateLogGroup', { logGroupName: '/acme/web' }))
  await aws.ask('logs', json('Logs_20140328.CreateLogStream', stream))
  await aws.ask('logs', json('Logs_20140328.PutLogEvents', { ...stream, logEvents: [event] }))
  return {
    id: /<AccessKeyId>([^<]+)/.exec(key)?.[1] ?? '',
    secret: /<SecretAccessKey>([^<]+)/.exec(key)?.[1] ?? '',
  }
}

describe.skipIf(moto === undefined || cloudwatch === undefined)('AWS as moto plays it, with signatures and policies checked', () => {
  const home = mkdtempSync(join(tmpdir(), 'jit-real-'))
  let aws: Moto

  beforeAll(async () => {
    aws = await startMoto(moto ?? '')
    const key = await furnish(aws)
    await aws.enforce()
    writeFileSync(join(home, 'moto-ca.pem'), aws.ca)
    const network = `network:\n  ca: [moto-ca.pem]\n  hosts:\n${awsHosts.map((name) => `    ${name}: "127.0.0.1:${aws.port}"\n`).join('')}`
    writeFileSync(join(home, 'jit.yaml'), `version: 1\n${network}`, { mode: 0o600 })
    writeFileSync(join(home, 'key-id'), key.id, { mode: 0o600 })
    writeFileSync(join(home, 'secret-key'), key.secret, { mode: 0o600 })
    const sealed = ['--access-key-id', join(home, 'key-id'), '--secret-access-key', join(home, 'secret-key')]
    for (const name of ['aws', 'denying'])
      await must({ home }, ['login', 'aws-sts', name, '--region', region, '--role-arn', role, ...sealed])
    const file = join(home, 'jit.yaml')
    writeFileSync(file, readFileSync(file, 'utf8').replace(/^( +)denying:$/m, '$&\n$1$1revocation: deny-policy'))
    await configureServers(
      { home },
      boto('egress') + boto('endpoint') + boto('endpoint', 'kept') + boto('egress', 'denied', 'denying') + cloudwatchServer,
    )
  })
  afterAll(async () => {
    await runJit(home, ['stop'])
    await aws?.stop()
    rmSync(home, { recursive: true, force: true })
  })

  describe.each(['egress', 'endpoint'])('%s', (mode) => {
    it('reads an object under a session that may read nothing else, as jit explain had said', async () => {
      const explained = await must({ home }, ['explain', mode, 'get_object', '--args', JSON.stringify(at), '--json'])
      const { asks } = explanation.parse(JSON.parse(explained)).grant
      expect(await callTool(home, mode, 'get_object', at)).toEqual({ text: 'a,b\n1,2\n', failed: false })
      const policy = (await aws.sessionPolicies()).at(-1)
      expect(policy).toEqual({
        Version: '2012-10-17',
        Statement: [{ Effect: 'Allow', Action: ['s3:GetObject'], Resource: [object] }],
      })
      expect(JSON.stringify(asks)).toContain(JSON.stringify(policy))
      // moto keeps the session policy and asks the role's alone.
      expect(await allowed(policy, 's3:GetObject', object)).toBe(true)
      expect(await allowed(policy, 's3:GetObject', 'arn:aws:s3:::acme-reports/other.txt')).toBe(false)
      expect(await allowed(policy, 's3:PutObject', object)).toBe(false)
    })

    it('reads an item and a parameter', async () => {
      expect(await callTool(home, mode, 'get_item', { table: 'users', id: 'ada' })).toEqual({ text: 'Ada Lovelace', failed: false })
      expect(await callTool(home, mode, 'get_parameter', { name: 'greeting' })).toEqual({ text: 'good morning', failed: false })
    })

    it('lets no other object than the call’s be asked for', async () => {
      const other = await callTool(home, mode, 'get_other_object', at)
      expect(other).toMatchObject({ failed: true })
      expect(other.text).not.toContain('not for this call')
      expect((await lastCall(home, mode)).requests ?? []).toEqual([])
    })

    it('is refused by AWS what the role may not do', async () => {
      const answer = await callTool(home, mode, 'put_object', { ...at, text: 'x' })
      expect(answer.text).toContain('AccessDenied')
      expect((await lastCall(home, mode)).requests).toMatchObject([{ method: 'PUT', status: 403 }])
    })

    it('holds no key that AWS knows, and no other way to one', async () => {
      const dump = await callTool(home, mode, 'environment', {})
      const environment = z.record(z.string(), z.string()).parse(JSON.parse(dump.text))
      expect(environment).toMatchObject({ AWS_ACCESS_KEY_ID: expect.stringMatching(/^ASIA.*8$/), AWS_REGION: region })
      expect(environment).not.toHaveProperty('AWS_SESSION_TOKEN')
      for (const key of await aws.sessionKeys()) expect(dump.text).not.toContain(key)
    })
  })

  const hour = 3_600_000
  const insights = {
    log_group_names: ['/acme/web'],
    start_time: new Date(Date.now() - hour).toISOString(),
    end_time: new Date(Date.now() + hour).toISOString(),
    query_string: 'fields @message',
    limit: 5,
    region,
  }

  it('serves awslabs’ CloudWatch server, and no log group but the one', async () => {
    const answer = await callTool(home, 'cloudwatch', 'execute_log_insights_query', insights)
    expect(answer.text).toContain('sign-in failed')
    const { requests = [] } = await lastCall(home, 'cloudwatch')
    expect(requests.length).toBeGreaterThan(1)
    expect(new Set(requests.map(({ status }) => status))).toEqual(new Set([200]))
    const other = await callTool(home, 'cloudwatch', 'execute_log_insights_query', { ...insights, log_group_names: ['/acme/secret'] })
    expect(other).toMatchObject({ failed: true })
  })

  it('denies a revoked session by a policy on the role, where that is wished', async () => {
    const connection = await connect(home, 'denied')
    expect((await connection.call('get_item', { table: 'users', id: 'ada' })).text).toBe('Ada Lovelace')
    const { receipts } = revoked.parse(JSON.parse(await must({ home }, ['revoke', '--server', 'denied', '--json'])))
    expect(receipts).toMatchObject([{ outcome: 'accepted' }])
    const policy = (await aws.rolePolicies())['jit-revoked']
    expect(policy).toMatchObject({ Statement: [{ Effect: 'Deny', Action: '*', Resource: '*' }] })
    expect(JSON.stringify(policy)).toMatch(/"aws:userid":\[?"AROA[A-Z0-9]+:lease_/)
    await connection.close()
  })

  it('says of each session until when AWS would still accept it, since nothing ends one', async () => {
    const connection = await connect(home, 'kept')
    await connection.call('get_item', { table: 'users', id: 'ada' })
    const { receipts } = revoked.parse(JSON.parse(await must({ home }, ['revoke', '--server', 'kept', '--json'])))
    expect(receipts).toHaveLength(1)
    for (const { outcome, validUntil = 0 } of receipts) {
      expect(outcome).toBe('expires')
      expect(validUntil).toBeGreaterThan(Date.now())
    }
    await connection.close()
    await must({ home }, ['audit', 'verify'])
  })
})

/** What IAM would say of the role's policy and the session's together, by an evaluator that somebody else wrote. */
async function allowed(sessionPolicy: unknown, action: string, resource: string): Promise<boolean> {
  const result = await runSimulation(
    {
      request: {
        principal: `arn:aws:sts::${account}:assumed-role/agents/lease`,
        action,
        resource: { resource, accountId: account },
        contextVariables: {},
      },
      sessionPolicy,
      identityPolicies: [{ name: 'data', policy: rolePolicy }],
      serviceControlPolicies: [],
      resourceControlPolicies: [],
    },
    {},
  )
  if (result.resultType === 'error') throw new Error(`the simulation failed: ${JSON.stringify(result)}`)
  return result.overallResult === 'Allowed'
}
