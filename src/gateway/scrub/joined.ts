import { isSeparator } from '../../core/separators.ts'
import type { Range, SplitSecrets } from '../../core/split-secrets.ts'
import type { Entry } from './history.ts'
import { type Placed, placedIn, saidBy } from './placed.ts'
import { type Hit, isOf, type Reading } from './readings.ts'
import { spread } from './spread.ts'
import type { Token } from './tokens.ts'

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
 * JitError `message.credential` when they cannot be taken out, or when there is more to look at than any honest server has. Each
 * reading is looked through once, however many hits it has: their number is the server's choice.
 */
export function findParts(search: SplitSecrets, line: string, earlier: readonly Entry[], hits: readonly Hit[]): Found {
  const own = placedIn(line, true)
  const sequences = new Sequences(own)
  const found = new Map<Token, Range[]>()
  const look = new Look(search.longest)
  for (const [reading, tokens] of byReading(hits)) {
    const beginnings = new Set(tokens.flatMap((token) => own[token] ?? []))
    for (const parts of look.windows(sequences.of(reading), beginnings, () => saidBefore(reading, earlier))) take(search, parts, found)
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

/** What earlier messages said in this reading, the newest first. */
function* saidBefore(reading: Reading, earlier: readonly Entry[]): Iterable<Placed> {
  for (let index = earlier.length - 1; index >= 0; index -= 1) {
    const tokens = earlier[index]?.tokens ?? []
    for (let at = tokens.length - 1; at >= 0; at -= 1) {
      const token = tokens[at]
      if (token !== undefined && isOf(reading, token)) yield token
    }
  }
}

/** What stands before a token in its reading, the nearest first. */
function* behind(tokens: readonly Placed[], index: number, before: () => Iterable<Placed>): Iterable<Placed> {
  for (let at = index - 1; at >= 0; at -= 1) {
    const token = tokens[at]
    if (token !== undefined) yield token
  }
  yield* before()
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
  *windows(tokens: readonly Placed[], beginnings: ReadonlySet<Placed>, before: () => Iterable<Placed>): Generator<Part[]> {
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

  #before(tokens: readonly Placed[], middle: number, before: () => Iterable<Placed>): Part[] {
    const parts: Part[] = []
    let left = this.#reach
    for (const token of behind(tokens, middle, before)) {
      const part = this.#last(token, left)
      left -= part.places.length
      parts.push(part)
      if (left === 0) break
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
