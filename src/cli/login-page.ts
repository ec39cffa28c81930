import type { KindView } from '../api/schema.ts'
import { type Field, flagOf } from './login-fields.ts'
import { colours } from './output/terminal.ts'
import { displayWidth, pad, wrap } from './output/text.ts'

const indent = 2
const gap = 2
/** Flags that are longer than this have their help below them. */
const widestFlag = 30

/** What `jit login KIND --help` prints: the fields of that kind, and an example. */
export function loginPage(kind: KindView, width: number): string {
  const [settings, secrets] = [kind.login.filter((field) => !field.secret), kind.login.filter((field) => field.secret)]
  const parts = [
    `${colours.bold('Usage:')} ${colours.cyan(['jit login', kind.kind, ...kind.login.filter(isArgument).map(argumentOf), '[name] [options]'].join(' '))}`,
    wrap(kind.summary, width).join('\n'),
    ...section('Settings, which go into the config file:', settings.map(rowOf), width),
    ...section('Secrets, from a file or with "-" from stdin, which are sealed:', secrets.map(rowOf), width),
    ...section(
      'Besides:',
      [
        ['[name]', 'name of this registration; the account, the host or the kind when absent'],
        ['--replace', 'register anew under a name that exists'],
        ...(kind.browser ? [['--no-browser', 'only print the address that the browser would open'] as const] : []),
        ['--json', 'print JSON'],
      ],
      width,
    ),
    ...(kind.example === undefined ? [] : [`${colours.bold('Example:')}\n${shell(`jit login ${kind.kind} ${kind.example}`, width)}`]),
  ]
  return `${parts.join('\n\n')}\n`
}

/** For the page of all kinds: each with its summary. */
export function kindList(kinds: readonly KindView[], width: number): string {
  const text =
    'Each kind has options of its own: `jit login KIND --help`. A secret is taken from a file, or from stdin with "-", never from the command line.'
  const list = rows(
    kinds.map(({ kind, summary }) => [kind, summary]),
    width,
  )
  return `${wrap(text, width).join('\n')}\n${list}`
}

type Row = readonly [name: string, help: string]

function isArgument(field: Field): boolean {
  return field.argument === true
}

function argumentOf(field: Field): string {
  return field.name.toUpperCase()
}

function rowOf(field: Field): Row {
  if (isArgument(field)) return [argumentOf(field), field.help]
  const value = field.secret ? 'FILE' : field.type === 'number' ? 'NUMBER' : 'TEXT'
  return [`${flagOf(field)} ${value}`, `${field.help}${field.required ? ' (needed)' : ''}`]
}

function section(title: string, of: readonly Row[], width: number): string[] {
  return of.length === 0 ? [] : [`${colours.bold(title)}\n${rows(of, width)}`]
}

function rows(of: readonly Row[], width: number): string {
  const names = Math.min(widestFlag, Math.max(...of.map(([name]) => displayWidth(name))))
  const start = indent + names + gap
  return of
    .map(([name, help]) => {
      const lines = wrap(help, Math.max(20, width - start)).map((line) => ' '.repeat(start) + line)
      const lead = ' '.repeat(indent) + name
      if (displayWidth(name) > names) return [lead, ...lines].join('\n')
      return [pad(lead, start) + (lines[0] ?? '').trimStart(), ...lines.slice(1)].join('\n')
    })
    .join('\n')
}

/** One command over as many lines as it needs, each of which a shell goes on from. */
function shell(text: string, width: number): string {
  const lines: string[] = []
  for (const word of text.split(/ (?=--)/)) {
    const last = lines.at(-1)
    const joined = last === undefined ? `  $ ${word}` : `${last} ${word}`
    if (last === undefined || displayWidth(joined) <= width - 2) lines.splice(Math.max(0, lines.length - 1), 1, joined)
    else lines.push(`      ${word}`)
  }
  return lines.join(' \\\n')
}
