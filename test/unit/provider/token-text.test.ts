import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { LiveSearch } from '../../../src/core/live-search.ts'
import { Secret } from '../../../src/core/secret.ts'
import { Cleaner } from '../../../src/gateway/scrub/cleaner.ts'
import { unfitToken } from '../../../src/provider/token-text.ts'
import { cases } from '../../support/cases.ts'

/** What any server says, and nobody's credential. */
const ordinary = [
  { jsonrpc: '2.0', id: 1, result: { content: [{ type: 'text', text: 'hello' }], isError: false } },
  { result: { content: [{ type: 'text', text: 'hello' }] }, jsonrpc: '2.0', id: 7 },
  {
    jsonrpc: '2.0',
    id: 2,
    result: { tools: [{ name: 'x', description: 'y', inputSchema: { type: 'object', properties: {}, required: ['a'] } }] },
  },
  { jsonrpc: '2.0', method: 'notifications/message', params: { level: 'info', data: 'hello' } },
  {
    jsonrpc: '2.0',
    id: 3,
    result: { protocolVersion: '2025-11-25', capabilities: { tools: { listChanged: true } }, serverInfo: { name: 'x' } },
  },
].map((message) => JSON.stringify(message))

function passes(token: string): boolean {
  const cleaner = (): Cleaner => new Cleaner(new LiveSearch({ list: [new Secret(token)], version: 1 }))
  try {
    return ordinary.every((line) => cleaner().clean(line) === line)
  } catch {
    return false
  }
}

describe('a token that a stranger’s authorization server chose', () => {
  it.each([
    'typetext',
    'jsonrpc2.0',
    'inputSchema',
    'protocolVersion',
    'notifications/message',
    'contenttypetexttext',
    'jsonrpc2.0id1resultcontenttypetexttext',
    'propertiesrequired',
  ])('is refused when it would be taken out of what every server says: %s', (token) => {
    expect(passes(token)).toBe(false)
    expect(unfitToken(token)).toMatch(/ordinary text/)
  })

  it('is refused when it could be guessed, or is too long for any header', () => {
    expect(unfitToken('abc-12345')).toMatch(/guessed/)
    expect(unfitToken('........................')).toMatch(/guessed/)
    expect(unfitToken('x'.repeat(16 * 1024 + 1))).toMatch(/has 16385 characters/)
  })

  it('is refused when a text may nearly hold it at each of its characters', () => {
    for (const token of [`${'a'.repeat(8000)}b`, `${'a1b2c3d4e5f6'.repeat(500)}x`]) expect(unfitToken(token)).toBe('repeats itself')
    const scopes = Array.from({ length: 30 }, (_, index) => `https://www.example.com/auth/scope-${index}`)
    expect(unfitToken(`${Buffer.from(JSON.stringify({ scopes })).toString('base64url')}.c2lnbmF0dXJlMTIzNDU2Nzg5`)).toBeUndefined()
  })

  it('is taken as usual authorization servers make it, and disturbs no message', () => {
    const bytes = fc.uint8Array({ minLength: 16, maxLength: 64 }).map((list) => Buffer.from(list))
    const token = fc.oneof(
      bytes.map((value) => value.toString('base64url')),
      bytes.map((value) => value.toString('hex')),
      bytes.map((value) => `eyJhbGciOiJSUzI1NiJ9.${value.toString('base64url')}.${value.toString('base64url')}`),
      fc.uuid(),
    )
    fc.assert(
      fc.property(token, (value) => {
        // What is random is not that: an array of equal bytes, as a property likes to try.
        fc.pre(new Set(value).size > 10)
        expect(unfitToken(value)).toBeUndefined()
        expect(passes(value)).toBe(true)
      }),
      { numRuns: cases(300) },
    )
  })
})
