import { type PatternGroup, PatternSearch } from './pattern-search.ts'
import { gone } from './scrub.ts'
import type { Secret } from './secret.ts'
import { isSeparator } from './separators.ts'
import { shortestSecret, spellingsOf } from './spellings.ts'

export interface Range {
  readonly from: number
  /** Behind the last character. */
  readonly to: number
}

/** Characters in a row that tell whether a secret may stand there. */
export const gramLength = 8

/** The last `gramLength` characters of a text, as a hash of 64 bits: what came before them has left it. */
export class Gram {
  first = 0
  second = 0
  /** The last character, and the one before it. */
  last = 0
  lastButOne = 0

  /** The next character. */
  roll(code: number): void {
    const slot = (code ^ (code >>> 8)) & 255
    this.first = ((this.first << 4) + (firstTable[slot] ?? 0)) | 0
    this.second = ((this.second << 4) + (secondTable[slot] ?? 0)) | 0
    this.lastButOne = this.last
    this.last = code
  }

  set({ first, second, last, lastButOne }: Gram): void {
    this.first = first
    this.second = second
    this.last = last
    this.lastButOne = lastButOne
  }
}

const firstTable = scrambled(0x9e3779b1)
const secondTable = scrambled(0x85ebca6b)

/** A number of 32 bits for each byte, as if thrown. */
function scrambled(seed: number): Int32Array {
  let state = seed
  return new Int32Array(256).map(() => {
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    return Math.imul(state, 0x2545f491)
  })
}

/**
 * Finds secrets in a text that was put together from parts and holds no separators. `has` tells for next to nothing where to
 * look.
 */
export class SplitSecrets {
  #live: readonly Secret[] = []
  readonly #known = new Map<Secret, PatternGroup>()
  readonly #search = new PatternSearch()
  #filter = new Uint32Array(minimum / 32)
  #shift = 32 - Math.log2(minimum)
  readonly #triples = new Uint32Array(tripleBits / 32)
  /** In the filter; those of the dead stay until it is made anew. */
  #grams = 0
  #dead = 0

  /** The secrets to look for from now on. */
  update(secrets: readonly Secret[]): void {
    this.#live = secrets
    for (const [secret, group] of gone(secrets, this.#known)) {
      this.#known.delete(secret)
      this.#search.remove(group)
      this.#dead += 1
    }
    if (this.#dead > secrets.length + 64) this.#rebuild()
    for (const secret of secrets) if (!this.#known.has(secret)) this.#learn(secret)
  }

  /** Whether some secret has these three characters in a row; costs less than `has`, and is true more often. */
  hasTriple(one: number, two: number, three: number): boolean {
    const slot = tripleOf(one, two, three)
    return ((this.#triples[slot >>> 5] ?? 0) & (1 << (slot & 31))) !== 0
  }

  /** Whether these characters may be part of a secret; of others it is certain that they are not. */
  has({ first, second }: Gram): boolean {
    const slot = mixed(first) >>> this.#shift
    if (((this.#filter[slot >>> 5] ?? 0) & (1 << (slot & 31))) === 0) return false
    for (let turn = 1; turn < turns; turn += 1) {
      const next = slotOf(first, second, turn) >>> this.#shift
      if (((this.#filter[next >>> 5] ?? 0) & (1 << (next & 31))) === 0) return false
    }
    return true
  }

  /** Whether there is nothing to look for. */
  get isEmpty(): boolean {
    return this.#live.length === 0
  }

  /** Characters of the longest spelling. */
  get longest(): number {
    return this.#search.longest
  }

  /** Where secrets stand, in order; they do not overlap. */
  matches(text: string): Range[] {
    const found: Range[] = []
    for (let at = this.#search.find(text, 0); at !== -1;) {
      const to = at + this.#search.lengthAt(text, at)
      found.push({ from: at, to })
      at = this.#search.find(text, to)
    }
    return found
  }

  #learn(secret: Secret): void {
    const spellings = compactSpellings(secret)
    this.#known.set(secret, this.#search.add(spellings))
    this.#grams += gramsOf(spellings)
    if (this.#grams * crowded > this.#filter.length * 32 && this.#filter.length * 32 < maximum) return this.#rebuild()
    for (const text of spellings) this.#enter(text)
  }

  #rebuild(): void {
    this.#dead = 0
    this.#grams = 0
    for (const { patterns } of this.#known.values()) this.#grams += gramsOf(patterns)
    let bits = minimum
    while (bits < this.#grams * crowded * 2 && bits < maximum) bits *= 2
    this.#filter = new Uint32Array(bits / 32)
    this.#shift = 32 - Math.log2(bits)
    this.#triples.fill(0)
    for (const { patterns } of this.#known.values()) for (const text of patterns) this.#enter(text)
  }

  #enter(text: string): void {
    const gram = new Gram()
    for (let index = 0; index < text.length; index += 1) {
      const { lastButOne, last } = gram
      const code = text.charCodeAt(index)
      gram.roll(code)
      const triple = tripleOf(lastButOne, last, code)
      this.#triples[triple >>> 5] = (this.#triples[triple >>> 5] ?? 0) | (1 << (triple & 31))
      if (index < gramLength - 1) continue
      for (let turn = 0; turn < turns; turn += 1) {
        const slot = slotOf(gram.first, gram.second, turn) >>> this.#shift
        this.#filter[slot >>> 5] = (this.#filter[slot >>> 5] ?? 0) | (1 << (slot & 31))
      }
    }
  }
}

/** Bits of the filter. */
const minimum = 1 << 16
const maximum = 1 << 26
/** Bits for each gram, and of those how many are set: what is none of them is taken for one hardly ever. */
const crowded = 64
const turns = 6

const tripleBits = 1 << 20

function tripleOf(one: number, two: number, three: number): number {
  return Math.imul(Math.imul(Math.imul(one, 0x2545f491) + two, 0x9e3779b1) + three, 0x85ebca6b) >>> 12
}

function slotOf(first: number, second: number, turn: number): number {
  return turn === 0 ? mixed(first) : mixed(second + Math.imul(first, 2 * turn + 1))
}

function mixed(hash: number): number {
  return Math.imul(hash ^ (hash >>> 15), 0x85ebca6b)
}

function gramsOf(spellings: readonly string[]): number {
  return spellings.reduce((sum, { length }) => sum + length, 0)
}

/** Without separators; what is too short then would be found in ordinary words. */
function compactSpellings(secret: Secret): string[] {
  if (secret.length < shortestSecret) return []
  return [...new Set(spellingsOf(secret).text.map(compact))].filter(({ length }) => length >= gramLength)
}

/** The text without its separators. */
function compact(text: string): string {
  let short = ''
  let from = 0
  for (let index = 0; index < text.length; index += 1) {
    if (!isSeparator(text.charCodeAt(index))) continue
    short += text.slice(from, index)
    from = index + 1
  }
  return short + text.slice(from)
}
