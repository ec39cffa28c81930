import { quote } from '../core/errors.ts'
import { RuleError } from './refusal.ts'

type Test = (codePoint: number) => boolean

export type PatternNode =
  | { readonly kind: 'one'; readonly test: Test }
  | { readonly kind: 'start' | 'end' }
  | { readonly kind: 'sequence'; readonly parts: readonly PatternNode[] }
  | { readonly kind: 'choice'; readonly options: readonly PatternNode[] }
  | { readonly kind: 'repeat'; readonly part: PatternNode; readonly min: number; readonly max: number }

const maxDepth = 50
const classes: Readonly<Record<string, Test>> = {
  d: (c) => c >= 48 && c <= 57,
  w: (c) => (c >= 48 && c <= 57) || (c >= 65 && c <= 90) || c === 95 || (c >= 97 && c <= 122),
  s: (c) => (c >= 9 && c <= 13) || c === 32,
}
const controls: Readonly<Record<string, number>> = { n: 10, r: 13, t: 9, f: 12, v: 11 }

/** Parses literals, `.`, classes, groups, `|`, `* + ? {m,n}` (lazy forms mean the same here), `^ $ \A \z` and a leading `(?i)`. */
export function parsePattern(source: string): PatternNode {
  return new PatternParser(source).parse()
}

class PatternParser {
  readonly #source: string
  readonly #characters: readonly string[]
  readonly #ignoreCase: boolean
  #position: number

  constructor(source: string) {
    this.#source = source
    this.#ignoreCase = source.startsWith('(?i)')
    this.#characters = [...source]
    this.#position = this.#ignoreCase ? 4 : 0
  }

  parse(): PatternNode {
    const node = this.#choice(0)
    if (this.#peek() !== undefined) throw this.#fail('has an unmatched ")"')
    return node
  }

  #choice(depth: number): PatternNode {
    if (depth > maxDepth) throw this.#fail('is nested too deeply')
    const options = [this.#sequence(depth)]
    while (this.#take('|')) options.push(this.#sequence(depth))
    return options.length === 1 && options[0] !== undefined ? options[0] : { kind: 'choice', options }
  }

  #sequence(depth: number): PatternNode {
    const parts: PatternNode[] = []
    for (let next = this.#peek(); next !== undefined && next !== '|' && next !== ')'; next = this.#peek()) {
      parts.push(this.#repetition(this.#atom(depth)))
    }
    return { kind: 'sequence', parts }
  }

  #repetition(part: PatternNode): PatternNode {
    const bounds = this.#bounds()
    if (bounds === undefined) return part
    if (part.kind === 'start' || part.kind === 'end') throw this.#fail('repeats an anchor')
    this.#take('?')
    if (this.#bounds() !== undefined) throw this.#fail('has one repetition after another')
    return { kind: 'repeat', part, ...bounds }
  }

  #bounds(): { readonly min: number; readonly max: number } | undefined {
    if (this.#take('*')) return { min: 0, max: Infinity }
    if (this.#take('+')) return { min: 1, max: Infinity }
    if (this.#take('?')) return { min: 0, max: 1 }
    if (this.#peek() !== '{') return undefined
    const text = this.#characters.slice(this.#position, this.#position + 12).join('')
    const match = /^\{(\d{1,3})(?:(,)(\d{1,3})?)?\}/.exec(text)
    if (match === null) throw this.#fail('has a "{" that is no repetition; write "\\{"')
    this.#position += match[0].length
    const min = Number(match[1])
    const max = match[2] === undefined ? min : match[3] === undefined ? Infinity : Number(match[3])
    if (max < min) throw this.#fail('has a repetition whose end is before its start')
    return { min, max }
  }

  #atom(depth: number): PatternNode {
    const character = this.#next()
    switch (character) {
      case '(':
        return this.#group(depth)
      case '[':
        return this.#one(this.#class())
      case '.':
        return this.#one((c) => c !== 10)
      case '^':
        return { kind: 'start' }
      case '$':
        return { kind: 'end' }
      case '\\': {
        if (this.#take('A')) return { kind: 'start' }
        if (this.#take('z')) return { kind: 'end' }
        return this.#one(this.#escape())
      }
      case '*':
      case '+':
      case '?':
        throw this.#fail(`has nothing before ${quote(character)}`)
      default:
        return this.#one(literal(character))
    }
  }

  #group(depth: number): PatternNode {
    if (this.#take('?') && !this.#take(':')) throw this.#fail('may use (?: ) and a leading (?i), no other (? ) group')
    const node = this.#choice(depth + 1)
    if (!this.#take(')')) throw this.#fail('has an unmatched "("')
    return node
  }

  #class(): Test {
    const negated = this.#take('^')
    const tests: Test[] = []
    for (let first = true; first || this.#peek() !== ']'; first = false) {
      if (this.#peek() === '[' && this.#characters[this.#position + 1] === ':')
        throw this.#fail('uses a [: :] class, which is not supported')
      const from = this.#classMember()
      const dash = this.#peek() === '-' && this.#characters[this.#position + 1] !== ']'
      if (!dash || from.code === undefined) {
        tests.push(from.test)
        continue
      }
      this.#next()
      const to = this.#classMember()
      const [low, high] = [from.code, to.code]
      if (high === undefined || high < low) throw this.#fail('has a class with a range that runs backwards')
      tests.push((c) => c >= low && c <= high)
    }
    this.#next()
    const any: Test = (c) => tests.some((test) => test(c))
    const folded = this.#ignoreCase ? foldCase(any) : any
    return negated ? (c) => !folded(c) : folded
  }

  #classMember(): { readonly test: Test; readonly code: number | undefined } {
    const character = this.#next()
    if (character !== '\\') return { test: literal(character), code: character.codePointAt(0) }
    const escaped = this.#peek() ?? ''
    const code = controls[escaped] ?? (/^[a-z0-9]$/i.test(escaped) ? undefined : escaped.codePointAt(0))
    return { test: this.#escape(), code }
  }

  #escape(): Test {
    const character = this.#next()
    const known = classes[character.toLowerCase()]
    if (known !== undefined) return character === character.toLowerCase() ? known : (c) => !known(c)
    const control = controls[character]
    if (control !== undefined) return (c) => c === control
    if (/^[a-z0-9]$/i.test(character)) throw this.#fail(`uses \\${character}, which is not supported`)
    return literal(character)
  }

  #one(test: Test): PatternNode {
    return { kind: 'one', test: this.#ignoreCase ? foldCase(test) : test }
  }

  #peek(): string | undefined {
    return this.#characters[this.#position]
  }

  #next(): string {
    const character = this.#characters[this.#position]
    if (character === undefined) throw this.#fail('ends too early')
    this.#position += 1
    return character
  }

  #take(character: string): boolean {
    if (this.#peek() !== character) return false
    this.#position += 1
    return true
  }

  #fail(message: string): RuleError {
    return new RuleError(`the regular expression ${quote(this.#source)} ${message}`)
  }
}

function literal(character: string): Test {
  const code = character.codePointAt(0)
  return (c) => c === code
}

/** ASCII letters only: what else folds depends on a language, and names that matter here are ASCII. */
function foldCase(test: Test): Test {
  return (c) => test(c) || (c >= 65 && c <= 90 && test(c + 32)) || (c >= 97 && c <= 122 && test(c - 32))
}
