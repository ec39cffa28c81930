import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { readdir, readlink, stat } from 'node:fs/promises'
import { join } from 'node:path'

/**
 * SHA-256 in hex of all that a folder holds: every path, what it is, whether it may be run, its bytes or its link's target.
 * Links are not followed. Folders for which `skip` answers true do not count. Throws for what is no file, folder or link.
 */
export async function hashFolder(folder: string, skip: (name: string) => boolean): Promise<string> {
  const whole = createHash('sha256')
  const visit = async (path: string): Promise<void> => {
    const entries = await readdir(join(folder, path), { withFileTypes: true })
    for (const entry of entries.sort((a, b) => (a.name < b.name ? -1 : 1))) {
      const inner = path === '' ? entry.name : `${path}/${entry.name}`
      if (entry.isDirectory()) {
        if (skip(entry.name)) continue
        whole.update(`${JSON.stringify(['folder', inner])}\n`)
        await visit(inner)
      } else {
        whole.update(`${JSON.stringify(await describe(join(folder, inner), entry, inner))}\n`)
      }
    }
  }
  await visit('')
  return whole.digest('hex')
}

async function describe(file: string, kind: { isFile(): boolean; isSymbolicLink(): boolean }, name: string): Promise<string[]> {
  if (kind.isSymbolicLink()) return ['link', name, await readlink(file)]
  if (!kind.isFile()) throw new Error(`${file} is neither a file nor a folder nor a link`)
  const { mode } = await stat(file)
  return [(mode & 0o100) === 0 ? 'file' : 'program', name, await hashFile(file)]
}

async function hashFile(file: string): Promise<string> {
  const hash = createHash('sha256')
  for await (const chunk of createReadStream(file)) hash.update(chunk)
  return hash.digest('hex')
}
