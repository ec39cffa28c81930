import type { WriteStream } from 'node:tty'
import colour from 'picocolors'
import { plainJson, wrap } from './text.ts'

const noteIndent = ' '.repeat('note: '.length)
/** Columns that a note has at least. */
const narrowest = 20

/** Colours of what goes to stdout, and to stderr: none where that is no terminal, or where NO_COLOR asks for none. */
export const colours = colour.createColors(wantsColour(process.stdout))
export const errorColours = colour.createColors(wantsColour(process.stderr))

/** Columns of the terminal that stdout is; undefined where lines may be as long as they are. */
export function terminalWidth(): number | undefined {
  return process.stdout.isTTY ? process.stdout.columns : undefined
}

/** Somebody is there to be asked. */
export function isInteractive(): boolean {
  return process.stdin.isTTY && process.stderr.isTTY
}

export function print(text = ''): void {
  process.stdout.write(`${text}\n`)
}

/** The same in lines that fit the terminal: a terminal itself would break them within words. What goes on is indented by `hanging`. */
export function printFolded(text: string, hanging = 0, width = terminalWidth()): void {
  print(foldLines(text, hanging, width))
}

export function foldLines(text: string, hanging: number, width: number | undefined): string {
  if (width === undefined) return text
  const room = Math.max(narrowest, width - hanging)
  return text
    .split('\n')
    .map((line) => wrap(line, room).join(`\n${' '.repeat(hanging)}`))
    .join('\n')
}

/** For people on a terminal indented, for programs on one line. */
export function printJson(value: unknown): void {
  print(plainJson(JSON.stringify(value, null, process.stdout.isTTY ? 2 : undefined)))
}

/** What a person should know beside the answer; on stderr, so that it is in no pipe. Escaped by the caller. */
export function note(text: string): void {
  const width = process.stderr.isTTY ? Math.max(narrowest, process.stderr.columns - noteIndent.length) : Number.POSITIVE_INFINITY
  process.stderr.write(`${errorColours.yellow('note:')} ${wrap(text, width).join(`\n${noteIndent}`)}\n`)
}

/** Never undefined, which `isTTY` is on a pipe: picocolors would then decide by itself, and paint wherever CI is set. */
function wantsColour(stream: Partial<WriteStream>): boolean {
  return stream.isTTY === true && (process.env['NO_COLOR'] ?? '') === '' && process.env['TERM'] !== 'dumb'
}
