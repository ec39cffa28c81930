import type { Secret } from './secret.ts'

export interface Scrubber {
  /** The text without any spelling of a secret. */
  scrubText(text: string): string
  /**
   * For a body that arrives in pieces. `push` answers at once with what is certain; only an end that could be the start of a
   * spelling is held back until the next piece, `end` gives what was held.
   */
  stream(): ScrubStream
}

export interface ScrubStream {
  push(chunk: Buffer): Buffer
  end(): Buffer
}

/** Shorter values are no credentials, and removing them would remove ordinary words. */
const shortestSecret = 8

/**
 * Removes secrets in the spellings that occur in practice: raw, base64 and base64url at each of three alignments (which
 * covers `Basic` pairs of any user), percent-encoded, hex (also with a space between bytes), JSON escapes. Whole values only:
 * a part of a secret, or what is compressed, encrypted or spelt in another way, gets through.
 *
 * The cost of a scan hardly depends on the number of secrets: one table lookup for about every ten characters.
 */
export function createScrubber(secrets: readonly Secret[], replacement = '[redacted by jit]'): Scrubber {
  const texts = new Set<string>()
  const bytes = new Set<string>()
  for (const secret of secrets) {
    if (secret.length < shortestSecret) continue
    const known = spellingsOf(secret)
    for (const text of known.text) texts.add(text)
    for (const text of known.bytes) bytes.add(text)
  }
  const inText = compile([...texts])
  // Bodies are scanned as latin1, which keeps every byte; only secrets beyond ASCII are spelt differently there.
  const inBytes = sameMembers(texts, bytes) ? inText : compile([...bytes])
  return {
    scrubText: (text) => (inText === undefined ? text : replaceAll(inText, text, replacement)),
    stream: () => (inBytes === undefined ? unchanged : new Stream(inBytes, replacement)),
  }
}

const nothing = Buffer.alloc(0)
const unchanged: ScrubStream = { push: (chunk) => chunk, end: () => nothing }

/** Keeps in `#held` what came last and may be the start of a spelling. */
class Stream implements ScrubStream {
  readonly #matcher: Matcher
  readonly #replacement: string
  #held = ''

  constructor(matcher: Matcher, replacement: string) {
    this.#matcher = matcher
    this.#replacement = replacement
  }

  push(chunk: Buffer): Buffer {
    const text = this.#held + chunk.toString('latin1')
    let clean = ''
    let from = 0
    for (let at = find(this.#matcher, text, 0); at !== -1; at = find(this.#matcher, text, from)) {
      // A longer spelling may begin here or earlier: wait for what follows.
      const hold = possibleStart(this.#matcher, text, from)
      if (hold <= at) {
        this.#held = text.slice(hold)
        return Buffer.from(clean + text.slice(from, hold), 'latin1')
      }
      clean += text.slice(from, at) + this.#replacement
      from = at + lengthAt(this.#matcher, text, at)
    }
    const hold = possibleStart(this.#matcher, text, from)
    if (from === 0 && hold === text.length && this.#held === '') return chunk
    this.#held = text.slice(hold)
    return Buffer.from(clean + text.slice(from, hold), 'latin1')
  }

  end(): Buffer {
    const rest = replaceAll(this.#matcher, this.#held, this.#replacement)
    this.#held = ''
    return Buffer.from(rest, 'latin1')
  }
}

/**
 * Horspool's search for many patterns: the last three characters of a window as long as the shortest pattern (at most
 * `widest`) say how far the window may move without missing one.
 */
interface Matcher {
  /** In order, so that those that begin alike stand together. */
  readonly patterns: readonly string[]
  /** For each pattern: which one is the longest that it begins with; -1 when there is none. */
  readonly inner: readonly number[]
  readonly longest: number
  readonly window: number
  readonly shifts: Uint8Array
  /** First characters, and first three characters, of patterns: for the ends of pieces. */
  readonly first: Uint8Array
  readonly firstThree: Uint8Array
}

const widest = 16
const tableSize = 1 << 16

function compile(patterns: string[]): Matcher | undefined {
  if (patterns.length === 0) return undefined
  patterns.sort()
  const window = patterns.reduce((least, { length }) => Math.min(least, length), widest)
  const longest = patterns.reduce((most, { length }) => Math.max(most, length), 0)
  const shifts = new Uint8Array(tableSize).fill(window - 2)
  const first = new Uint8Array(256)
  const firstThree = new Uint8Array(tableSize)
  for (const pattern of patterns) {
    first[pattern.charCodeAt(0) & 255] = 1
    firstThree[slotOf(pattern, 2)] = 1
    for (let end = 2; end < window; end += 1) {
      const slot = slotOf(pattern, end)
      shifts[slot] = Math.min(shifts[slot] ?? 0, window - 1 - end)
    }
  }
  return { patterns, inner: innerOf(patterns), longest, window, shifts, first, firstThree }
}

function innerOf(patterns: readonly string[]): number[] {
  const inner: number[] = []
  for (const [index, pattern] of patterns.entries()) {
    let before = index - 1
    while (before >= 0 && !pattern.startsWith(patterns[before] ?? '')) before = inner[before] ?? -1
    inner.push(before)
  }
  return inner
}

function slotOf(text: string, end: number): number {
  return ((text.charCodeAt(end - 2) << 8) ^ (text.charCodeAt(end - 1) << 4) ^ text.charCodeAt(end)) & (tableSize - 1)
}

/** Where the next pattern begins at or after `from`; -1 when there is none. */
function find(matcher: Matcher, text: string, from: number): number {
  const { window, shifts } = matcher
  for (let end = from + window - 1; end < text.length;) {
    const shift = shifts[slotOf(text, end)] ?? 0
    if (shift > 0) {
      end += shift
      continue
    }
    const at = end - window + 1
    if (lengthAt(matcher, text, at) > 0) return at
    end += 1
  }
  return -1
}

/**
 * Length of the longest pattern that begins at `at`; 0 when none does. All patterns that begin so stand in a row before the
 * text itself, each the beginning of the next: a search by halves finds their end, however many secrets begin alike.
 */
function lengthAt({ patterns, inner, longest }: Matcher, text: string, at: number): number {
  const rest = text.slice(at, at + longest)
  let index = firstAfter(patterns, rest) - 1
  while (index >= 0 && !rest.startsWith(patterns[index] ?? '')) index = inner[index] ?? -1
  return patterns[index]?.length ?? 0
}

/** Index of the first pattern that stands behind `text` in order. */
function firstAfter(patterns: readonly string[], text: string): number {
  let low = 0
  let high = patterns.length
  while (low < high) {
    const middle = (low + high) >> 1
    if ((patterns[middle] ?? '') > text) high = middle
    else low = middle + 1
  }
  return low
}

/** Where the longest end of `text` begins that is the start of some pattern; its length when none is. */
function possibleStart({ patterns, longest, first, firstThree }: Matcher, text: string, from: number): number {
  for (let at = Math.max(from, text.length - longest + 1); at < text.length; at += 1) {
    if (first[text.charCodeAt(at) & 255] === 0 || (at + 2 < text.length && firstThree[slotOf(text, at + 2)] === 0)) continue
    const end = text.slice(at)
    if (patterns[firstAfter(patterns, end)]?.startsWith(end) === true) return at
  }
  return text.length
}

function replaceAll(matcher: Matcher, text: string, replacement: string): string {
  let at = find(matcher, text, 0)
  if (at === -1) return text
  let clean = ''
  let from = 0
  for (; at !== -1; at = find(matcher, text, from)) {
    clean += text.slice(from, at) + replacement
    from = at + lengthAt(matcher, text, at)
  }
  return clean + text.slice(from)
}

interface Spellings {
  /** As they stand in JavaScript text, and in UTF-8 bytes read as latin1. */
  readonly text: readonly string[]
  readonly bytes: readonly string[]
}

const spelt = new WeakMap<Secret, Spellings>()

function spellingsOf(secret: Secret): Spellings {
  const known = spelt.get(secret)
  if (known !== undefined) return known
  const value = secret.reveal()
  const ascii = asciiSpellings(value)
  const literal = [value, JSON.stringify(value).slice(1, -1), JSON.stringify(value).slice(1, -1).replaceAll('/', '\\/')]
  const made = {
    text: [...new Set([...literal, ...ascii])],
    bytes: [...new Set([...literal.map((text) => Buffer.from(text).toString('latin1')), ...ascii])],
  }
  spelt.set(secret, made)
  return made
}

/** Those that consist of ASCII whatever the secret holds. */
function asciiSpellings(value: string): string[] {
  const bytes = Buffer.from(value)
  const hex = bytes.toString('hex')
  const percent = encodeURIComponent(value.toWellFormed())
  const strict = percent.replace(/[!'()*~]/g, (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`)
  const every = hex.replace(/../g, '%$&')
  // S3 repeats a request whose signature it does not understand in this way.
  const spaced = hex.replace(/..(?=.)/g, '$& ')
  const unicode = Array.from({ length: value.length }, (_, at) => value.charCodeAt(at).toString(16).padStart(4, '0'))
  return [
    ...[percent, strict, percent.replaceAll('%20', '+'), strict.replaceAll('%20', '+')].flatMap((text) => [text, lowerEscapes(text)]),
    every,
    every.toUpperCase(),
    hex,
    hex.toUpperCase(),
    spaced,
    spaced.toUpperCase(),
    unicode.map((digits) => `\\u${digits}`).join(''),
    unicode.map((digits) => `\\u${digits.toUpperCase()}`).join(''),
    ...[0, 1, 2].flatMap((offset) => base64At(bytes, offset)),
  ]
}

function lowerEscapes(text: string): string {
  return text.replace(/%[0-9A-F]{2}/g, (escape) => escape.toLowerCase())
}

/** The characters of the base64 that depend on the secret alone, when it stands `offset` bytes into a longer text. */
function base64At(bytes: Buffer, offset: number): string[] {
  const encoded = Buffer.concat([Buffer.alloc(offset), bytes])
    .toString('base64')
    .replace(/=+$/, '')
  const stable = encoded.slice(Math.ceil((offset * 8) / 6), Math.floor(((offset + bytes.length) * 8) / 6))
  return [stable, stable.replaceAll('+', '-').replaceAll('/', '_')]
}

function sameMembers(left: ReadonlySet<string>, right: ReadonlySet<string>): boolean {
  return left.size === right.size && [...left].every((text) => right.has(text))
}
