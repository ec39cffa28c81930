import { compile, find, lengthAt, type Matcher, possibleStart, replaceAll } from './pattern-search.ts'
import type { Secret } from './secret.ts'
import { shortestSecret, spellingsOf } from './spellings.ts'

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

/**
 * Removes secrets in the spellings that occur in practice: raw, base64 and base64url at each of three alignments (which
 * covers `Basic` pairs of any user), percent-encoded, hex (also with a space between bytes), JSON escapes. Whole values only:
 * a part of a secret, or what is compressed, encrypted or spelt in another way, gets through. Parts that stand in different
 * strings of a message are SplitSecrets' matter.
 *
 * The cost of a scan hardly depends on the number of secrets: one table lookup for about every ten characters.
 */
export function createScrubber(secrets: readonly Secret[], replacement = redacted): Scrubber {
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

function sameMembers(left: ReadonlySet<string>, right: ReadonlySet<string>): boolean {
  return left.size === right.size && [...left].every((text) => right.has(text))
}
