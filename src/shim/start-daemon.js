import { spawn } from 'node:child_process'
import { mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { userInfo } from 'node:os'
import { delimiter, dirname, join } from 'node:path'
import { errors } from './errors.js'
import { daemonEnvironment, daemonFlags, findNode, noNode, programFile, sourceCache } from './launch.js'
import { checkOwner } from './paths.js'

/** What the daemon gets of the environment of whoever happens to start it; anything else could steer it. */
const passed = /^(PATH|HOME|USER|LOGNAME|SHELL|LANG|LC_[A-Z]+|TZ|TMPDIR|JIT_KEYCHAIN|JIT_LOG|DBUS_SESSION_BUS_ADDRESS|XDG_RUNTIME_DIR)$/
/** `daemon.running` of the error table: another one holds the store, or has not let go of it yet. */
const heldExit = 75
/** Between two starts of a daemon that found the store held. */
const startPause = 250
const firstPause = 10
const longestPause = 150

const hintOfAbsence =
  'It starts by itself with the first client, or with the next command that needs it; `jit daemon` runs it in the foreground.'

/** No daemon, and none came up. The message and hint are the daemon's own words where it had any. */
export class Unreachable extends Error {
  /**
   * @param {string} message
   * @param {string} [hint]
   * @param {unknown} [cause]
   */
  constructor(message, hint = errors['daemon.unreachable'].hint, cause) {
    super(message, { cause })
    this.hint = hint
    /** No daemon runs, and none was to be started. */
    this.absent = false
  }
}

/**
 * A connection to one of the daemon's sockets; starts the daemon when none listens. Rejects with Unreachable.
 * @param {string} socket
 * @param {{ state: string, start: boolean, wait: number }} options `wait` in milliseconds
 * @returns {Promise<import('node:net').Socket>}
 */
export async function reach(socket, { state, start, wait }) {
  const deadline = Date.now() + wait
  /** @type {Starter | undefined} */
  let starter
  try {
    for (let pause = firstPause; ; pause = Math.min(pause * 1.5, longestPause)) {
      try {
        return await dial(socket)
      } catch (error) {
        const code = error instanceof Error && 'code' in error ? error.code : undefined
        if (code !== 'ENOENT' && code !== 'ECONNREFUSED' && code !== 'ECONNRESET')
          throw new Unreachable(`the daemon cannot be reached: ${textOf(error)}`, undefined, error)
        if (!start) throw Object.assign(new Unreachable('no daemon runs for this home', hintOfAbsence, error), { absent: true })
        starter ??= new Starter(state, wait)
        const problem = starter.advance()
        if (problem !== undefined) throw problem
        if (Date.now() > deadline) throw new Unreachable(`the daemon did not come up within ${Math.round(wait / 1000)} s`, undefined, error)
      }
      await new Promise((resolve) => setTimeout(resolve, pause))
    }
  } finally {
    starter?.close()
  }
}

/**
 * @param {string} socket
 * @returns {Promise<import('node:net').Socket>}
 */
function dial(socket) {
  return new Promise((resolve, reject) => {
    checkOwner(socket)
    const made = connect(socket)
    made.once('error', reject)
    made.once('connect', () => {
      made.removeListener('error', reject)
      resolve(made)
    })
  })
}

/** One attempt to get a daemon up. Of several programs that try at once, one starts it; the others wait for its socket. */
class Starter {
  #lock
  #patience
  #holdsLock = false
  #nextStart = 0
  /** @type {import('node:child_process').ChildProcess | undefined} */
  #child
  /** @type {Unreachable | undefined} */
  #problem

  /**
   * @param {string} state
   * @param {number} patience after so many milliseconds a lock is stale
   */
  constructor(state, patience) {
    this.#lock = join(state, 'starting')
    this.#patience = patience
  }

  /** Does what can be done now; answers why it will never work, once that is known. */
  advance() {
    if (this.#problem === undefined && this.#child === undefined && Date.now() >= this.#nextStart && this.#takeLock()) this.#start()
    return this.#problem
  }

  close() {
    this.#child?.stderr?.destroy()
    this.#child?.unref()
    if (this.#holdsLock) rmSync(this.#lock, { force: true })
  }

  #start() {
    const node = findNode()
    if (node === undefined) {
      this.#problem = new Unreachable(noNode.message, noNode.hint)
      return
    }
    const file = programFile('daemon/main')
    const child = spawn(node, [...daemonFlags, file], {
      detached: true,
      cwd: homeFolder(),
      stdio: ['ignore', 'ignore', 'pipe'],
      env: { ...environment(dirname(this.#lock)), ...daemonEnvironment, ...sourceCache(file) },
    })
    this.#child = child
    let words = ''
    child.stderr.setEncoding('utf8').on('data', (text) => (words = `${words}${text}`.slice(-4000)))
    child.once('error', (error) => (this.#problem = new Unreachable(`the daemon cannot be started: ${error.message}`, undefined, error)))
    // `close` and not `exit`: its last words must have been read.
    child.once('close', (code) => {
      this.#child = undefined
      this.#nextStart = Date.now() + startPause
      if (code !== heldExit) this.#problem ??= lastWords(words, code)
    })
  }

  #takeLock() {
    if (this.#holdsLock) return true
    try {
      mkdirSync(dirname(this.#lock), { recursive: true, mode: 0o700 })
      if (this.#isStale()) rmSync(this.#lock, { force: true })
      writeFileSync(this.#lock, String(process.pid), { flag: 'wx', mode: 0o600 })
      this.#holdsLock = true
    } catch (error) {
      // A disk that takes no lock must not hide what the daemon itself has to say about it.
      return !(error instanceof Error && 'code' in error && error.code === 'EEXIST')
    }
    return true
  }

  #isStale() {
    const found = statSync(this.#lock, { throwIfNoEntry: false })
    if (found === undefined) return false
    return Date.now() - found.mtimeMs > this.#patience || !isAlive(Number(readFileSync(this.#lock, 'utf8')))
  }
}

/**
 * The daemon's `error:` and `hint:` lines.
 * @param {string} words
 * @param {number | null} code
 */
function lastWords(words, code) {
  const message = /^error: (.+)$/m.exec(words)?.[1]
  const hint = /^hint: (.+)$/m.exec(words)?.[1]
  const rest = /^\w*Error\b.*$/m.exec(words)?.[0] ?? words.trim().split('\n').at(-1) ?? ''
  return new Unreachable(
    message ?? `the daemon ended at once${code === null ? '' : ` with code ${code}`}${rest === '' ? '' : `: ${rest}`}`,
    hint,
  )
}

/**
 * @param {string} state
 * @returns {Record<string, string>}
 */
function environment(state) {
  /** @type {Record<string, string>} */
  const kept = {}
  for (const [name, value] of Object.entries(process.env)) if (passed.test(name) && value !== undefined) kept[name] = value
  // Absolute: the daemon does not share this process's working folder.
  if ((process.env['JIT_HOME'] ?? '') !== '') kept['JIT_HOME'] = state
  // A desktop app's PATH is short; npm, which installs servers, lies beside the Node that runs this.
  const folders = (kept['PATH'] ?? '/usr/bin:/bin').split(delimiter)
  kept['PATH'] = [...new Set([...folders, dirname(process.execPath)])].join(delimiter)
  return kept
}

/** Not the client's folder: the daemon outlives it, and must not read anything from it. */
function homeFolder() {
  const home = userInfo().homedir
  return statSync(home, { throwIfNoEntry: false })?.isDirectory() === true ? home : '/'
}

/** @param {number} pid */
function isAlive(pid) {
  if (!Number.isSafeInteger(pid) || pid <= 0) return false
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return error instanceof Error && 'code' in error && error.code === 'EPERM'
  }
}

/** @param {unknown} error */
function textOf(error) {
  return error instanceof Error ? error.message : String(error)
}
