import type { Secret } from './secret.ts'

export interface Scrubber {
  /** The text without any spelling of a secret. */
  scrubText(text: string): string
  /** For a body that arrives in pieces: what could be the start of a secret is held back until the next piece. */
  stream(): { push(chunk: Buffer): Buffer; end(): Buffer }
}

const mark = '[redacted by jit]'

/**
 * Removes secrets in the spellings that occur in practice: raw, base64 and base64url at each of three alignments (which
 * covers `Basic` pairs), percent-encoded, hex, and JSON escapes. Exact values only; what is spelt otherwise gets through.
 */
export function createScrubber(secrets: readonly Secret[]): Scrubber {
  const patterns = [...new Set(secrets.filter((secret) => secret.length >= 8).flatMap((secret) => spellings(secret.reveal())))].sort(
    (left, right) => right.length - left.length,
  )
  const longest = patterns[0]?.length ?? 0
  const expression = patterns.length === 0 ? undefined : new RegExp(patterns.map(escapeExpression).join('|'), 'g')
  const scrubText = (text: string): string => {
    if (!patterns.some((pattern) => text.includes(pattern))) return text
    return expression === undefined ? text : text.replace(expression, mark)
  }
  return {
    scrubText,
    stream() {
      let held = ''
      return {
        push(chunk) {
          // latin1 keeps every byte; the patterns are ASCII.
          const text = scrubText(held + chunk.toString('latin1'))
          const keep = possibleStart(text, patterns, longest)
          held = keep === 0 ? '' : text.slice(-keep)
          return Buffer.from(keep === 0 ? text : text.slice(0, -keep), 'latin1')
        },
        end() {
          const rest = Buffer.from(scrubText(held), 'latin1')
          held = ''
          return rest
        },
      }
    },
  }
}

/** Length of the longest end of `text` that begins some pattern. */
function possibleStart(text: string, patterns: readonly string[], longest: number): number {
  for (let length = Math.min(longest - 1, text.length); length > 0; length -= 1) {
    const end = text.slice(-length)
    if (patterns.some((pattern) => pattern.length > length && pattern.startsWith(end))) return length
  }
  return 0
}

function spellings(value: string): string[] {
  const bytes = Buffer.from(value)
  const hex = bytes.toString('hex')
  const percent = encodeURIComponent(value)
  const allPercent = hex.replace(/../g, '%$&')
  const unicode = [...value].map((character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`).join('')
  return [
    value,
    percent,
    percent.replace(/%[0-9A-F]{2}/g, (escape) => escape.toLowerCase()),
    allPercent,
    allPercent.toUpperCase(),
    hex,
    hex.toUpperCase(),
    JSON.stringify(value).slice(1, -1),
    unicode,
    unicode.replaceAll('\\u', '\\\\u').toUpperCase().replaceAll('\\\\U', '\\u'),
    ...[0, 1, 2].flatMap((offset) => base64At(bytes, offset)),
  ].filter((text) => text.length >= 8)
}

/** The characters of the base64 that depend on the secret alone, when it stands `offset` bytes into a longer text. */
function base64At(bytes: Buffer, offset: number): string[] {
  const encoded = Buffer.concat([Buffer.alloc(offset), bytes])
    .toString('base64')
    .replace(/=+$/, '')
  const start = Math.ceil((offset * 8) / 6)
  const end = Math.floor(((offset + bytes.length) * 8) / 6)
  const stable = encoded.slice(start, end)
  return [stable, stable.replaceAll('+', '-').replaceAll('/', '_')]
}

function escapeExpression(text: string): string {
  return text.replace(/[.*+?^${}()|[\]\\/-]/g, '\\$&')
}
