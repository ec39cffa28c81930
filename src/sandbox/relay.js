// First program in a sandbox without a network: leads the ports of its loopback to the broker's sockets, then starts the
// server. What to do is read from file descriptor 3, so that it stands in no command line. Plain JavaScript and two modules:
// each millisecond here is one of the server's start.
import { spawn } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { connect, createServer } from 'node:net'
import { constants } from 'node:os'

/**
 * @typedef {object} RelayPlan
 * @property {{ port: number, socket: string }[]} doors
 * @property {string[]} command
 * @property {string} cwd
 * @property {Record<string, string>} environment
 */

/** @type {RelayPlan} */
const { doors, command, cwd, environment } = JSON.parse(readFileSync(3, 'utf8'))
for (const { port, socket } of doors) await listen(port, socket)

const [file = '', ...args] = command
const server = spawn(file, args, { stdio: ['inherit', 'inherit', 'inherit'], env: environment, cwd })
server.once('error', (error) => {
  process.stderr.write(`jit sandbox: ${error.message}\n`)
  process.exit(127)
})
server.once('exit', (code, signal) => process.exit(code ?? 128 + (signal === null ? 0 : constants.signals[signal])))

/**
 * @param {number} port
 * @param {string} path
 * @returns {Promise<void>}
 */
function listen(port, path) {
  return new Promise((resolve, reject) => {
    const listener = createServer({ allowHalfOpen: true, noDelay: true }, (near) => {
      const far = connect({ path, allowHalfOpen: true })
      near.pipe(far).pipe(near)
      for (const [one, other] of [
        [near, far],
        [far, near],
      ]) {
        one?.on('error', () => other?.destroy())
        one?.once('close', (failed) => (failed ? other?.destroy() : other?.end()))
      }
    })
    listener.once('error', reject)
    listener.listen(port, '127.0.0.1', () => resolve())
  })
}
