import { z } from 'zod'
import type { ApplyView } from '../../api/schema.ts'
import { applyView } from '../../api/schema.ts'
import { JitError, toJitError } from '../../core/errors.ts'
import { errorColours } from './terminal.ts'
import { plain, plainJson, wrap } from './text.ts'

const indent = ' '.repeat('error: '.length)

/** Says what failed and what to do, and ends the command with the error's own exit code. */
export function fail(thrown: unknown, json: boolean): void {
  const error = understand(thrown)
  process.stderr.write(
    json
      ? `${plainJson(JSON.stringify(error.toBody()))}\n`
      : `${failureText(error, process.stderr.isTTY ? process.stderr.columns : undefined)}\n`,
  )
  process.exitCode = error.exitCode
}

/** Lines of at most `width` columns; without it, as long as they are. */
export function failureText(error: JitError, width?: number): string {
  const lines = [`${errorColours.red('error:')} ${fold(error.message, width)}`]
  const problems = applyView.shape.problems.safeParse(error.details['problems'])
  for (const problem of problems.data ?? []) {
    if (!error.message.includes(problem.message)) lines.push(`${indent}${fold(problemText(problem), width)}`)
  }
  if (error.hint !== '') lines.push(`${errorColours.yellow('hint:')}  ${fold(error.hint, width)}`)
  return lines.join('\n')
}

function fold(text: string, width: number | undefined): string {
  return width === undefined ? plain(text) : wrap(plain(text), Math.max(20, width - indent.length)).join(`\n${indent}`)
}

/** `jit.yaml:12:5: servers.github.alow: unknown key. Did you mean "allow"?`; without a file, only what stands behind it. */
export function problemText({ file, line, column, path, message, suggestion }: ApplyView['problems'][number]): string {
  return `${file === '' ? '' : `${file}:${line}:${column}: `}${path === '' ? '' : `${path}: `}${message}${suggestion === undefined ? '' : `. ${suggestion}`}`
}

function understand(thrown: unknown): JitError {
  if (thrown instanceof z.ZodError) {
    const [issue] = thrown.issues
    return new JitError(
      'internal',
      `the daemon’s answer is not of the form that this jit knows (${issue?.path.join('.') ?? ''}: ${issue?.message ?? ''})`,
      {
        hint: 'A daemon of another version may be running: `jit stop`, then try again.',
      },
    )
  }
  // What @inquirer/prompts throws at Ctrl-C.
  if (thrown instanceof Error && thrown.name === 'ExitPromptError')
    return new JitError('cancelled', 'cancelled', { hint: 'Nothing was changed.' })
  return toJitError(thrown)
}
