import { JitError } from '../core/errors.ts'
import { Secret } from '../core/secret.ts'
import { isInteractive } from './output/terminal.ts'
import { readStdin } from './stdin.ts'

const shortest = 8

/** Asked for on a terminal, else the first line of stdin. Never an argument, never a variable of the environment. */
export async function readPassphrase(message: string, twice: boolean): Promise<Secret> {
  if (!isInteractive()) {
    const [line = ''] = (await readStdin()).split(/\r?\n/)
    if (line === '')
      throw new JitError('usage', 'the passphrase is missing', {
        hint: 'Give it as the first line of stdin, or run this on a terminal to be asked.',
      })
    return new Secret(line)
  }
  const { password } = await import('@inquirer/prompts')
  const validate = (value: string): true | string => !twice || value.length >= shortest || `at least ${shortest} characters`
  const first = await password({ message, mask: '•', validate }, { output: process.stderr })
  if (twice && (await password({ message: 'Once more:', mask: '•' }, { output: process.stderr })) !== first) {
    throw new JitError('usage', 'the two are not the same', { hint: 'Nothing was changed.' })
  }
  return new Secret(first)
}
