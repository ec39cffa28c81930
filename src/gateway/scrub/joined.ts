import { isSeparator } from '../../core/separators.ts'
import type { Range, SplitSecrets } from '../../core/split-secrets.ts'
import type { Entry, Said } from './history.ts'
import { type Hit, isOf, type Reading } from './readings.ts'
import { spread } from './spread.ts'
import { eachToken, textOf, type Token } from './tokens.ts'

/** A token where it stands: there may be millions, so nothing is made of one before it is looked at. */
interface Placed extends Token {
  /** Of the message at hand, not of an earlier one. */
  readonly isOwn: boolean
  /** What `from` and `to` count in: a line of JSON, or what an earlier token said. */
  readonly text: string
  readonly isJson: boolean
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
/** Strings and numbers of such a message. */
const tokenCap = 4 * 1024 * 1024
/** Characters of a secret in the envelope, as an id or a method, from which on the others do not count as taken out without them. */
const fixedCap = 4

/**
 * The parts of secrets in `line` that are whole only together with others of its tokens, or of those in `earlier` messages. Throws
 * JitError `message.credential` when they cannot be taken out, or when there is more to look at than any honest server has. Each
 * reading is looked through once, however many hits it has: their number is the server's choice.
 */
export function findParts(search: SplitSecrets, line: string, earlier: readonly Entry[], hits: readonly Hit[]): Found {
  const own = tokensOf(line, true)
  const sequences = new Sequences(own)
  let before: Sequences | undefined
  const tokensBefore = (reading: Reading): readonly Placed[] => {
    before ??= new Sequences(earlier.flatMap((entry) => (typeof entry === 'string' ? tokensOf(entry, false) : entry.map(saidBefore))))
    return before.of(reading)
  }
  const found = new Map<Token, Range[]>()
  const look = new Look(search.longest)
  for (const [reading, tokens] of byReading(hits)) {
    const beginnings = new Set(tokens.flatMap((token) => own[token] ?? []))
    for (const parts of look.windows(sequences.of(reading), beginnings, () => tokensBefore(reading))) take(search, parts, found)
  }
  return found
}

/** Indices of tokens, for each reading that has hits. */
function byReading(hits: readonly Hit[]): [Reading, number[]][] {
  const named = new Map<Reading, number[]>()
  const keyed = new Map<string, [Reading, number[]]>()
  for (const { reading, token } of hits) {
    const known = typeof reading === 'string' ? named.get(reading) : keyed.get(reading.valuesOf)?.[1]
    if (known !== undefined) known.push(token)
    else if (typeof reading === 'string') named.set(reading, [token])
    else keyed.set(reading.valuesOf, [reading, [token]])
  }
  return [...named, ...keyed.values()]
}

function tokensOf(line: string, isOwn: boolean): Placed[] {
  const tokens: Placed[] = []
  eachToken(line, (from, to, kind, key, depth) => {
    if (tokens.length === tokenCap) throw spread('the beginning of a credential among more strings than jit can look at')
    tokens.push({ from, to, kind, key, depth, isOwn, text: line, isJson: true })
  })
  return tokens
}

function saidBefore({ kind, key, text }: Said): Placed {
  return { from: 0, to: text.length, kind, key, depth: 0, isOwn: false, text, isJson: false }
}

function saidBy({ text, from, to, isJson }: Placed): string {
  return isJson ? textOf(text, from, to) : text
}

/** The tokens of each reading, as far as they are asked for. */
class Sequences {
  readonly #tokens: readonly Placed[]
  readonly #named = new Map<Reading, readonly Placed[]>()
  /** Values by their key: there may be as many readings of these as there are keys. */
  #keyed: Map<string, Placed[]> | undefined

  constructor(tokens: readonly Placed[]) {
    this.#tokens = tokens
  }

  of(reading: Reading): readonly Placed[] {
    if (typeof reading !== 'string') return (this.#keyed ??= this.#byKey()).get(reading.valuesOf) ?? []
    const known = this.#named.get(reading) ?? this.#tokens.filter((token) => isOf(reading, token))
    this.#named.set(reading, known)
    return known
  }

  #byKey(): Map<string, Placed[]> {
    const keyed = new Map<string, Placed[]>()
    for (const token of this.#tokens) {
      if (token.kind === 'key') continue
      const known = keyed.get(token.key)
      if (known === undefined) keyed.set(token.key, [token])
      else known.push(token)
    }
    return keyed
  }
}

/** Looks at what stands around the beginnings of tokens, `reach` characters in both directions, without separators. */
class Look {
  readonly #reach: number
  /** Characters that were looked at. */
  #work = 0

  constructor(reach: number) {
    this.#reach = reach
  }

  /** What stands around these beginnings in a reading, and together where they are near each other; `before`: what stands before it. */
  *windows(tokens: readonly Placed[], beginnings: ReadonlySet<Placed>, before: () => readonly Placed[]): Generator<Part[]> {
    let parts: Part[] = []
    let left = 0
    for (const [index, token] of tokens.entries()) {
      if (beginnings.has(token)) {
        if (left === 0) parts = this.#before(tokens, index, before)
        left = this.#reach
      }
      if (left === 0) continue
      const part = this.#first(token, left)
      left -= part.places.length
      parts.push(part)
      if (left === 0) yield parts
    }
    if (left > 0) yield parts
  }

  #before(tokens: readonly Placed[], middle: number, before: () => readonly Placed[]): Part[] {
    const parts: Part[] = []
    let left = this.#reach
    for (let [index, list] = [middle, tokens]; left > 0;) {
      if (index === 0) {
        if (list !== tokens) break
        list = before()
        index = list.length
      }
      const token = list[(index -= 1)]
      if (token === undefined) break
      const part = this.#last(token, left)
      left -= part.places.length
      parts.push(part)
    }
    return parts.reverse()
  }

  #first(token: Placed, count: number): Part {
    const said = saidBy(token)
    const places: number[] = []
    let index = 0
    for (; index < said.length && places.length < count; index += 1) if (!isSeparator(said.charCodeAt(index))) places.push(index)
    this.#looked(index)
    return partOf(token, said, places)
  }

  #last(token: Placed, count: number): Part {
    const said = saidBy(token)
    const places: number[] = []
    let index = said.length - 1
    for (; index >= 0 && places.length < count; index -= 1) if (!isSeparator(said.charCodeAt(index))) places.push(index)
    this.#looked(said.length - 1 - index)
    return partOf(token, said, places.reverse())
  }

  #looked(characters: number): void {
    this.#work += characters + 1
    if (this.#work > workCap) throw spread('more beginnings of credentials than jit can look at')
  }
}

/** Notes what of secrets stands in these parts, which follow each other. */
function take(search: SplitSecrets, parts: readonly Part[], found: Map<Token, Range[]>): void {
  let index = 0
  let start = 0
  for (const match of search.matches(parts.map(({ text }) => text).join(''))) {
    let fixed = 0
    for (let part = parts[index]; part !== undefined && start < match.to; part = parts[index]) {
      const end = start + part.places.length
      const range = { from: Math.max(match.from - start, 0), to: Math.min(match.to, end) - start }
      if (part.token.isOwn && range.from < range.to) {
        if (part.token.depth > 1) note(found, part, range)
        else fixed += range.to - range.from
      }
      // The next match may begin in this part.
      if (end > match.to) break
      start = end
      index += 1
    }
    if (fixed >= fixedCap) throw spread('a part of a credential where the protocol needs something else')
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
