import { randomBytes } from 'node:crypto'

const alphabet = '0123456789abcdefghjkmnpqrstvwxyz'

/** A random identifier such as `lease_7k2m9x0q4r8s1t5v`: 80 bits in Crockford base 32, safe in files, URLs and AWS session names. */
export function newId(prefix: 'lease' | 'call' | 'lane' | 'session' | 'approval' | 'connection'): string {
  const bytes = randomBytes(16)
  let text = ''
  for (const byte of bytes) text += alphabet[byte & 31]
  return `${prefix}_${text}`
}

/** `length` characters of letters and digits from the system's random source (62^40 for GitHub's 36-character body). */
export function randomAlphanumeric(length: number): string {
  const letters = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789'
  let text = ''
  while (text.length < length) {
    for (const byte of randomBytes(length)) if (byte < 248 && text.length < length) text += letters[byte % 62]
  }
  return text
}
