import type { LiveSearch } from '../../core/live-search.ts'
import { redacted, type Scrubber } from '../../core/scrub.ts'
import type { SplitSecrets } from '../../core/split-secrets.ts'
import { History, isLong, LastTokens } from './history.ts'
import { findParts, type Found } from './joined.ts'
import { type Ends, Follower, noEnds } from './readings.ts'
import { type Edit, rewrite } from './rewrite.ts'
import { eachToken, textOf } from './tokens.ts'

interface Read {
  readonly follower: Follower
  /** The last tokens of a long line; of others none. */
  readonly last: LastTokens
  /** Strings that hold a secret in escapes of the server's own choice. */
  readonly escaped: readonly Edit[]
}

/**
 * Messages of servers to one client, without secrets: also without those that are spread over several strings of a message, or over
 * several messages that follow each other.
 */
export class Cleaner {
  readonly #live: LiveSearch
  readonly #history = new History()
  #ends: Ends = noEnds()

  constructor(live: LiveSearch) {
    this.#live = live
  }

  /**
   * The line, which is JSON, byte for byte but for what is taken out of it; it is JSON still. Throws JitError `message.credential`
   * for a message of which it cannot be taken out.
   */
  clean(line: string): string {
    const scrubber = this.#live.scrubber()
    const search = this.#live.split()
    const plain = scrubber.scrubText(line) === line ? line : withoutPlain(line, scrubber)
    if (search.isEmpty) return plain
    const first = this.#read(plain, search, scrubber)
    if (first.escaped.length === 0) return this.#finish(plain, first, search)
    const unescaped = rewrite(plain, first.escaped)
    return this.#finish(unescaped, this.#read(unescaped, search), search)
  }

  #finish(line: string, read: Read, search: SplitSecrets): string {
    const found = read.follower.hits.length === 0 ? undefined : this.#partsIn(line, search, read.follower)
    if (found === undefined || found.size === 0) {
      this.#remember(line, read)
      return line
    }
    // With nothing in their place: what is taken out now may come again, behind the parts that came before it.
    const gone = rewrite(line, editsOf(line, found, ''))
    this.#remember(gone, this.#read(gone, search))
    return rewrite(line, editsOf(line, found, redacted))
  }

  #read(line: string, search: SplitSecrets, scrubber?: Scrubber): Read {
    const follower = new Follower(search, this.#ends)
    const last = new LastTokens()
    const long = isLong(line)
    const escaped: Edit[] = []
    let escape = line.indexOf('\\')
    eachToken(line, (from, to, kind, key, depth) => {
      if (long) last.add({ from, to, kind, key, depth })
      if (escape !== -1 && escape < from) escape = line.indexOf('\\', from)
      if (escape === -1 || escape >= to) return follower.take(line, from, to, kind, key)
      if (isPlainlyEscaped(line, escape, to)) return follower.take(line, from, to, kind, key, true)
      const said = textOf(line, from, to)
      follower.take(said, 0, said.length, kind, key)
      const clean = scrubber?.scrubText(said) ?? said
      if (clean !== said) escaped.push({ from, to, quoted: true, said: clean })
    })
    return { follower, last, escaped }
  }

  #partsIn(line: string, search: SplitSecrets, { hits }: Follower): Found {
    return findParts(search, line, this.#history.entries, hits)
  }

  #remember(line: string, { follower, last }: Read): void {
    this.#ends = follower.ends()
    this.#history.add(line, last.list)
  }
}

/**
 * The line without secrets that stand in its strings and numbers as they are. Not cut out of the line itself: one may read like JSON's
 * own characters, go on from an escape (`\n`), or be a number.
 */
function withoutPlain(line: string, scrubber: Scrubber): string {
  const edits: Edit[] = []
  eachToken(line, (from, to, kind) => {
    const raw = line.slice(from, to)
    const clean = scrubber.scrubText(raw)
    // What escapes hid is plain now, and not looked at again.
    if (clean !== raw) edits.push({ from, to, quoted: kind !== 'number', said: scrubber.scrubText(textOf(clean, 0, clean.length)) })
  })
  return rewrite(line, edits)
}

function editsOf(line: string, found: Found, replacement: string): Edit[] {
  const inOrder = [...found].sort(([left], [right]) => left.from - right.from)
  return inOrder.map(([{ from, to, kind }, ranges]) => {
    const said = textOf(line, from, to)
    let clean = ''
    let done = 0
    for (const range of ranges.toSorted((left, right) => left.from - right.from)) {
      if (range.from >= done) clean += said.slice(done, range.from) + replacement
      done = Math.max(done, range.to)
    }
    return { from, to, quoted: kind !== 'number', said: clean + said.slice(done) }
  })
}

/**
 * Whether all escapes from the first one on are those of a break or a quote: nobody has a choice there, so that the scrubber knows
 * how a secret with them looks.
 */
function isPlainlyEscaped(line: string, first: number, to: number): boolean {
  for (let index = first; index !== -1 && index < to; index = line.indexOf('\\', index + 2)) {
    const code = line.charCodeAt(index + 1)
    if (code !== 0x6e && code !== 0x22 && code !== 0x74 && code !== 0x72) return false
  }
  return true
}
