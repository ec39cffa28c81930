import { randomBytes } from 'node:crypto'

const alphabet = '0123456789abcdefghjkmnpqrstvwxyz'

/** A random identifier such as `lease_7k2m9x0q4r8s1t5v`: 80 bits in Crockford base 32, safe in files, URLs and AWS session names. */
export function newId(prefix: 'lease' | 'call' | 'lane' | 'session' | 'approval' | 'connection' | 'question' | 'proposal'): string {
  if (used + 16 > pool.length) {
    pool = randomBytes(4096)
    used = 0
  }
  let text = `${prefix}_`
  for (const end = used + 16; used < end; used += 1) text += alphabet[(pool[used] ?? 0) & 31]
  return text
}

/** Random bytes in advance: one request to the system for 256 identifiers. Each byte is used once. */
let pool = randomBytes(0)
let used = 0

/** `length` characters of letters and digits from the system's random source (62^40 for GitHub's 36-character body). */
export function randomAlphanumeric(length: number): string {
  const letters = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789'
  let text = ''
  while (text.length < length) {
    for (const byte of randomBytes(length)) if (byte < 248 && text.length < length) text += letters[byte % 62]
  }
  return text
}
