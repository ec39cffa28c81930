import type { IncomingMessage } from 'node:http'
import { connect, type Socket } from 'node:net'
import { DynamoDBClient, GetItemCommand } from '@aws-sdk/client-dynamodb'
import { GetObjectCommand, PutObjectCommand, S3Client } from '@aws-sdk/client-s3'
import { describe, expect, it } from 'vitest'
import { Secret } from '../../../src/core/secret.ts'
import type { RequestRule } from '../../../src/core/types.ts'
import { readTarget } from '../../../src/egress/target.ts'
import { sha256, sign } from '../../../src/egress/sigv4.ts'
import type { LaneNetwork } from '../../../src/egress/types.ts'
import { ask, type Bench, call, lease, listen, rule, shareBench, type TestCall } from './support.ts'

const placeholder = 'ASIAPLACEHOLDER00000'
const held = { accessKeyId: placeholder, secretAccessKey: 'what-the-server-holds-as-secret' }
const real = { accessKeyId: 'ASIAREALREALREALREAL', secretAccessKey: 'real/secret', sessionToken: 'real-session-token' }
const mebibyte = 1024 * 1024
const region = 'eu-west-1'
const s3 = 'https://s3.eu-west-1.amazonaws.com'
const dynamodb = 'https://dynamodb.eu-west-1.amazonaws.com'
const readsLog = rule('GET /logs/today.txt ?x-id', { origin: s3 })
const writesLog = rule('PUT /logs/today.txt ?x-id', { origin: s3 })
const getsItem = rule('POST /', {
  origin: dynamodb,
  headers: { 'x-amz-target': 'DynamoDB_20120810.GetItem' },
  body: [{ pointer: '/TableName', value: 'users' }],
})

let bench: Bench
shareBench((opened) => (bench = opened))

interface AwsLane extends LaneNetwork {
  readonly url: string
}

async function awsLane(): Promise<AwsLane> {
  const endpoint = { upstream: s3, prefix: '' }
  const lane = await bench.lane({ placeholder, authentication: 'aws-sigv4', origins: new Set([s3, dynamodb]), endpoint })
  if (lane.endpointUrl === undefined) throw new Error('the lane has no endpoint')
  return { ...lane, url: lane.endpointUrl }
}

function awsCall(rules: RequestRule[]): TestCall {
  const secrets = Object.fromEntries(Object.entries(real).map(([name, value]) => [name, new Secret(value)]))
  return call(rules, { lease: { ...lease(), secrets } })
}

/** AWS's own client, at the lane's listener as a base URL, with what a server holds. */
function s3Client(lane: AwsLane, more: object = {}): S3Client {
  return new S3Client({ region, endpoint: lane.url, credentials: held, forcePathStyle: true, maxAttempts: 1, ...more })
}

function dynamoClient(lane: AwsLane): DynamoDBClient {
  return new DynamoDBClient({ region, endpoint: lane.url, credentials: held, maxAttempts: 1 })
}

/** Whether what arrived is signed with the real keys, as it arrived. */
async function isSignedForReal(request: IncomingMessage, service: string, body: Buffer): Promise<boolean> {
  const given = request.headers
  const signed = /SignedHeaders=([^,]+)/.exec(given.authorization ?? '')?.[1]?.split(';') ?? []
  const headers = request.rawHeaders.flatMap((name, at) =>
    at % 2 === 0 && signed.includes(name.toLowerCase()) && name !== 'Host' ? [name, request.rawHeaders[at + 1] ?? ''] : [],
  )
  const origin = `https://${given.host ?? ''}`
  const path = request.url ?? ''
  const declared = String(given['x-amz-content-sha256'])
  const date = /^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/.exec(String(given['x-amz-date'])) ?? []
  const now = Date.UTC(Number(date[1]), Number(date[2]) - 1, Number(date[3]), Number(date[4]), Number(date[5]), Number(date[6]))
  const query = readTarget('GET', origin, path)?.query ?? []
  const again = await sign(
    { method: request.method ?? '', origin, path, query, headers, payload: declared },
    { region, service },
    real,
    now,
  )
  const at = again.findIndex((name) => name.toLowerCase() === 'authorization')
  return again[at + 1] === given.authorization && (declared === 'UNSIGNED-PAYLOAD' || declared === sha256(body))
}

/** The upstream answers what it made of the signature. */
function checkSignatures(service: string, answer = '{}'): { good: boolean[] } {
  const seen: { good: boolean[] } = { good: [] }
  bench.upstream.answer = (request, response) => {
    const parts: Buffer[] = []
    request.on('data', (part: Buffer) => parts.push(part))
    request.once('end', () => {
      void isSignedForReal(request, service, Buffer.concat(parts)).then((good) => {
        seen.good.push(good)
        response.writeHead(good ? 200 : 403, { 'content-type': 'application/x-amz-json-1.0' }).end(answer)
      })
    })
  }
  return seen
}

describe('a lane to AWS', () => {
  it('signs what S3’s client signed with the placeholder anew, and the server sees nothing of the keys', async () => {
    const lane = await awsLane()
    const mine = awsCall([readsLog])
    lane.begin(mine)
    const seen = checkSignatures('s3', 'the log')
    const answer = await s3Client(lane).send(new GetObjectCommand({ Bucket: 'logs', Key: 'today.txt' }))
    expect(await answer.Body?.transformToString()).toBe('the log')
    expect(seen.good).toEqual([true])
    const [arrived] = bench.upstream.journal
    expect(arrived?.headers).toMatchObject({ host: 's3.eu-west-1.amazonaws.com', 'x-amz-security-token': real.sessionToken })
    expect(JSON.stringify(arrived?.rawHeaders)).not.toContain(placeholder)
    expect(mine.sent).toMatchObject([{ method: 'GET', url: `${s3}/logs/today.txt?x-id=GetObject`, status: 200 }])
    lane.close()
  })

  it('tells DynamoDB’s operations apart by their header, and binds the body', async () => {
    const lane = await awsLane()
    lane.begin(awsCall([readsLog, getsItem]))
    const seen = checkSignatures('dynamodb', '{"Item":{}}')
    const client = dynamoClient(lane)
    await client.send(new GetItemCommand({ TableName: 'users', Key: { id: { S: 'ada' } } }))
    expect(seen.good).toEqual([true])
    await expect(client.send(new GetItemCommand({ TableName: 'salaries', Key: { id: { S: 'ada' } } }))).rejects.toThrow()
    expect(bench.refusals()).toEqual(['no rule of a call in flight admits this request'])
    lane.close()
  })

  it('signs an upload whose body it has not seen by the hash that came with it', async () => {
    const lane = await awsLane()
    lane.begin(awsCall([writesLog]))
    const seen = checkSignatures('s3', '')
    await s3Client(lane, { requestChecksumCalculation: 'WHEN_REQUIRED' }).send(
      new PutObjectCommand({ Bucket: 'logs', Key: 'today.txt', Body: 'x'.repeat(100_000) }),
    )
    expect(seen.good).toEqual([true])
    lane.close()
  })

  it.each([
    ['no call in flight', [], 'no call in flight'],
    ['another key of the bucket', [rule('GET /logs/else.txt ?x-id', { origin: s3 })], 'no rule of a call in flight admits this request'],
    [
      'the same path of another service',
      [rule('GET /logs/today.txt ?x-id', { origin: dynamodb })],
      'no rule of a call in flight admits this request',
    ],
  ])('refuses with %s', async (_, rules, reason) => {
    const lane = await awsLane()
    if (rules.length > 0) lane.begin(awsCall(rules))
    await expect(s3Client(lane).send(new GetObjectCommand({ Bucket: 'logs', Key: 'today.txt' }))).rejects.toThrow()
    expect(bench.refusals()).toEqual([reason])
    expect(bench.upstream.journal).toEqual([])
    lane.close()
  })

  it.each<[string, Record<string, string>, string]>([
    [
      'keys of its own',
      { authorization: authorizationOf({ key: 'AKIAIOSFODNN7EXAMPLE' }) },
      'another credential than this lane’s placeholder in the header authorization',
    ],
    [
      'a session token of its own',
      { authorization: authorizationOf({}), 'x-amz-security-token': 'own' },
      'another credential than this lane’s placeholder in the header x-amz-security-token',
    ],
    [
      'the placeholder as a bearer token',
      { authorization: `Bearer ${placeholder}` },
      'another credential than this lane’s placeholder in the header authorization',
    ],
    [
      'a service that no rule names',
      { authorization: authorizationOf({ service: 'iam' }) },
      'signed for a service in a region that no rule names',
    ],
    ['another region', { authorization: authorizationOf({ in: 'us-east-1' }) }, 'signed for a service in a region that no rule names'],
    [
      'a body whose pieces are signed',
      { authorization: authorizationOf({}), 'x-amz-content-sha256': 'STREAMING-AWS4-HMAC-SHA256-PAYLOAD' },
      'a body whose pieces are signed, which cannot be signed anew',
    ],
    [
      'a body outside of the signature',
      { authorization: authorizationOf({}), 'x-amz-content-sha256': 'UNSIGNED-PAYLOAD' },
      'a body outside of the signature; the rule has no `payload: unsigned`',
    ],
    [
      'a hash that is none',
      { authorization: authorizationOf({}), 'x-amz-content-sha256': 'nonsense' },
      'a body whose pieces are signed, which cannot be signed anew',
    ],
    ['no signature', { accept: '*/*' }, 'no credential: the placeholder is missing'],
  ])('refuses %s', async (_, headers, reason) => {
    const lane = await awsLane()
    lane.begin(awsCall([readsLog]))
    const answer = await fetch(`${lane.url}/logs/today.txt?x-id=GetObject`, { headers })
    expect(answer.status).toBe(403)
    expect(bench.refusals()).toEqual([reason])
    expect(bench.upstream.journal).toEqual([])
    lane.close()
  })

  it.each<[string, Record<string, string>]>([
    ['x-amz-copy-source', { 'X-Amz-Copy-Source': '/salaries/all.csv' }],
    ['x-amz-acl', { 'x-amz-acl': 'public-read' }],
    ['x-amz-grant-read', { 'x-amz-grant-read': 'id="somebody"' }],
    ['x-amz-website-redirect-location', { 'x-amz-website-redirect-location': 'https://evil.example' }],
    ['x-amz-server-side-encryption-customer-key-md5', { 'x-amz-server-side-encryption-customer-key-MD5': 'eA==' }],
    ['x-amz-target', { 'x-amz-target': 'DynamoDB_20120810.DeleteTable' }],
    ['x-amz-rename-source', { 'x-amz-rename-source': 'else.txt' }],
    ['x_amz_acl', { x_amz_acl: 'public-read' }],
  ])('signs no upload with %s, which its rule does not name', async (name, more) => {
    const lane = await awsLane()
    lane.begin(awsCall([writesLog]))
    const headers = { authorization: authorizationOf({}), ...more }
    const answer = await fetch(`${lane.url}/logs/today.txt?x-id=PutObject`, { method: 'PUT', headers })
    expect(answer.status).toBe(403)
    expect(bench.refusals()).toEqual([`the header ${name}, which no rule of a call in flight names`])
    expect(bench.upstream.journal).toEqual([])
    lane.close()
  })

  it('signs what the rule names, with its value and nothing else, and another call’s rule does not help', async () => {
    const lane = await awsLane()
    const copies = { ...writesLog, headers: { 'x-amz-copy-source': '/logs/yesterday.txt' } }
    const other = rule('PUT /logs/else.txt', { origin: s3, headers: { 'x-amz-acl': 'private' } })
    lane.begin(awsCall([writesLog, copies, other]))
    const seen = checkSignatures('s3', '')
    const put = async (more: Record<string, string>): Promise<number> => {
      const headers = { authorization: authorizationOf({}), ...more }
      return (await fetch(`${lane.url}/logs/today.txt?x-id=PutObject`, { method: 'PUT', headers })).status
    }
    expect(await put({ 'x-amz-copy-source': '/logs/yesterday.txt' })).toBe(200)
    expect(await put({ 'x-amz-meta-author': 'ada', 'x-amz-checksum-crc32': 'AAAAAA==' })).toBe(200)
    expect(await put({ 'x-amz-copy-source': '/salaries/all.csv' })).toBe(403)
    expect(await put({ 'x-amz-copy-source': '/logs/yesterday.txt', 'x-amz-acl': 'private' })).toBe(403)
    expect(seen.good).toEqual([true, true])
    lane.close()
  })

  it('takes no form where the rule names the operation in its header', async () => {
    const lane = await awsLane()
    lane.begin(awsCall([rule('POST /', { origin: dynamodb, headers: { 'x-amz-target': 'DynamoDB_20120810.Scan' } })]))
    const headers = {
      authorization: authorizationOf({ service: 'dynamodb' }),
      'x-amz-target': 'DynamoDB_20120810.Scan',
      'content-type': 'application/x-www-form-urlencoded',
    }
    const answer = await fetch(`${lane.url}/`, { method: 'POST', headers, body: 'Action=DeleteTable&TableName=users' })
    expect(answer.status).toBe(403)
    expect(bench.upstream.journal).toEqual([])
    lane.close()
  })

  it.each([
    ['a plus, which S3 reads as a space', '/logs/a+b'],
    ['an escaped slash', '/logs%2Ftoday.txt'],
    ['an escaped escape', '/logs/a%252fb'],
    ['an empty part', '/logs//today.txt'],
    ['a dot', '/logs/./today.txt'],
    ['two escaped dots', '/logs/%2e%2E/today.txt'],
  ])('signs no path with %s', async (_, path) => {
    const lane = await awsLane()
    lane.begin(awsCall([rule('GET /logs/**', { origin: s3 }), rule('GET /logs/a+b', { origin: s3 })]))
    const answer = await ask(lane, { host: new URL(s3).host, path, headers: { authorization: authorizationOf({}) } })
    expect(answer.status).toBe(400)
    expect(bench.upstream.journal).toEqual([])
    lane.close()
  })

  it.each([
    ['an ACL instead of the object', '?acl'],
    ['the same parameter twice', '?x-id=GetObject&x-id=other'],
    ['headers moved into the address', '?x-id=GetObject&X-Amz-Security-Token=own'],
    ['another copy’s source', '?x-amz-copy-source=%2Fsalaries%2Fall.csv'],
    ['an older version', '?versionId=1'],
  ])('signs no query that asks for %s', async (_, query) => {
    const lane = await awsLane()
    lane.begin(awsCall([readsLog]))
    const answer = await fetch(`${lane.url}/logs/today.txt${query}`, { headers: { authorization: authorizationOf({}) } })
    expect(answer.status).toBe(403)
    expect(bench.upstream.journal).toEqual([])
    lane.close()
  })

  it('lets a body travel outside of the signature where the rule says so', async () => {
    const lane = await awsLane()
    lane.begin(awsCall([{ ...writesLog, unsignedPayload: true }]))
    const seen = checkSignatures('s3', '')
    const headers = { authorization: authorizationOf({}), 'x-amz-content-sha256': 'UNSIGNED-PAYLOAD' }
    await fetch(`${lane.url}/logs/today.txt?x-id=PutObject`, { method: 'PUT', headers, body: 'anything' })
    expect(seen.good).toEqual([true])
    lane.close()
  })

  it('refuses an address that carries its own signature', async () => {
    const lane = await awsLane()
    lane.begin(awsCall([readsLog]))
    const url = new URL(`${lane.url}/logs/today.txt`)
    url.searchParams.set('X-Amz-Algorithm', 'AWS4-HMAC-SHA256')
    url.searchParams.set('X-Amz-Credential', `${placeholder}/20261121/${region}/s3/aws4_request`)
    url.searchParams.set('X-Amz-Signature', '0'.repeat(64))
    expect((await fetch(url)).status).toBe(403)
    expect(bench.refusals()).toEqual(['the placeholder in the address'])
    lane.close()
  })

  it('binds the form of a Query service, and signs what it judged, whatever hash the client declared', async () => {
    const lane = await awsLane()
    const form = [
      { name: 'Action', value: 'DescribeInstances' },
      { name: 'InstanceId.1', value: 'i 1' },
    ]
    lane.begin(awsCall([rule('POST /', { origin: dynamodb, form })]))
    const seen = checkSignatures('dynamodb')
    const send = async (body: string, more: Record<string, string> = {}): Promise<number> => {
      const headers = {
        authorization: authorizationOf({ service: 'dynamodb' }),
        'content-type': 'application/x-www-form-urlencoded; charset=utf-8',
        ...more,
      }
      return (await ask(lane, { host: 'dynamodb.eu-west-1.amazonaws.com', method: 'POST', headers, body })).status
    }
    const body = 'InstanceId.1=i+1&Action=DescribeInstances'
    expect(await send(body, { 'x-amz-content-sha256': sha256(Buffer.from(body)) })).toBe(200)
    expect(bench.upstream.journal[0]?.body).toBe('InstanceId.1=i%201&Action=DescribeInstances')
    expect(await send('InstanceId.1=i+1&Action=TerminateInstances')).toBe(403)
    expect(await send(`${body}&Action=TerminateInstances`)).toBe(400)
    expect(await send(body, { 'x-amz-target': 'DynamoDB_20120810.Scan' }), 'another way to name an operation').toBe(403)
    expect([seen.good, bench.upstream.journal.length]).toEqual([[true], 1])
    lane.close()
  })

  it('reads and signs a body that came without its hash, through the proxy too', async () => {
    const lane = await awsLane()
    lane.begin(awsCall([rule('POST /', { origin: dynamodb, headers: { 'x-amz-target': 'DynamoDB_20120810.Scan' } })]))
    const seen = checkSignatures('dynamodb')
    const headers = {
      authorization: authorizationOf({ service: 'dynamodb' }),
      'x-amz-target': 'DynamoDB_20120810.Scan',
      'content-type': 'application/x-amz-json-1.0',
    }
    const answer = await ask(lane, { host: 'dynamodb.eu-west-1.amazonaws.com', method: 'POST', headers, body: '{"TableName":"users"}' })
    expect(answer.status).toBe(200)
    expect(seen.good).toEqual([true])
    lane.close()
  })

  describe('with bodies that come without their hash', () => {
    const scans = (): RequestRule => rule('POST /', { origin: dynamodb, headers: { 'x-amz-target': 'DynamoDB_20120810.Scan' } })
    const head = {
      authorization: authorizationOf({ service: 'dynamodb' }),
      'x-amz-target': 'DynamoDB_20120810.Scan',
      'content-type': 'application/x-amz-json-1.0',
    }

    /** Says that so much will come, and sends all but its last byte. */
    async function half(lane: AwsLane, size: number): Promise<Socket> {
      const { host, port } = new URL(lane.url)
      const socket = connect(Number(port), '127.0.0.1')
      const lines = Object.entries({ host, ...head, 'content-length': size }).map(([name, value]) => `${name}: ${value}\r\n`)
      socket.on('error', () => undefined)
      socket.write(`POST / HTTP/1.1\r\n${lines.join('')}\r\n`)
      await new Promise<void>((resolve) => socket.write(Buffer.alloc(size - 1, 0x20), () => resolve()))
      return socket
    }

    /** One that is refused while it is still being sent may find its connection closed instead of the answer. */
    async function askTwo(lane: AwsLane): Promise<number | undefined> {
      const answer = await fetch(lane.url, { method: 'POST', headers: head, body: ' '.repeat(2 * mebibyte) }).catch(() => undefined)
      await answer?.text().catch(() => undefined)
      return answer?.status
    }

    /** Asks until it is answered or refused, as wanted: nobody says how much of the halves has been read. */
    async function askUntil(lane: AwsLane, wanted: 'answered' | 'refused'): Promise<void> {
      for (let turn = 0; turn < 200; turn += 1) {
        const refusals = bench.refusals().length
        const status = await askTwo(lane)
        if (wanted === 'answered' ? status === 200 : bench.refusals().length > refusals) return
      }
      throw new Error(`was never ${wanted}`)
    }

    it('holds so much of a lane at once and no more, until they are gone', async () => {
      const lane = await awsLane()
      lane.begin(awsCall([scans()]))
      const halves = await Promise.all([half(lane, 15.5 * mebibyte), half(lane, 15.5 * mebibyte)])
      await askUntil(lane, 'refused')
      expect(bench.refusals()).toEqual(['too many bodies at once that come without their hash'])
      for (const socket of halves) socket.destroy()
      await askUntil(lane, 'answered')
      lane.close()
    })

    it('gives up what is half there when its call ends, unless another one could have made it', async () => {
      const lane = await awsLane()
      const [first, second] = [awsCall([scans()]), awsCall([scans()])]
      const ends = [lane.begin(first), lane.begin({ ...second, lease: first.lease })]
      const socket = await half(lane, 1000)
      const heard = listen(socket)
      // What is asked later is answered: by then the half has been booked.
      await askUntil(lane, 'answered')
      ends[0]?.()
      socket.write(' ')
      await heard.until('HTTP/1.1 200')
      const next = await half(lane, 1000)
      await askUntil(lane, 'answered')
      const closed = new Promise((resolve) => next.once('close', resolve))
      ends[1]?.()
      await closed
      lane.close()
    })

    it('signs nothing when the policy changed while it came', async () => {
      const lane = await awsLane()
      let current = true
      lane.begin({ ...awsCall([scans()]), current: () => current })
      const socket = await half(lane, 1000)
      const heard = listen(socket)
      await askUntil(lane, 'answered')
      current = false
      const before = bench.upstream.journal.length
      socket.write(' ')
      await heard.until('HTTP/1.1 403')
      expect(bench.refusals()).toEqual(['policy or tool changed since the decision'])
      expect(bench.upstream.journal.length).toBe(before)
      lane.close()
    })

    it('says that one is too large, and reads none that says so', async () => {
      const lane = await awsLane()
      lane.begin(awsCall([scans()]))
      const answer = await fetch(lane.url, { method: 'POST', headers: head, body: ' '.repeat(16 * mebibyte + 1) }).catch(() => undefined)
      expect([413, undefined]).toContain(answer?.status)
      expect(bench.refusals()).toEqual(['a body over 16777216 bytes without its hash'])
      lane.close()
    })
  })

  it('takes the keys out of an answer that echoes them', async () => {
    const lane = await awsLane()
    lane.begin(awsCall([readsLog]))
    bench.upstream.answer = (_, response) => response.end(`echo ${real.sessionToken} ${real.secretAccessKey}`)
    const answer = await fetch(`${lane.url}/logs/today.txt?x-id=GetObject`, { headers: { authorization: authorizationOf({}) } })
    const text = await answer.text()
    expect(text).toContain('echo')
    for (const secret of [real.sessionToken, real.secretAccessKey]) expect(text).not.toContain(secret)
    lane.close()
  })
})

function authorizationOf({ key = placeholder, in: where = region, service = 's3' }): string {
  return `AWS4-HMAC-SHA256 Credential=${key}/20261121/${where}/${service}/aws4_request, SignedHeaders=host;x-amz-date, Signature=${'0'.repeat(64)}`
}
