import { spawn, spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = join(dirname(fileURLToPath(import.meta.url)), '../..')
/** The first Node with everything that jit uses: node:sqlite without a flag, types stripped, a proxy by environment. */
const needed = [22, 21]

/** @param {string} version */
function fits(version) {
  const [major = 0, minor = 0] = version.replace(/^v/, '').split('.').map(Number)
  return major > (needed[0] ?? 0) || (major === needed[0] && minor >= (needed[1] ?? 0))
}

/**
 * A Node that can run jit: this one, or the npm package `node` that lies beside it.
 * @returns {string | undefined}
 */
export function findNode() {
  if (fits(process.version)) return process.execPath
  const places = [join(root, 'node_modules/node/bin/node'), join(root, '../node/bin/node')]
  return places.find((path) => existsSync(path) && fits(spawnSync(path, ['--version'], { encoding: 'utf8' }).stdout?.trim() ?? ''))
}

/**
 * A program of jit: from source in a checkout, compiled when installed.
 * @param {string} name e.g. `daemon/main`
 */
export function programFile(name) {
  const source = join(root, 'src', `${name}.ts`)
  return existsSync(source) ? source : join(root, 'dist/src', `${name}.js`)
}

/**
 * In a checkout Node strips the types at each start; what it makes of them is kept beside the dependencies, which are as
 * writable as the source. An installed jit is compiled and needs none.
 * @param {string} file
 * @returns {Record<string, string>}
 */
export function sourceCache(file) {
  return file.endsWith('.ts') ? { NODE_COMPILE_CACHE: join(root, 'node_modules/.cache/jit') } : {}
}

/** A small young generation: the daemon is idle most of its life, and what a call leaves behind is small. */
export const daemonFlags = ['--no-warnings', '--max-semi-space-size=8']

/** @param {string[]} args */
export async function runCommand(args) {
  const node = findNode()
  if (node === undefined) {
    process.stderr.write(
      `error: jit needs Node ${needed.join('.')} or newer; this is ${process.version}\nhint: install a newer Node, or the npm package "node" beside jit\n`,
    )
    process.exitCode = 69
    return
  }
  const file = programFile('cli/main')
  if (node === process.execPath) {
    process.argv = [node, file, ...args]
    const cache = sourceCache(file)['NODE_COMPILE_CACHE']
    if (cache !== undefined) (await import('node:module')).enableCompileCache?.(cache)
    await import(file)
    return
  }
  const child = spawn(node, ['--disable-warning=ExperimentalWarning', file, ...args], {
    stdio: 'inherit',
    env: { ...process.env, ...sourceCache(file) },
  })
  for (const signal of /** @type {const} */ (['SIGINT', 'SIGTERM', 'SIGHUP'])) process.on(signal, () => child.kill(signal))
  child.on('exit', (code, signal) => {
    process.exitCode = code ?? (signal === null ? 1 : 128)
  })
}
