import { styleText } from 'node:util'
import { terminalWidth } from '../../src/cli/output/terminal.ts'
import { wrap } from '../../src/cli/output/text.ts'

export interface Step {
  readonly number: number
  readonly title: string
  readonly ok: boolean
  readonly took: number
  readonly facts: Record<string, unknown>
  readonly failures: readonly string[]
}

/** What a step says while it runs: lines for people, facts for programs, checks for both. */
export interface Voice {
  say(text: string): void
  show(label: string, value: string): void
  /** A command that is run here, as a person would type it. */
  command(text: string): void
  fact(name: string, value: unknown): void
  /** A promise of the product; a false one fails the step and the demo. */
  check(holds: boolean, promise: string): void
}

const indent = '   '
/** Column at which what is shown stands behind its label. */
const valueAt = 15
/** The first column of a line that has two, with the gap behind it. */
const firstColumn = /^ *\S+( \S+)? {2,}/

/**
 * Text behind a margin, in lines that fit the terminal. What has to go on goes on `hanging` columns further in, or under the second
 * column of a line that has two.
 */
export function fold(margin: string, text: string, hanging?: number, width = terminalWidth()): string {
  if (width === undefined) return text.replace(/^/gm, margin)
  return text
    .split('\n')
    .flatMap((line) => {
      const start = /^ */.exec(line)?.[0].length ?? 0
      const column = firstColumn.exec(line)?.[0].length ?? start
      const further = ' '.repeat(hanging ?? (column < width / 3 ? column : start))
      const room = Math.max(20, width - margin.length - further.length)
      const [first = ''] = wrap(line, room + further.length)
      const rest = line.slice(first.length).trimStart()
      return [margin + first, ...(rest === '' ? [] : wrap(rest, room).map((piece) => margin + further + piece))]
    })
    .join('\n')
}

/** Prints to stdout for people, or collects quietly for `--json`. */
export function createNarrator(json: boolean): { step(title: string, run: (voice: Voice) => Promise<void>): Promise<Step>; steps: Step[] } {
  const steps: Step[] = []
  const print = (line: string): void => {
    if (!json) console.log(line)
  }
  return {
    steps,
    async step(title, run) {
      const number = steps.length + 1
      const started = performance.now()
      const facts: Record<string, unknown> = {}
      const failures: string[] = []
      print(`\n${paint('bold', `${number}. ${title}`)}`)
      const voice: Voice = {
        say: (text) => print(fold(indent, text)),
        show: (label, value) => {
          const [first = '', ...rest] = fold(' '.repeat(valueAt), value, 0).split('\n')
          print([`${indent}${paint('dim', label.padEnd(valueAt - indent.length))}${first.slice(valueAt)}`, ...rest].join('\n'))
        },
        command: (text) => print(`${indent}${paint('dim', '$')}${fold(`${indent}  `, text, 4).slice(indent.length + 1)}`),
        fact: (name, value) => {
          facts[name] = value
        },
        check: (holds, promise) => {
          if (!holds) failures.push(promise)
          print(`${indent}${holds ? paint('green', '✓') : paint('red', '✗')}${fold(`${indent}  `, promise).slice(indent.length + 1)}`)
        },
      }
      try {
        await run(voice)
      } catch (error) {
        failures.push(error instanceof Error ? error.message : String(error))
        print(`${indent}${paint('red', '✗')}${fold(`${indent}  `, failures.at(-1) ?? '').slice(indent.length + 1)}`)
      }
      const step: Step = { number, title, ok: failures.length === 0, took: Math.round(performance.now() - started), facts, failures }
      steps.push(step)
      return step
    },
  }
}

function paint(style: 'bold' | 'dim' | 'green' | 'red', text: string): string {
  return styleText(style, text, { stream: process.stdout })
}
