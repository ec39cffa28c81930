import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { z } from 'zod'
import { type AwsStandIn, startAws } from '../../providers/aws-sts/fake/aws.ts'
import { acmeAws, baseKeys, roleArn } from '../../providers/aws-sts/fake/fixture.ts'
import { createTestAuthority } from '../support/certificates.ts'
import { jitJson, root } from '../support/command.ts'
import { configureServers, must } from '../support/servers.ts'
import { openStage, type Stage } from '../support/stage.ts'

const names = ['sts.eu-west-1.amazonaws.com', 's3.eu-west-1.amazonaws.com']
const program = join(root, 'test/support/aws-server.mjs')
const tools = `    provider: prod
    where: { bucket: acme-reports }
    allow: [read_object, environment]
    tools:
      read_object:
        scope: { actions: ["s3:GetObject"], resources: ["arn:aws:s3:::\${args.bucket}/\${args.key...}"] }
        requests: ["GET https://s3.eu-west-1.amazonaws.com/\${args.bucket}/\${args.key...}?x-id"]
      environment:
        where: none
        scope: { actions: ["s3:GetObject"], resources: ["arn:aws:s3:::acme-reports/none"] }
        requests: []
`
const question = { bucket: 'acme-reports', key: '2026/q1.csv' }

/** An MCP server with AWS's own client before a stand-in that verifies signatures and enforces session policies. */
describe('a server that reads from S3', () => {
  let stage: Stage
  let aws: AwsStandIn

  beforeAll(async () => {
    const authority = await createTestAuthority([...names, '127.0.0.1'])
    aws = await startAws({ ...acmeAws(), tls: authority })
    stage = await openStage()
    writeFileSync(join(stage.home, 'aws-ca.pem'), authority.ca)
    writeFileSync(join(stage.home, 'key-id'), baseKeys.accessKeyId)
    writeFileSync(join(stage.home, 'secret-key'), baseKeys.secretAccessKey)
    const hosts = Object.fromEntries(names.map((name) => [name, `127.0.0.1:${aws.port}`]))
    const file = join(stage.home, 'jit.yaml')
    writeFileSync(
      file,
      readFileSync(file, 'utf8')
        .replace(/hosts: .*\n/, `hosts: ${JSON.stringify(hosts)}\n`)
        .replace('stand-in-ca.pem', 'aws-ca.pem'),
    )
    const secrets = ['--access-key-id', join(stage.home, 'key-id'), '--secret-access-key', join(stage.home, 'secret-key')]
    await must(stage, ['login', 'aws-sts', 'prod', '--region', 'eu-west-1', '--role-arn', roleArn, ...secrets])
    const run = `    run: [node, ${JSON.stringify(program)}]\n`
    await configureServers(
      stage,
      `  endpoint:\n${run}    inject: { mode: endpoint, env: AWS_ACCESS_KEY_ID, url: { AWS_ENDPOINT_URL: "\${endpoint}" } }\n${tools}` +
        `  credentials:\n${run}    env: { AWS_ENDPOINT_URL_S3: "https://127.0.0.1:${aws.port}", NODE_EXTRA_CA_CERTS: ${JSON.stringify(join(stage.home, 'aws-ca.pem'))} }\n    inject: { mode: credentials }\n${tools}`,
    )
  })
  afterAll(async () => {
    await stage.close()
    await aws.close()
  })

  const call = async (server: string, args: object, name = 'read_object'): Promise<string> =>
    textOf(await (await stage.client(server)).callTool({ name, arguments: { ...args } }))

  it('says before any call what AWS is asked for', async () => {
    const explained = await jitJson(stage.home, ['explain', 'endpoint', 'read_object', '--args', JSON.stringify(question)])
    expect(explained).toMatchObject({
      effect: 'allow',
      resource: 'acme-reports/2026/q1.csv',
      grant: {
        asks: {
          sessionPolicy: {
            Statement: [{ Effect: 'Allow', Action: ['s3:GetObject'], Resource: ['arn:aws:s3:::acme-reports/2026/q1.csv'] }],
          },
        },
      },
    })
  })

  it('gets the object that the call is about, with keys that it never held', async () => {
    expect(await call('endpoint', question)).toBe('the object')
    expect(aws.sessions.at(-1)?.policy).toContain('arn:aws:s3:::acme-reports/2026/q1.csv')
    const dump = await call('endpoint', {}, 'environment')
    for (const { accessKeyId, secretAccessKey, sessionToken } of [...aws.sessions, { ...baseKeys, sessionToken: undefined }]) {
      for (const secret of [accessKeyId, secretAccessKey, sessionToken]) if (secret !== undefined) expect(dump).not.toContain(secret)
    }
    expect(dump).toContain('AWS_ENDPOINT_URL')
  })

  it('gets no other one: neither what policy refuses, nor what the server reads instead', async () => {
    const before = aws.sessions.length
    expect(await call('endpoint', { ...question, bucket: 'acme-secret' })).toContain('Denied by jit')
    expect(aws.sessions.length).toBe(before)
    expect(await call('endpoint', { ...question, instead: '2026/q2.csv' })).toMatch(/^failed: /)
  })

  it('in mode credentials gets keys for that object, and AWS refuses any other', async () => {
    expect(await call('credentials', question)).toBe('the object')
    expect(await call('credentials', { ...question, instead: '2026/q2.csv' })).toMatch(
      /^failed: AccessDenied: .*not authorized to perform: s3:GetObject/,
    )
    const dump = await call('credentials', question, 'environment')
    expect(dump).toContain('AWS_CONTAINER_CREDENTIALS_FULL_URI')
    expect(dump).not.toContain('AWS_ACCESS_KEY_ID')
  })

  it('says in the receipt until when AWS would still take the keys', async () => {
    const receipts = z
      .object({ receipts: z.array(z.looseObject({ outcome: z.string(), detail: z.string(), validUntil: z.number() })) })
      .parse(await jitJson(stage.home, ['revoke', '--all']))
    expect(receipts.receipts.length).toBeGreaterThan(0)
    for (const receipt of receipts.receipts) {
      expect(receipt.outcome).toBe('expires')
      expect(receipt.validUntil - Date.now()).toBeGreaterThan(600_000)
    }
    expect(await call('endpoint', question)).toBe('the object')
  })
})

function textOf(answer: object): string {
  return z.array(z.looseObject({ text: z.string() })).parse(Reflect.get(answer, 'content'))[0]?.text ?? ''
}
