import { isSeparator } from '../../core/separators.ts'
import { Gram, gramLength, type SplitSecrets } from '../../core/split-secrets.ts'
import { spread } from './spread.ts'
import type { Kind, Token } from './tokens.ts'

/**
 * Ways to put the strings of a message together again, each in the order of the message: all of them; the values; the values but
 * those that the protocol needs between two contents; the keys; and the values of one key.
 */
export type Reading = 'all' | 'values' | 'contents' | 'keys' | { readonly valuesOf: string }

/** Keys whose values stand between what a server says, as MCP has it. */
const structural = new Set(
  'jsonrpc id method type role mimeType level logger progressToken progress total taskId requestState isError resultType'.split(' '),
)

export function isOf(reading: Reading, { kind, key }: Pick<Token, 'kind' | 'key'>): boolean {
  if (reading === 'all') return true
  if (reading === 'keys') return kind === 'key'
  if (kind === 'key') return false
  if (reading === 'values') return true
  return reading === 'contents' ? !structural.has(key) : key === reading.valuesOf
}

/** A token at whose beginning a secret may go on that began in another. */
export interface Hit {
  readonly reading: Reading
  /** Index of the token in its message. */
  readonly token: number
}

/** Chance makes some hundreds in the longest message of numbers. */
const hitCap = 512 * 1024

/** Keys of which the end of the last value is kept from one message to the next. */
const keptKeys = 64

/** The end of each reading: what comes next goes on from there. */
export interface Ends {
  readonly all: Gram
  readonly values: Gram
  readonly contents: Gram
  readonly keys: Gram
  readonly byKey: ReadonlyMap<string, Gram>
}

export function noEnds(): Ends {
  return { all: new Gram(), values: new Gram(), contents: new Gram(), keys: new Gram(), byKey: new Map() }
}

/** Goes through one message, token by token: a look at both ends of each, and none at what stands between. */
export class Follower {
  readonly hits: Hit[] = []
  readonly #search: SplitSecrets
  readonly #before: Ends
  readonly #all: Gram
  readonly #values: Gram
  readonly #contents: Gram
  readonly #keys: Gram
  readonly #byKey = new Map<string, Gram>()
  /** Of the token at hand, without separators: its first characters, and the last ones of what stands behind them. */
  readonly #head = new Uint16Array(gramLength - 1)
  readonly #tail = new Uint16Array(gramLength)
  /** The token's last characters, where its tail is as long as that. */
  readonly #tailEnd = new Gram()
  #headLength = 0
  #tailLength = 0
  #token = 0

  constructor(search: SplitSecrets, before: Ends) {
    this.#search = search
    this.#before = before
    this.#all = copyOf(before.all)
    this.#values = copyOf(before.values)
    this.#contents = copyOf(before.contents)
    this.#keys = copyOf(before.keys)
  }

  /**
   * The token is `text` from `from` to `to`; `escaped`: each character behind a backslash counts as a separator. Throws JitError
   * `message.credential` for a message whose hits would fill the memory.
   */
  take(text: string, from: number, to: number, kind: Kind, key: string, escaped = false): void {
    this.#look(text, from, to, escaped)
    if (this.#goOn(this.#all)) this.#hit('all')
    if (kind === 'key') {
      if (this.#goOn(this.#keys)) this.#hit('keys')
    } else {
      if (this.#goOn(this.#values)) this.#hit('values')
      if (!structural.has(key) && this.#goOn(this.#contents)) this.#hit('contents')
      if (this.#goOn(this.#endOf(key))) this.#hit({ valuesOf: key })
    }
    this.#token += 1
  }

  /** The ends as they are behind this message. */
  ends(): Ends {
    const byKey = new Map(this.#before.byKey)
    for (const [key, end] of this.#byKey) {
      byKey.delete(key)
      byKey.set(key, end)
    }
    for (const key of byKey.keys()) {
      if (byKey.size <= keptKeys) break
      byKey.delete(key)
    }
    return { all: this.#all, values: this.#values, contents: this.#contents, keys: this.#keys, byKey }
  }

  #endOf(key: string): Gram {
    const known = this.#byKey.get(key)
    if (known !== undefined) return known
    const end = copyOf(this.#before.byKey.get(key))
    this.#byKey.set(key, end)
    return end
  }

  #hit(reading: Reading): void {
    if (this.hits.length === hitCap) throw spread('more beginnings of credentials than jit can note')
    this.hits.push({ reading, token: this.#token })
  }

  #look(text: string, from: number, to: number, escaped: boolean): void {
    let length = 0
    let start = from
    for (; start < to && length < gramLength - 1; start += 1) {
      const code = text.charCodeAt(start)
      if (escaped && code === 0x5c) start += 1
      else if (!isSeparator(code)) this.#head[length++] = code
    }
    this.#headLength = length
    length = 0
    for (let end = to - 1; end >= start && length < gramLength; end -= 1) {
      const code = text.charCodeAt(end)
      if (escaped && text.charCodeAt(end - 1) === 0x5c) end -= 1
      else if (!isSeparator(code)) this.#tail[length++] = code
    }
    this.#tailLength = length
    if (length === gramLength) for (let index = length - 1; index >= 0; index -= 1) this.#tailEnd.roll(this.#tail[index] ?? 0)
  }

  /**
   * True when a secret may stand across the token's beginning: it has eight characters in a row on both sides of some border,
   * of these no more than seven on one side, and so three in a row of which the border parts one.
   */
  #goOn(end: Gram): boolean {
    const search = this.#search
    const head = this.#head
    const length = this.#headLength
    if (length === 0) return false
    const one = head[0] ?? 0
    const two = head[1] ?? 0
    const near = search.hasTriple(end.lastButOne, end.last, one) || (length > 1 && search.hasTriple(end.last, one, two))
    if (!near && this.#tailLength === gramLength) {
      end.set(this.#tailEnd)
      return false
    }
    let found = false
    for (let index = 0; index < length; index += 1) {
      end.roll(head[index] ?? 0)
      if (near && search.has(end)) found = true
    }
    for (let index = this.#tailLength - 1; index >= 0; index -= 1) end.roll(this.#tail[index] ?? 0)
    return found
  }
}

function copyOf(gram: Gram | undefined): Gram {
  const copy = new Gram()
  if (gram !== undefined) copy.set(gram)
  return copy
}
