import { spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { copyFileSync, existsSync, mkdirSync, readFileSync, renameSync, rmSync } from 'node:fs'
import { homedir } from 'node:os'
import { join } from 'node:path'

const list = join(import.meta.dirname, 'peers')
const installTimeout = 300_000

/**
 * The folder in which the npm packages that jit is measured beside are installed, in the versions of `peers/package-lock.json`. They are
 * no dependency of jit: npm fetches them at the first run into a cache outside of the checkout (BENCH_PEERS names another place). Undefined
 * when that does not work.
 */
export async function findPeers(say: (line: string) => void): Promise<string | undefined> {
  const locked = createHash('sha256')
    .update(readFileSync(join(list, 'package-lock.json')))
    .digest('hex')
    .slice(0, 16)
  const folder = process.env['BENCH_PEERS'] ?? join(process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache'), 'jit-bench', locked)
  if (existsSync(join(folder, 'node_modules'))) return folder
  say(`installing peers into ${folder}`)
  const fresh = `${folder}.new-${process.pid}`
  mkdirSync(fresh, { recursive: true })
  for (const file of ['package.json', 'package-lock.json']) copyFileSync(join(list, file), join(fresh, file))
  // Without scripts: nothing of theirs runs before it is measured. `npm ci` refuses an optional package that one of them leaves out.
  const code = await new Promise<number>((settle) => {
    const child = spawn('npm', ['install', '--ignore-scripts', '--no-audit', '--no-fund'], {
      cwd: fresh,
      stdio: ['ignore', 'ignore', 'inherit'],
      timeout: installTimeout,
    })
    child.on('error', () => settle(-1))
    child.on('close', (ended) => settle(ended ?? -1))
  })
  if (code === 0) renameSync(fresh, folder)
  else rmSync(fresh, { recursive: true, force: true })
  return code === 0 ? folder : undefined
}

/** A file of a peer that is installed. */
export function peerFile(folder: string | undefined, path: string): string | undefined {
  const file = folder === undefined ? undefined : join(folder, 'node_modules', path)
  return file !== undefined && existsSync(file) ? file : undefined
}

export function missing(name: string): string {
  return `${name} is not installed: npm could not fetch the packages of test/bench/peers`
}
