import colours from 'picocolors'
import { JitError, toJitError } from '../core/errors.ts'

/** What a stranger wrote, safe for a terminal: control, bidirectional and invisible characters are shown, not obeyed. */
export function plain(text: string): string {
  return text.replace(
    /[\u0000-\u001f\u007f-\u009f\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]/g,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
  )
}

export function print(text = ''): void {
  process.stdout.write(`${text}\n`)
}

export function printJson(value: unknown): void {
  print(JSON.stringify(value, null, process.stdout.isTTY ? 2 : undefined))
}

/** Columns as wide as their content; the last one is cut to the terminal. */
export function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const cells = [head, ...rows.map((row) => row.map(plain))]
  const widths = head.map((_, column) => Math.max(...cells.map((row) => row[column]?.length ?? 0)))
  const limit = process.stdout.isTTY ? process.stdout.columns : Number.POSITIVE_INFINITY
  return cells
    .map((row, index) => {
      const line = row.map((cell, column) => (column === row.length - 1 ? cell : cell.padEnd(widths[column] ?? 0))).join('  ')
      const cut = line.length > limit ? `${line.slice(0, limit - 1)}…` : line
      return index === 0 ? colours.dim(cut) : cut
    })
    .join('\n')
}

/** `label   value` lines; continuation lines are indented. */
export function card(rows: readonly (readonly [string, string])[]): string {
  const width = Math.max(...rows.map(([label]) => label.length))
  return rows
    .filter(([, value]) => value !== '')
    .map(([label, value]) => `${colours.dim(label.padEnd(width))}  ${value.split('\n').join(`\n${' '.repeat(width + 2)}`)}`)
    .join('\n')
}

export function ago(time: number): string {
  return `${span(Date.now() - time)} ago`
}

export function inFuture(time: number): string {
  const left = time - Date.now()
  return left <= 0 ? 'over' : `in ${span(left)}`
}

export function span(milliseconds: number): string {
  const seconds = milliseconds / 1000
  if (seconds < 1) return `${Math.round(milliseconds)} ms`
  if (seconds < 90) return `${Math.round(seconds)} s`
  if (seconds < 5400) return `${Math.round(seconds / 60)} min`
  return seconds < 172_800 ? `${Math.round(seconds / 3600)} h` : `${Math.round(seconds / 86_400)} d`
}

/** `issues: read on acme/web`, or the JSON of a scope of another form. */
export function scopeText(scope: unknown): string {
  if (typeof scope !== 'object' || scope === null) return ''
  const repositories: unknown = Reflect.get(scope, 'repositories')
  const permissions: unknown = Reflect.get(scope, 'permissions')
  if (!Array.isArray(repositories) || typeof permissions !== 'object' || permissions === null) return JSON.stringify(scope)
  return `${Object.entries(permissions)
    .map(([name, level]) => `${name}: ${String(level)}`)
    .join(', ')} on ${repositories.join(', ')}`
}

/** Ends the command with the error's own exit code. */
export function fail(thrown: unknown, json: boolean): void {
  const error = toJitError(thrown)
  if (json) process.stderr.write(`${JSON.stringify(error.toBody())}\n`)
  else {
    process.stderr.write(`${colours.red('error:')} ${plain(error.message)}\n`)
    const problems: unknown = error.details['problems']
    if (Array.isArray(problems)) for (const problem of problems.slice(1)) process.stderr.write(`       ${plain(problemText(problem))}\n`)
    if (error.hint !== '') process.stderr.write(`${colours.yellow('hint:')} ${plain(error.hint)}\n`)
  }
  process.exitCode = error instanceof JitError ? error.exitCode : 1
}

export function problemText(problem: {
  file: string
  line: number
  column: number
  path: string
  message: string
  suggestion?: string | undefined
}): string {
  return `${problem.file}:${problem.line}:${problem.column}: ${problem.path === '' ? '' : `${problem.path}: `}${problem.message}${problem.suggestion === undefined ? '' : `. ${problem.suggestion}`}`
}
