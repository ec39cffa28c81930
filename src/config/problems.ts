import { JitError } from '../core/errors.ts'
import type { ConfigProblem, SourceMap } from './types.ts'

export type ConfigPath = readonly (string | number)[]

/** `['servers', 'github', 'allow', 0]` → `servers.github.allow[0]`. */
export function formatPath(path: ConfigPath): string {
  let text = ''
  for (const step of path) text += typeof step === 'number' ? `[${step}]` : `${text === '' ? '' : '.'}${step}`
  return text
}

/** Collects what is wrong with one file; positions come from the file's own text. */
export class ProblemList {
  readonly #file: string
  readonly #source: SourceMap
  readonly #problems: ConfigProblem[] = []

  constructor(file: string, source: SourceMap) {
    this.#file = file
    this.#source = source
  }

  add(path: ConfigPath, message: string, nearestName?: string): void {
    const { line, column } = locateNearest(this.#source, path)
    const suggestion = nearestName === undefined ? {} : { suggestion: `Did you mean "${nearestName}"?` }
    this.#problems.push({ file: this.#file, line, column, path: formatPath(path), message, ...suggestion })
  }

  get all(): readonly ConfigProblem[] {
    return this.#problems
  }

  /** Throws JitError `config.invalid` when anything was added. */
  throwIfAny(): void {
    if (this.#problems.length > 0) throw configError(this.#problems)
  }
}

/** JitError `config.invalid` whose message shows the first problem and whose `details.problems` holds all. */
export function configError(problems: readonly ConfigProblem[]): JitError {
  const sorted = problems.toSorted((a, b) => a.line - b.line || a.column - b.column)
  const [first] = sorted
  const text = first === undefined ? 'the config is invalid' : formatProblem(first)
  const more = sorted.length > 1 ? ` (and ${sorted.length - 1} more)` : ''
  return new JitError('config.invalid', `${text}${more}`, { details: { problems: sorted } })
}

/** `jit.yaml:7:5: servers.github.alow: …. Did you mean "allow"?` */
export function formatProblem(problem: ConfigProblem): string {
  const path = problem.path === '' ? '' : ` ${problem.path}:`
  const suggestion = problem.suggestion === undefined ? '' : `. ${problem.suggestion}`
  return `${problem.file}:${problem.line}:${problem.column}:${path} ${problem.message}${suggestion}`
}

/** The position of the path, or of the longest part of it that stands in the text. */
function locateNearest(source: SourceMap, path: ConfigPath): { readonly line: number; readonly column: number } {
  for (let length = path.length; length > 0; length -= 1) {
    const found = source.locate(path.slice(0, length))
    if (found !== undefined) return found
  }
  return { line: 1, column: 1 }
}
