import { styleText } from 'node:util'

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
  fact(name: string, value: unknown): void
  /** A promise of the product; a false one fails the step and the demo. */
  check(holds: boolean, promise: string): void
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
        say: (text) => print(`   ${text}`),
        show: (label, value) => {
          const [first = '', ...rest] = value.split('\n')
          print(`   ${paint('dim', label.padEnd(11))} ${first}`)
          for (const line of rest) print(`   ${' '.repeat(11)} ${line}`)
        },
        fact: (name, value) => {
          facts[name] = value
        },
        check: (holds, promise) => {
          if (!holds) failures.push(promise)
          print(`   ${holds ? paint('green', '✓') : paint('red', '✗')} ${promise}`)
        },
      }
      try {
        await run(voice)
      } catch (error) {
        failures.push(error instanceof Error ? error.message : String(error))
        print(`   ${paint('red', '✗')} ${failures.at(-1) ?? ''}`)
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
