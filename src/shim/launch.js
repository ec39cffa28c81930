import { spawn, spawnSync } from 'node:child_process'
import { accessSync, constants, existsSync, readdirSync } from 'node:fs'
import { constants as system, userInfo } from 'node:os'
import { delimiter, dirname, isAbsolute, join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'

const here = dirname(fileURLToPath(import.meta.url))
/** The first Node with everything that jit uses: node:sqlite without a flag, types stripped, a proxy by environment. */
const needed = /** @type {const} */ ([22, 21])
/** EX_UNAVAILABLE, as `daemon.unreachable` of the error table. */
const noNodeExit = 69

export const noNode = {
  message: `jit needs Node ${needed.join('.')} or newer; this is ${process.version} (${process.execPath}), and no other one was found`,
  hint: 'Install a newer Node, or the npm package "node" beside jit: npm install node@24',
}

/** @param {string} version e.g. `v22.21.0` */
export function fits(version) {
  const [major = 0, minor = 0] = version.replace(/^v/, '').split('.').map(Number)
  return major > needed[0] || (major === needed[0] && minor >= needed[1])
}

/**
 * A Node that can run jit: this one, the npm package `node` that lies beside it, or one where Nodes are usually kept.
 * @returns {string | undefined}
 */
export function findNode() {
  if (fits(process.version)) return process.execPath
  return [...packaged(), ...installed()].find((path) => isExecutable(path) && fits(versionOf(path)))
}

/**
 * A program of jit: from source in a checkout, compiled when installed.
 * @param {string} name e.g. `daemon/main`
 */
export function programFile(name) {
  const places = [join(here, '..', `${name}.ts`), join(here, '..', `${name}.js`), join(here, '../../dist/src', `${name}.js`)]
  const found = places.find((path) => existsSync(path))
  if (found === undefined) throw new Error(`this installation of jit is incomplete: ${places.at(-1)} is missing`)
  return found
}

/**
 * In a checkout Node strips the types at each start; what it makes of them is kept beside the dependencies, which are as
 * writable as the source. An installed jit is compiled and needs none.
 * @param {string} file
 * @returns {Record<string, string>}
 */
export function sourceCache(file) {
  return file.endsWith('.ts') ? { NODE_COMPILE_CACHE: join(here, '../../node_modules/.cache/jit') } : {}
}

/** A small young generation: the daemon is idle most of its life, and what a call leaves behind is small. */
export const daemonFlags = ['--no-warnings', '--max-semi-space-size=8']
/** Two arenas hold what the daemon allocates outside the heap in half the memory. */
export const daemonEnvironment = { MALLOC_ARENA_MAX: '2' }

/**
 * The command line itself, on this Node where it fits, else on one that does.
 * @param {string[]} args
 */
export async function runCommand(args) {
  const node = findNode()
  if (node === undefined) {
    process.stderr.write(`error: ${noNode.message}\nhint: ${noNode.hint}\n`)
    process.exitCode = noNodeExit
    return
  }
  const file = programFile('cli/main')
  if (node === process.execPath) {
    hideExperimentalWarnings()
    const cache = sourceCache(file)['NODE_COMPILE_CACHE']
    if (cache !== undefined) (await import('node:module')).enableCompileCache?.(cache)
    process.argv = [node, file, ...args]
    await import(pathToFileURL(file).href)
    return
  }
  runInstead(node, ['--disable-warning=ExperimentalWarning', file, ...args], sourceCache(file))
}

/**
 * The nearest thing to exec: same terminal, same signals, same end.
 * @param {string} node
 * @param {string[]} args
 * @param {Record<string, string>} environment added to this process's own
 */
export function runInstead(node, args, environment) {
  const child = spawn(node, args, { stdio: 'inherit', env: { ...process.env, ...environment } })
  process.on('SIGTERM', () => child.kill('SIGTERM'))
  for (const signal of /** @type {const} */ (['SIGINT', 'SIGHUP', 'SIGQUIT'])) {
    // A terminal sends Ctrl-C to the whole group: the child has it already, and a second one would cut its ending short.
    process.on(signal, () => process.stdin.isTTY || child.kill(signal))
  }
  child.on('error', (error) => {
    process.stderr.write(`error: ${node} cannot be started: ${error.message}\nhint: ${noNode.hint}\n`)
    process.exitCode = noNodeExit
  })
  child.on('exit', (code, signal) => {
    process.exitCode = code ?? 128 + (signal === null ? 0 : system.signals[signal])
  })
}

/** Node 22 says that what jit stands on is experimental; all other warnings are shown as ever. */
function hideExperimentalWarnings() {
  const show = process.listeners('warning')
  process.removeAllListeners('warning')
  process.on('warning', (warning) => {
    if (warning.name !== 'ExperimentalWarning') for (const listener of show) listener(warning)
  })
}

/** `node_modules/node/bin/node` of this package and of every folder above it, as module resolution would find it. */
function packaged() {
  const found = []
  for (let folder = here; folder !== dirname(folder); folder = dirname(folder)) found.push(join(folder, 'node_modules/node/bin/node'))
  return found
}

function installed() {
  const home = userInfo().homedir
  // A relative entry of PATH would find programs of whatever folder the client happens to be in.
  const onPath = (process.env['PATH'] ?? '').split(delimiter).filter(isAbsolute)
  const versions = [
    join(home, '.nvm/versions/node'),
    join(home, '.local/share/fnm/node-versions'),
    join(home, '.local/share/mise/installs/node'),
    join(home, '.asdf/installs/nodejs'),
  ]
  const managed = versions.flatMap((folder) =>
    newestFirst(folder).flatMap((name) => [join(folder, name, 'bin'), join(folder, name, 'installation/bin')]),
  )
  return [...onPath, '/usr/local/bin', '/opt/homebrew/bin', '/usr/bin', join(home, '.volta/bin'), ...managed].map((folder) =>
    join(folder, 'node'),
  )
}

/** @param {string} folder */
function newestFirst(folder) {
  try {
    return readdirSync(folder).sort((left, right) => right.localeCompare(left, 'en', { numeric: true }))
  } catch {
    return []
  }
}

/** @param {string} path */
function isExecutable(path) {
  try {
    accessSync(path, constants.X_OK)
    return true
  } catch {
    return false
  }
}

/** @param {string} path */
function versionOf(path) {
  return spawnSync(path, ['--version'], { encoding: 'utf8', timeout: 5000, stdio: ['ignore', 'pipe', 'ignore'] }).stdout?.trim() ?? ''
}
