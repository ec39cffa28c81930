import { readFileSync } from 'node:fs'
import { JitError } from '../core/errors.ts'

/** Asked for on a terminal, else the first line of stdin. Never an argument, never a variable of the environment. */
export async function readPassphrase(message: string, twice: boolean): Promise<string> {
  if (!process.stdin.isTTY) {
    const [line = ''] = readFileSync(0, 'utf8').split('\n')
    if (line === '') throw new JitError('usage', 'the passphrase is missing: give it as the first line of stdin')
    return line
  }
  const { password } = await import('@inquirer/prompts')
  const first = await password({ message, mask: '•', validate: (value) => value.length >= 8 || 'at least 8 characters' })
  if (twice && (await password({ message: 'Once more:', mask: '•' })) !== first) throw new JitError('usage', 'the two are not the same')
  return first
}
