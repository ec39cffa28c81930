import { expect } from 'vitest'

/** What a careless or hostile upstream makes of a request that it repeats; base64 first, since messages are cut. */
export function inAllSpellings(text: string): string {
  const bytes = Buffer.from(text)
  return [bytes.toString('base64'), text, encodeURIComponent(text), bytes.toString('hex')].join(' ')
}

/** Neither the secret nor the first half of a spelling of it. */
export function expectNoTrace(text: string, secret: string): void {
  const bytes = Buffer.from(secret)
  const spellings = [secret, bytes.toString('hex'), encodeURIComponent(secret)]
  for (const offset of [0, 1, 2]) spellings.push(stableBase64(bytes, offset))
  for (const spelling of spellings) expect(text).not.toContain(spelling.slice(0, Math.max(10, spelling.length >> 1)))
}

/** Those characters that depend on the secret alone, when it stands so many bytes into the text. */
function stableBase64(bytes: Buffer, offset: number): string {
  const encoded = Buffer.concat([Buffer.alloc(offset), bytes]).toString('base64')
  return encoded.slice(Math.ceil((offset * 8) / 6), Math.floor(((offset + bytes.length) * 8) / 6))
}
