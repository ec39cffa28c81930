import { styleText } from 'node:util'
import type { Attempt } from './attempt.ts'
import type { Result } from './run.ts'
import type { Place } from './scene.ts'

/** With its indent; the rest of 80 columns holds three numbers for each place. */
const titleWidth = 48
const headings: Readonly<Record<Place, string>> = { sandbox: 'in the sandbox', off: 'sandbox: off' }

export interface Printer {
  head(): void
  row(attempt: Attempt, results: readonly Result[]): void
  foot(results: readonly Result[], tookMs: number): void
}

/** A table for people, one row for each attempt as soon as it was made. */
export function createPrinter(here: readonly Place[], write: (line: string) => void): Printer {
  let group = ''
  const cells = (of: (place: Place) => string): string => here.map(of).join('  ')
  return {
    head() {
      write(`${' '.repeat(titleWidth)}${cells((place) => headings[place].padStart(15))}`)
      write(paint('dim', `${''.padEnd(titleWidth)}${cells(() => `${'tried'.padStart(5)}${'stop'.padStart(5)}${'rec'.padStart(4)} `)}`))
    },
    row(attempt, results) {
      if (attempt.group !== group) write(paint('bold', attempt.group))
      group = attempt.group
      const cell = (place: Place): string => {
        const result = results.find((found) => found.place === place)
        return result === undefined ? ' '.repeat(15) : numbers(result, attempt.silent?.includes(place) === true)
      }
      write(`${`  ${attempt.title}`.padEnd(titleWidth)}${cells(cell)}`.trimEnd())
      for (const { place, defect } of results) if (defect !== '') write(paint('red', `    ${headings[place]}: ${defect}`))
    },
    foot(results, tookMs) {
      write('')
      for (const place of here) {
        const own = results.filter((result) => result.place === place)
        write(
          `${headings[place]}: ${sum(own, 'tried')} tries of ${own.length} kinds; ${sum(own, 'stopped')} stopped, ${sum(own, 'recorded')} in the trail or the log`,
        )
      }
      const defects = results.filter(({ defect }) => defect !== '').length
      write('')
      write('*  not stopped: docs/security.md says why, “What the hostile server gets”')
      write('–  the kernel or the scrubber stops it, or it is no offence: there is nothing to record')
      write('')
      write(
        defects === 0
          ? `What should be stopped was stopped, in ${(tookMs / 1000).toFixed(1)} s.`
          : paint('red', `${defects} rows are not as they should be.`),
      )
    },
  }
}

function numbers({ tried, stopped, recorded, open, defect }: Result, silent: boolean): string {
  const text = `${String(tried).padStart(5)}${String(stopped).padStart(5)}${(silent && recorded === 0 ? '–' : String(recorded)).padStart(4)}`
  const mark = stopped < tried ? '*' : ' '
  if (defect !== '') return paint('red', `${text}!`)
  return open ? paint('yellow', `${text}${mark}`) : `${text}${mark}`
}

function sum(results: readonly Result[], field: 'tried' | 'stopped' | 'recorded'): number {
  return results.reduce((total, result) => total + result[field], 0)
}

function paint(style: 'bold' | 'dim' | 'red' | 'yellow', text: string): string {
  return styleText(style, text, { stream: process.stdout })
}
