import type { Token } from './tokens.ts'

/** What a token is to say instead. */
export interface Edit extends Pick<Token, 'from' | 'to'> {
  /** Whether it stood between quotes. */
  readonly quoted: boolean
  readonly said: string
}

/** The line with these edits, in order; all else byte for byte. A number becomes a string: half of one would be another. */
export function rewrite(line: string, edits: readonly Edit[]): string {
  let written = ''
  let done = 0
  for (const { from, to, quoted, said } of edits) {
    const text = JSON.stringify(said)
    written += line.slice(done, from) + (quoted ? text.slice(1, -1) : text)
    done = to
  }
  return written + line.slice(done)
}
