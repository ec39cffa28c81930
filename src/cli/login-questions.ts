import { JitError } from '../core/errors.ts'
import { Secret } from '../core/secret.ts'
import type { Field } from './login-fields.ts'
import { failureText } from './output/failure.ts'
import { isInteractive } from './output/terminal.ts'

/**
 * Asks a person for a field until `take` takes the answer, three times at most; then throws what `take` threw last. A secret
 * that is no file is typed unseen, and is a Secret from then on.
 */
export type Asker = (field: Field, take: (answer: string | Secret) => Promise<void>) => Promise<void>

const attempts = 3

/** Undefined where nobody is there to be asked. */
export function terminalAsker(): Asker | undefined {
  if (!isInteractive()) return undefined
  return createAsker(question, (error) => process.stderr.write(`${failureText(error, process.stderr.columns)}\n`))
}

export function createAsker(put: typeof question, say: (wrong: JitError) => void): Asker {
  return async (field, take) => {
    for (let attempt = 1; ; attempt += 1) {
      const answer = await put(field)
      try {
        return await take(answer)
      } catch (error) {
        if (!(error instanceof JitError) || error.code !== 'usage' || attempt >= attempts) throw error
        say(new JitError('usage', error.message, { hint: '' }))
      }
    }
  }
}

async function question(field: Field): Promise<string | Secret> {
  const prompts = await import('@inquirer/prompts')
  const context = { output: process.stderr }
  if (field.secret && field.type !== 'file') return new Secret(await prompts.password({ message: `${field.label}:`, mask: '•' }, context))
  const what = field.secret ? `${field.label} file` : field.label
  return (await prompts.input({ message: `${what} (${field.help}):`, required: true }, context)).trim()
}
