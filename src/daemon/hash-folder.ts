import { createHash, hash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { readdir, readFile, readlink, stat } from 'node:fs/promises'
import { join } from 'node:path'

/** Bytes above which a file is read in parts. */
const largeFile = 1_000_000
/** Files that are read at once; more would only wait for each other. */
const atOnce = 16

/**
 * SHA-256 in hex of all that a folder holds: every path, what it is, whether it may be run, its bytes or its link's target.
 * Links are not followed. Folders for which `skip` answers true do not count. Throws for what is no file, folder or link.
 */
export async function hashFolder(folder: string, skip: (name: string) => boolean): Promise<string> {
  const found = (await list(folder, '', skip)).sort((a, b) => (a.path < b.path ? -1 : 1))
  const whole = createHash('sha256')
  for (let from = 0; from < found.length; from += atOnce) {
    const lines = await Promise.all(found.slice(from, from + atOnce).map((entry) => describe(folder, entry)))
    for (const line of lines) whole.update(`${JSON.stringify(line)}\n`)
  }
  return whole.digest('hex')
}

interface Found {
  /** Below the folder. */
  readonly path: string
  readonly kind: 'folder' | 'file' | 'link'
}

async function list(folder: string, path: string, skip: (name: string) => boolean, found: Found[] = []): Promise<Found[]> {
  if (path !== '') found.push({ path, kind: 'folder' })
  for (const entry of await readdir(join(folder, path), { withFileTypes: true })) {
    const inner = join(path, entry.name)
    if (entry.isDirectory()) {
      if (!skip(entry.name)) await list(folder, inner, skip, found)
    } else if (entry.isFile() || entry.isSymbolicLink()) {
      found.push({ path: inner, kind: entry.isFile() ? 'file' : 'link' })
    } else {
      throw new Error(`${join(folder, inner)} is neither a file nor a folder nor a link`)
    }
  }
  return found
}

async function describe(folder: string, { path, kind }: Found): Promise<string[]> {
  const place = join(folder, path)
  if (kind === 'folder') return [kind, path]
  if (kind === 'link') return [kind, path, await readlink(place)]
  const { mode, size } = await stat(place)
  const content = size > largeFile ? await hashStream(place) : hash('sha256', await readFile(place))
  return [(mode & 0o100) === 0 ? kind : 'program', path, content]
}

async function hashStream(file: string): Promise<string> {
  const whole = createHash('sha256')
  for await (const chunk of createReadStream(file)) whole.update(chunk)
  return whole.digest('hex')
}
