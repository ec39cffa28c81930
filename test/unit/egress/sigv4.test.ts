import { describe, expect, it } from 'vitest'
import { originOf, readSignature, sha256, sign, type UnsignedRequest } from '../../../src/egress/sigv4.ts'

const keys = { accessKeyId: 'AKIAIOSFODNN7EXAMPLE', secretAccessKey: 'wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY', sessionToken: '' }
const scope = { region: 'us-east-1', service: 's3' }
const now = Date.parse('2013-05-24T00:00:00Z')
const nothing = sha256(Buffer.alloc(0))
const request: UnsignedRequest = {
  method: 'GET',
  origin: 'https://examplebucket.s3.amazonaws.com',
  path: '/',
  query: [],
  headers: [],
  payload: nothing,
}

function valueOf(headers: readonly string[], name: string): string | undefined {
  const at = headers.findIndex((text, index) => index % 2 === 0 && text.toLowerCase() === name)
  return at === -1 ? undefined : headers[at + 1]
}

describe('sign', () => {
  // The signatures that AWS publishes with its description of Signature Version 4 for S3.
  it.each<[string, Partial<UnsignedRequest>, string]>([
    [
      'a part of an object',
      { path: '/test.txt', headers: ['Range', 'bytes=0-9'] },
      'f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41',
    ],
    [
      'a subresource',
      { path: '/?lifecycle', query: [['lifecycle', '']] },
      'fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543',
    ],
    [
      'a listing',
      {
        path: '/?max-keys=2&prefix=J',
        query: [
          ['max-keys', '2'],
          ['prefix', 'J'],
        ],
      },
      '34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7',
    ],
  ])('makes the signature that AWS names for %s', async (_, more, signature) => {
    const headers = await sign({ ...request, ...more }, scope, keys, now)
    expect(valueOf(headers, 'authorization')).toContain(`Signature=${signature}`)
    expect(valueOf(headers, 'x-amz-date')).toBe('20130524T000000Z')
  })

  it('leaves nothing of the client’s own signature', async () => {
    const own = ['Authorization', 'AWS4-HMAC-SHA256 own', 'X-Amz-Date', '20200101T000000Z', 'x-amz-content-sha256', 'own', 'Accept', 'a/b']
    const headers = await sign({ ...request, headers: own }, scope, { ...keys, sessionToken: 'session' }, now)
    expect(headers.filter((text) => text.includes('own') || text.includes('2020'))).toEqual([])
    expect(
      headers
        .filter((_, index) => index % 2 === 0)
        .map((name) => name.toLowerCase())
        .sort(),
    ).toEqual(['accept', 'authorization', 'x-amz-content-sha256', 'x-amz-date', 'x-amz-security-token'])
    expect(valueOf(headers, 'authorization')).toContain('SignedHeaders=accept;host;x-amz-content-sha256;x-amz-date;x-amz-security-token,')
  })

  it('takes names that objects have of themselves for names', async () => {
    const odd = { ...request, query: [['__proto__', 'a'] as const], headers: ['__proto__', 'b', 'constructor', 'c'] }
    expect(valueOf(await sign(odd, scope, keys, now), '__proto__')).toBe('b')
  })
})

describe('readSignature', () => {
  const placeholder = 'ASIAPLACEHOLDER00000'
  const good = `AWS4-HMAC-SHA256 Credential=${placeholder}/20261121/eu-west-1/dynamodb/aws4_request, SignedHeaders=host;x-amz-date, Signature=${'a'.repeat(64)}`

  it('finds region and service where the placeholder signed', () => {
    expect(readSignature(good, placeholder)).toEqual({ region: 'eu-west-1', service: 'dynamodb' })
  })

  it.each([
    ['another key', good.replace(placeholder, 'AKIAIOSFODNN7EXAMPLE')],
    ['a key that begins with it', good.replace(placeholder, `${placeholder}A`)],
    ['the older signature', `AWS ${placeholder}:abc=`],
    ['the signature for several regions', good.replace('AWS4-HMAC-SHA256', 'AWS4-ECDSA-P256-SHA256')],
    ['a path as region', good.replace('eu-west-1', '../eu')],
    ['a second credential', `${good}, Credential=AKIAIOSFODNN7EXAMPLE/20261121/eu-west-1/s3/aws4_request`],
    ['nothing', ''],
  ])('finds none in %s', (_, value) => {
    expect(readSignature(value, placeholder)).toBeUndefined()
  })
})

describe('originOf', () => {
  const origins = [
    'https://s3.eu-west-1.amazonaws.com',
    'https://dynamodb.eu-west-1.amazonaws.com',
    'https://iam.amazonaws.com',
    'https://email.eu-west-1.amazonaws.com',
  ]

  it.each([
    ['s3', 'eu-west-1', 'https://s3.eu-west-1.amazonaws.com'],
    ['ses', 'eu-west-1', 'https://email.eu-west-1.amazonaws.com'],
    ['iam', 'us-east-1', 'https://iam.amazonaws.com'],
    ['s3', 'us-east-1', undefined],
    ['s', 'eu-west-1', undefined],
    ['constructor', 'eu-west-1', undefined],
    ['sqs', 'eu-west-1', undefined],
  ])('%s in %s is %s', (service, region, origin) => {
    expect(originOf({ service, region }, origins)).toBe(origin)
  })

  it('does not choose between two', () => {
    expect(originOf({ service: 's3', region: 'eu-west-1' }, [...origins, 'https://s3.eu-west-1.amazonaws.com.cn'])).toBeUndefined()
  })
})
