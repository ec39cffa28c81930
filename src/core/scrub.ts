import { type PatternGroup, PatternSearch } from './pattern-search.ts'
import type { Secret } from './secret.ts'
import { shortestSecret, type Spellings, spellingsOf } from './spellings.ts'

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

/** What stands where a secret stood. */
export const redacted = '[redacted by jit]'

/** A scrubber over these secrets, as `LiveScrubber` is over those that come and go. */
export function createScrubber(secrets: readonly Secret[], replacement = redacted): Scrubber {
  const scrubber = new LiveScrubber(replacement)
  scrubber.update(secrets)
  return scrubber
}

/**
 * Removes secrets in the spellings that occur in practice: raw, base64 and base64url at each of three alignments (which
 * covers `Basic` pairs of any user), percent-encoded, hex (also with a space between bytes), JSON escapes. Whole values only:
 * a part of a secret, or what is compressed, encrypted or spelt in another way, gets through. Parts that stand in different
 * strings of a message are SplitSecrets' matter.
 *
 * The cost of a scan hardly depends on the number of secrets: one table lookup for about every ten characters. Nor does that of one
 * secret more.
 */
export class LiveScrubber implements Scrubber {
  readonly #replacement: string
  readonly #known = new Map<Secret, Known>()
  readonly #inText = new PatternSearch()
  /** Bodies are scanned as latin1, which keeps every byte; only secrets beyond ASCII are spelt differently there. */
  #inBytes: PatternSearch | undefined

  constructor(replacement = redacted) {
    this.#replacement = replacement
  }

  /** The secrets to remove from now on; those that are gone may be removed for some time yet. */
  update(secrets: readonly Secret[]): void {
    for (const secret of secrets) if (!this.#known.has(secret)) this.#learn(secret)
    for (const [secret, { text, bytes }] of gone(secrets, this.#known)) {
      this.#known.delete(secret)
      this.#inText.remove(text)
      if (bytes !== undefined) this.#inBytes?.remove(bytes)
    }
  }

  scrubText(text: string): string {
    return this.#inText.replaceAll(text, this.#replacement)
  }

  /** It looks for what is to be removed when a piece comes, not when it was made: a body may come for hours. */
  stream(): ScrubStream {
    return new Stream(() => this.#inBytes ?? this.#inText, this.#replacement)
  }

  #learn(secret: Secret): void {
    if (secret.length < shortestSecret) return
    const known = spellingsOf(secret)
    if (this.#inBytes === undefined && !isSame(known)) {
      this.#inBytes = new PatternSearch()
      for (const [other, groups] of this.#known) groups.bytes = this.#inBytes.add(spellingsOf(other).bytes)
    }
    const bytes = this.#inBytes?.add(known.bytes)
    this.#known.set(secret, { text: this.#inText.add(known.text), bytes })
  }
}

interface Known {
  readonly text: PatternGroup
  bytes: PatternGroup | undefined
}

/** Those that are known and not there any more, once they are many. */
export function gone<T>(secrets: readonly Secret[], known: ReadonlyMap<Secret, T>): [Secret, T][] {
  if (known.size <= secrets.length + secrets.length / 8 + 16) return []
  const live = new Set(secrets)
  return [...known].filter(([secret]) => !live.has(secret))
}

/** Keeps in `#held` what came last and may be the start of a spelling. */
class Stream implements ScrubStream {
  readonly #search: () => PatternSearch
  readonly #replacement: string
  #held = ''

  constructor(search: () => PatternSearch, replacement: string) {
    this.#search = search
    this.#replacement = replacement
  }

  push(chunk: Buffer): Buffer {
    const search = this.#search()
    if (search.isEmpty && this.#held === '') return chunk
    const text = this.#held + chunk.toString('latin1')
    let clean = ''
    let from = 0
    for (let at = search.find(text, 0); at !== -1; at = search.find(text, from)) {
      // A longer spelling may begin here or earlier: wait for what follows.
      const hold = search.possibleStart(text, from)
      if (hold <= at) {
        this.#held = text.slice(hold)
        return Buffer.from(clean + text.slice(from, hold), 'latin1')
      }
      clean += text.slice(from, at) + this.#replacement
      from = at + search.lengthAt(text, at)
    }
    const hold = search.possibleStart(text, from)
    if (from === 0 && hold === text.length && this.#held === '') return chunk
    this.#held = text.slice(hold)
    return Buffer.from(clean + text.slice(from, hold), 'latin1')
  }

  end(): Buffer {
    const rest = this.#search().replaceAll(this.#held, this.#replacement)
    this.#held = ''
    return Buffer.from(rest, 'latin1')
  }
}

function isSame({ text, bytes }: Spellings): boolean {
  return text.length === bytes.length && text.every((spelling, index) => spelling === bytes[index])
}
