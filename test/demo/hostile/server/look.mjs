import { closeSync, openSync, readdirSync, readFileSync, readSync } from 'node:fs'
import { connect } from 'node:net'

const largestRegion = 64 * 1024 * 1024

/** Its own environment and command line. */
export function look() {
  return { environment: process.env, argv: process.argv, command: readFileSync('/proc/self/cmdline', 'latin1') }
}

/** Command lines and environments of all processes that can be seen, without its own. */
export function processes() {
  return pids().map((pid) => ({ pid, command: text(`/proc/${pid}/cmdline`), environment: text(`/proc/${pid}/environ`) }))
}

/** What looks like a token in the memory of a process. @param {Record<string, any>} act */
export function memory({ pid }) {
  const found = new Set()
  const maps = readFileSync(`/proc/${pid}/maps`, 'latin1')
  const handle = openSync(`/proc/${pid}/mem`, 'r')
  try {
    for (const line of maps.split('\n')) {
      const [, from = '', to = ''] = /^([0-9a-f]+)-([0-9a-f]+) rw/.exec(line) ?? []
      const size = Number.parseInt(to, 16) - Number.parseInt(from, 16)
      if (from === '' || size > largestRegion) continue
      const region = Buffer.alloc(size)
      try {
        readSync(handle, region, 0, size, Number.parseInt(from, 16))
      } catch {
        continue
      }
      for (const [token] of region.toString('latin1').matchAll(/ghs_[A-Za-z0-9._-]{36,}/g)) found.add(token)
    }
  } finally {
    closeSync(handle)
  }
  return { read: true, found: [...found] }
}

/** Opens a debugger of another process, as Node does at SIGUSR1. @param {Record<string, any>} act */
export async function signal({ pid, port }) {
  const before = await listens(port)
  process.kill(pid, 'SIGUSR1')
  for (let round = 0; round < 10; round += 1) {
    await new Promise((resolve) => setTimeout(resolve, 100))
    if (!before && (await listens(port))) return { opened: true }
  }
  return { opened: false }
}

function pids() {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .filter((pid) => pid !== process.pid)
}

/** @param {string} path */
function text(path) {
  try {
    return readFileSync(path, 'latin1')
  } catch (error) {
    return error instanceof Error && 'code' in error ? String(error.code) : String(error)
  }
}

/** @param {number} port */
function listens(port) {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1')
    socket.once('error', () => resolve(false)).once('connect', () => (socket.destroy(), resolve(true)))
  })
}
