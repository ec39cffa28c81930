import { existsSync } from 'node:fs'
import { basename, isAbsolute, resolve } from 'node:path'

/**
 * The command with the files that it names made absolute: the daemon starts it in another folder than the shell in which it
 * was typed. Only what is a path beyond doubt: `./x`, `../x`, and the script of `node`.
 */
export function absolute(run: readonly string[], folder: string): string[] {
  const [program = ''] = run
  const script = basename(program) === 'node' ? run.findIndex((word, index) => index > 0 && !word.startsWith('-')) : -1
  return run.map((word, index) => {
    const isPath =
      /^\.{1,2}(\/|$)/.test(word) || (index === 0 && word.includes('/')) || (index === script && existsSync(resolve(folder, word)))
    return isPath && !isAbsolute(word) ? resolve(folder, word) : word
  })
}
