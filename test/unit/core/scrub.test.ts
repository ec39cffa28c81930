import { gzipSync } from 'node:zlib'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { createScrubber } from '../../../src/core/scrub.ts'
import { Secret } from '../../../src/core/secret.ts'

const token = 'ghs_4242_eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOi+/x_-Q.c2lnbmF0dXJl'
const scrubber = createScrubber([new Secret(token)])

const spellings: readonly (readonly [string, string])[] = [
  ['raw', token],
  ['base64', Buffer.from(token).toString('base64')],
  ['base64, one byte in', Buffer.from(`x${token}yz`).toString('base64')],
  ['base64, two bytes in', Buffer.from(`xy${token}z`).toString('base64')],
  ['base64url', Buffer.from(`:${token}`).toString('base64url')],
  ['a Basic pair', `Basic ${Buffer.from(`x-access-token:${token}`).toString('base64')}`],
  ['percent-encoded', encodeURIComponent(token)],
  ['percent-encoded in lower case', encodeURIComponent(token).replace(/%[0-9A-F]{2}/g, (escape) => escape.toLowerCase())],
  ['percent-encoded throughout', Buffer.from(token).toString('hex').replace(/../g, '%$&')],
  ['hex', Buffer.from(token).toString('hex')],
  ['hex in upper case', Buffer.from(token).toString('hex').toUpperCase()],
  ['JSON escapes', [...token].map((character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`).join('')],
]

describe('scrubText', () => {
  it.each(spellings)('removes a secret in %s', (_, spelling) => {
    const clean = scrubber.scrubText(`before ${spelling} after`)
    expect(leaks(clean)).toEqual([])
    expect(clean.startsWith('before ')).toBe(true)
    expect(clean.endsWith(' after')).toBe(true)
  })

  it('leaves what holds no secret as it is', () => {
    fc.assert(fc.property(fc.string({ unit: 'grapheme', maxLength: 200 }), (text) => scrubber.scrubText(text) === text))
  })

  it('does not claim to see through compression', () => {
    const packed = gzipSync(token).toString('latin1')
    expect(scrubber.scrubText(packed)).toBe(packed)
  })

  it('ignores values so short that removing them would only damage text', () => {
    expect(createScrubber([new Secret('abc')]).scrubText('abc')).toBe('abc')
  })
})

describe('stream', () => {
  it.each(spellings)('removes a secret in %s, split at every byte', (_, spelling) => {
    const text = Buffer.from(`<${spelling}>`)
    for (let cut = 0; cut <= text.length; cut += 1) {
      const stream = scrubber.stream()
      const out = Buffer.concat([stream.push(text.subarray(0, cut)), stream.push(text.subarray(cut)), stream.end()]).toString()
      expect(leaks(out), `cut at ${cut}`).toEqual([])
      expect(out.startsWith('<') && out.endsWith('>')).toBe(true)
    }
  })

  it('lets through every other byte unchanged, whatever the borders', () => {
    fc.assert(
      fc.property(fc.array(fc.uint8Array({ maxLength: 40 }), { maxLength: 12 }), (chunks) => {
        const stream = scrubber.stream()
        const out = Buffer.concat([...chunks.map((chunk) => stream.push(Buffer.from(chunk))), stream.end()])
        expect(out.equals(Buffer.concat(chunks))).toBe(true)
      }),
    )
  })

  it('holds back only what could be the start of a secret', () => {
    const stream = scrubber.stream()
    expect(stream.push(Buffer.from('nothing here')).toString()).toBe('nothing here')
    expect(stream.push(Buffer.from('then ghs_42')).toString()).toBe('then ')
    expect(stream.push(Buffer.from(' was no secret')).toString()).toBe('ghs_42 was no secret')
  })
})

/** Twelve characters of any spelling are too many. */
function leaks(text: string): string[] {
  return spellings.flatMap(([name, spelling]) => {
    // The user name of a Basic pair is no secret.
    const core = spelling.slice(name === 'a Basic pair' ? 27 : 4, -4)
    for (let start = 0; start + 12 <= core.length; start += 1) if (text.includes(core.slice(start, start + 12))) return [name]
    return []
  })
}
