import { type Placed, placedIn } from './placed.ts'
import { textOf, type Token } from './tokens.ts'

/** An earlier message, or of a long one what it said last. */
export class Entry {
  readonly #line: string
  #tokens: readonly Placed[] | undefined

  constructor(line: string, tokens?: readonly Placed[]) {
    this.#line = line
    this.#tokens = tokens
  }

  /** Characters; a short line costs something too. */
  get size(): number {
    return (
      64 + (this.#line === '' ? (this.#tokens ?? []).reduce((sum, { key, text }) => sum + key.length + text.length, 0) : this.#line.length)
    )
  }

  /** In the order of the message. Read when they are asked for first, and kept: a server may have them asked for with each message. */
  get tokens(): readonly Placed[] {
    this.#tokens ??= placedIn(this.#line, false)
    return this.#tokens
  }
}

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
    const entry = line.length <= keptWhole ? new Entry(line) : endOf(line, tokens)
    this.#entries.push(entry)
    this.#size += entry.size
    while (this.#size > keptTotal) {
      const oldest = this.#entries.shift()
      if (oldest === undefined) return
      this.#size -= oldest.size
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

function endOf(line: string, tokens: readonly Token[]): Entry {
  const said = tokens.map(({ from, to, kind, key }): Placed => {
    const text = textOf(line, from, to).slice(-keptText)
    return { from: 0, to: text.length, kind, key: key.slice(0, keptText), depth: 0, isOwn: false, text, isJson: false }
  })
  return new Entry('', said)
}
