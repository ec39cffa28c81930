import { spawn } from 'node:child_process'
import { connect } from 'node:net'
import { daemonFlags, findNode, programFile, sourceCache } from './launch.js'

const passed =
  /^(PATH|HOME|USER|LOGNAME|SHELL|LANG|LC_[A-Z]+|TZ|TMPDIR|JIT_HOME|JIT_KEYCHAIN|JIT_LOG|DBUS_SESSION_BUS_ADDRESS|XDG_RUNTIME_DIR)$/

/**
 * Starts the daemon detached, with an allow-listed environment. Several starters at once are harmless: the store's lock lets
 * one of them win. Answers what a daemon that ended at once said, or undefined.
 * @returns {Promise<string | undefined>}
 */
export function startDaemon() {
  const node = findNode()
  if (node === undefined) return Promise.resolve('error: no Node that can run the daemon was found')
  const file = programFile('daemon/main')
  const environment = {
    ...Object.fromEntries(Object.entries(process.env).filter(([name]) => passed.test(name))),
    ...sourceCache(file),
    MALLOC_ARENA_MAX: '2',
  }
  const child = spawn(node, [...daemonFlags, file], { detached: true, stdio: ['ignore', 'ignore', 'pipe'], env: environment })
  return new Promise((settle) => {
    let words = ''
    child.stderr.setEncoding('utf8').on('data', (text) => (words += text))
    const done = () => {
      child.stderr.destroy()
      child.unref()
      settle(undefined)
    }
    child.once('error', (error) => settle(`error: ${error.message}`))
    child.once('exit', (code) => settle(code === 75 ? undefined : words))
    setTimeout(done, 50).unref()
    child.stderr.once('close', () => undefined)
    settleWhenRunning = done
  })
}

/** @type {() => void} */
let settleWhenRunning = () => undefined

/**
 * A connection to the socket; starts the daemon when none listens. Rejects with an Error whose message is for people.
 * @param {string} path
 * @param {{ start: boolean, wait: number }} options milliseconds
 * @returns {Promise<import('node:net').Socket>}
 */
export async function reach(path, options) {
  const deadline = Date.now() + options.wait
  let started = false
  for (let pause = 15; ; pause = Math.min(pause * 1.5, 250)) {
    try {
      return await dial(path)
    } catch (error) {
      if (!options.start) throw error
      if (!started) {
        started = true
        const problem = await startDaemon()
        if (problem !== undefined && problem !== '') throw new Error(problem.replace(/^error: /, '').trim(), { cause: error })
      }
      if (Date.now() > deadline) throw new Error(`the daemon did not come up within ${Math.round(options.wait / 1000)} s`, { cause: error })
      await new Promise((resolve) => setTimeout(resolve, pause))
    }
  }
}

/**
 * @param {string} path
 * @returns {Promise<import('node:net').Socket>}
 */
function dial(path) {
  return new Promise((resolve, reject) => {
    const socket = connect(path)
    socket.once('connect', () => {
      socket.removeAllListeners('error')
      settleWhenRunning()
      resolve(socket)
    })
    socket.once('error', reject)
  })
}
