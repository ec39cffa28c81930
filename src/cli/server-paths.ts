import { statSync } from 'node:fs'
import { isAbsolute } from 'node:path'
import type { ServerView } from '../api/schema.ts'
import { plain } from './output/text.ts'
import type { Listed } from './server-tools.ts'

/**
 * What a person should know of the paths that a server's command names: one that is not there, where the server did not start; and
 * folders that its sandbox shows read-only, where a tool was chosen that may write.
 */
export function pathNotes(
  { name, run, sandbox }: Pick<ServerView, 'name' | 'run' | 'sandbox'>,
  chosen: readonly string[],
  listed: Listed,
): string[] {
  const paths = run.slice(1).filter((word) => isAbsolute(word))
  if ('failure' in listed) return paths.filter((path) => kindOf(path) === 'nothing').map((path) => `there is no ${plain(path)}`)
  const writers = listed.tools.filter((tool) => !tool.readOnly && chosen.includes(tool.name)).map((tool) => plain(tool.name))
  const folders = paths.filter((path) => kindOf(path) === 'folder')
  if (!sandbox.used || writers.length === 0 || folders.length === 0) return []
  const line = `writable: [${folders.map((folder) => JSON.stringify(folder)).join(', ')}]`
  return [
    `in its sandbox ${plain(name)} can read ${plain(folders.join(', '))}, but not write there. If ${writers.join(', ')} should, add \`${plain(line)}\` below \`servers.${plain(name)}\` in the file that \`jit config path\` names, and run \`jit config apply\`.`,
  ]
}

function kindOf(path: string): 'folder' | 'other' | 'nothing' {
  try {
    const found = statSync(path, { throwIfNoEntry: false })
    if (found === undefined) return 'nothing'
    return found.isDirectory() ? 'folder' : 'other'
  } catch {
    return 'other'
  }
}
