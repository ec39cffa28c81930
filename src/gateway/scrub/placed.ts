import { eachToken, textOf, type Token } from './tokens.ts'
import { spread } from './spread.ts'

/** A token where it stands: there may be millions, so nothing is made of one before it is looked at. */
export interface Placed extends Token {
  /** Of the message at hand, not of an earlier one. */
  readonly isOwn: boolean
  /** What `from` and `to` count in: a line of JSON, or what an earlier token said. */
  readonly text: string
  readonly isJson: boolean
}

/** Strings and numbers of a message with the beginning of a credential in it. */
const tokenCap = 4 * 1024 * 1024

/** All of a line. Throws JitError `message.credential` when there are more than any honest server sends. */
export function placedIn(line: string, isOwn: boolean): Placed[] {
  const tokens: Placed[] = []
  eachToken(line, (from, to, kind, key, depth) => {
    if (tokens.length === tokenCap) throw spread('the beginning of a credential among more strings than jit can look at')
    tokens.push({ from, to, kind, key, depth, isOwn, text: line, isJson: true })
  })
  return tokens
}

export function saidBy({ text, from, to, isJson }: Placed): string {
  return isJson ? textOf(text, from, to) : text
}
