import { textOf, type Token } from './tokens.ts'

/** A string or a number of an earlier message: of a long one, its end. */
export type Said = Pick<Token, 'kind' | 'key'> & { readonly text: string }

/** An earlier message as its line, or of a long one what it said last. */
export type Entry = string | readonly Said[]

/** Characters that are kept of all messages together, and a line that is kept whole. */
const keptTotal = 64 * 1024
const keptWhole = 16 * 1024
/** Of a longer line: strings and numbers, and characters of each. */
const keptTokens = 8
const keptText = 2048

/** What a client was told last: parts of a secret may be in it that are none by themselves. Bounded, oldest out first. */
export class History {
  readonly #entries: Entry[] = []
  #size = 0

  get entries(): readonly Entry[] {
    return this.#entries
  }

  /** `tokens`: those of the line, or the last of them. */
  add(line: string, tokens: readonly Token[]): void {
    const entry = line.length <= keptWhole ? line : endOf(line, tokens)
    this.#entries.push(entry)
    this.#size += sizeOf(entry)
    while (this.#size > keptTotal) {
      const oldest = this.#entries.shift()
      if (oldest === undefined) return
      this.#size -= sizeOf(oldest)
    }
  }
}

/** Whether a line is so long that its last tokens are what is kept of it. */
export function isLong(line: string): boolean {
  return line.length > keptWhole
}

/** The last tokens of a line, in order, when each of them is told. */
export class LastTokens {
  readonly #tokens: Token[] = []
  #next = 0

  add(token: Token): void {
    this.#tokens[this.#next % keptTokens] = token
    this.#next += 1
  }

  get list(): readonly Token[] {
    const start = this.#next % keptTokens
    return this.#next <= keptTokens ? this.#tokens : [...this.#tokens.slice(start), ...this.#tokens.slice(0, start)]
  }
}

function endOf(line: string, tokens: readonly Token[]): readonly Said[] {
  return tokens.map(({ from, to, kind, key }) => ({ kind, key: key.slice(0, keptText), text: textOf(line, from, to).slice(-keptText) }))
}

/** A short line costs something too. */
function sizeOf(entry: Entry): number {
  return 64 + (typeof entry === 'string' ? entry.length : entry.reduce((sum, { key, text }) => sum + key.length + text.length, 0))
}
