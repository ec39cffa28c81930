import { JitError } from '../../core/errors.ts'
import { isSeparator } from '../../core/separators.ts'
import type { Range, SplitSecrets } from '../../core/split-secrets.ts'
import type { Entry, Said } from './history.ts'
import { type Hit, isOf, type Reading } from './readings.ts'
import { eachToken, textOf, type Token } from './tokens.ts'

/** A token, and what it says. */
interface Placed extends Token {
  /** Of the message at hand, not of an earlier one. */
  readonly isOwn: boolean
  said(): string
}

/** Part of a token, as it stands in the text that is searched. */
interface Part {
  readonly token: Placed
  /** Index of each of its characters in what the token says. */
  readonly places: readonly number[]
  readonly text: string
}

/** Parts of secrets in a token of the message; they may overlap. */
export type Found = ReadonlyMap<Token, readonly Range[]>

/** Characters that are looked at for one message; whoever needs more is playing games. */
const workCap = 16 * 1024 * 1024
/** Characters of a secret in the envelope, as an id or a method, from which on the others do not count as taken out without them. */
const fixedCap = 4

/**
 * The parts of secrets in `line` that are whole only together with others of its tokens, or of those in `earlier` messages. Throws
 * JitError `message.credential` when they cannot be taken out, or when there is more to look at than any honest server has.
 */
export function findParts(search: SplitSecrets, line: string, earlier: readonly Entry[], hits: readonly Hit[]): Found {
  const own = tokensOf(line, true)
  const sequences = new Sequences([
    ...earlier.flatMap((entry) => (typeof entry === 'string' ? tokensOf(entry, false) : entry.map(saidBefore))),
    ...own,
  ])
  const found = new Map<Token, Range[]>()
  let work = 0
  for (const { reading, token } of hits) {
    const middle = own[token]
    if (middle === undefined) continue
    const { tokens, index } = sequences.of(reading)
    const around = new Surroundings(search.longest)
    around.gather(tokens, index.get(middle) ?? 0)
    work += around.looked
    if (work > workCap) throw spread('more beginnings of credentials than jit can look at')
    around.search(search, found)
  }
  return found
}

function tokensOf(line: string, isOwn: boolean): Placed[] {
  const tokens: Placed[] = []
  eachToken(line, (from, to, kind, key, depth) => {
    let said: string | undefined
    tokens.push({ from, to, kind, key, depth, isOwn, said: () => (said ??= textOf(line, from, to)) })
  })
  return tokens
}

function saidBefore({ kind, key, text }: Said): Placed {
  return { from: 0, to: text.length, kind, key, depth: 0, isOwn: false, said: () => text }
}

interface Sequence {
  readonly tokens: readonly Placed[]
  readonly index: ReadonlyMap<Token, number>
}

/** The tokens of each reading, as far as they are asked for. */
class Sequences {
  readonly #tokens: readonly Placed[]
  readonly #known = new Map<string, Sequence>()

  constructor(tokens: readonly Placed[]) {
    this.#tokens = tokens
  }

  of(reading: Reading): Sequence {
    const name = JSON.stringify(reading)
    const known = this.#known.get(name)
    if (known !== undefined) return known
    const tokens = this.#tokens.filter((token) => isOf(reading, token))
    const made = { tokens, index: new Map(tokens.map((token, index) => [token, index])) }
    this.#known.set(name, made)
    return made
  }
}

/** What stands around the beginning of a token, `reach` characters in both directions, without separators. */
class Surroundings {
  /** Characters that were looked at. */
  looked = 0
  readonly #reach: number
  #parts: readonly Part[] = []

  constructor(reach: number) {
    this.#reach = reach
  }

  gather(tokens: readonly Placed[], middle: number): void {
    const before: Part[] = []
    for (let index = middle - 1, left = this.#reach; left > 0; index -= 1) {
      const token = tokens[index]
      if (token === undefined) break
      const part = this.#last(token, left)
      left -= part.places.length
      before.push(part)
    }
    const behind: Part[] = []
    for (let index = middle, left = this.#reach; left > 0; index += 1) {
      const token = tokens[index]
      if (token === undefined) break
      const part = this.#first(token, left)
      left -= part.places.length
      behind.push(part)
    }
    this.#parts = [...before.reverse(), ...behind]
  }

  search(search: SplitSecrets, found: Map<Token, Range[]>): void {
    for (const match of search.matches(this.#parts.map(({ text }) => text).join(''))) {
      let start = 0
      let fixed = 0
      for (const part of this.#parts) {
        const end = start + part.places.length
        const range = { from: Math.max(match.from - start, 0), to: Math.min(match.to, end) - start }
        start = end
        if (!part.token.isOwn || range.from >= range.to) continue
        if (part.token.depth > 1) note(found, part, range)
        else fixed += range.to - range.from
      }
      if (fixed >= fixedCap) throw spread('a part of a credential where the protocol needs something else')
    }
  }

  #first(token: Placed, count: number): Part {
    const said = token.said()
    const places: number[] = []
    let index = 0
    for (; index < said.length && places.length < count; index += 1) if (!isSeparator(said.charCodeAt(index))) places.push(index)
    this.looked += index + 1
    return partOf(token, said, places)
  }

  #last(token: Placed, count: number): Part {
    const said = token.said()
    const places: number[] = []
    let index = said.length - 1
    for (; index >= 0 && places.length < count; index -= 1) if (!isSeparator(said.charCodeAt(index))) places.push(index)
    this.looked += said.length - index
    return partOf(token, said, places.reverse())
  }
}

function partOf(token: Placed, said: string, places: readonly number[]): Part {
  return { token, places, text: places.map((place) => said.charAt(place)).join('') }
}

/** `range`: of the part's own characters. */
function note(found: Map<Token, Range[]>, { token, places }: Part, range: Range): void {
  const first = places[range.from]
  const last = places[range.to - 1]
  if (first === undefined || last === undefined) return
  const ranges = found.get(token)
  if (ranges === undefined) found.set(token, [{ from: first, to: last + 1 }])
  else ranges.push({ from: first, to: last + 1 })
}

function spread(what: string): JitError {
  return new JitError('message.credential', `a message of the server holds ${what}: it was not passed on`)
}
