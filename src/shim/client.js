import { Outlet } from '../api/outlet.js'

/** More than this not yet taken by the client, and the daemon is not read. */
const fullAt = 1024 * 1024
/** A client that takes nothing is not waited for longer at the end. */
const flushFor = 1000

/** @type {() => void} */
const nothing = () => undefined

/** The MCP client's end: this process's stdio. */
export class Client {
  /** @type {(chunk: Buffer) => void} */
  onChunk = () => undefined
  /** The client closed its end. */
  onEnd = nothing
  onDrained = nothing
  #outlet = new Outlet(process.stdout)
  #leaving = false

  start() {
    // A client that went away is no one to tell.
    process.stdout.on('error', () => process.exit(0))
    process.stderr.on('error', () => undefined)
    process.stdout.on('drain', () => this.onDrained())
    process.stdin.on('error', () => this.onEnd())
    process.stdin.on('end', () => this.onEnd())
    process.stdin.on('data', (chunk) => this.onChunk(chunk))
    if (process.stdin.isTTY) process.stderr.write('jit: MCP is spoken here; a client starts this command. Ctrl-C ends it.\n')
  }

  get isFull() {
    return this.#outlet.pending > fullAt
  }

  /** @param {boolean} held do not read the client */
  hold(held) {
    if (held === process.stdin.isPaused()) return
    if (held) process.stdin.pause()
    else process.stdin.resume()
  }

  /**
   * One message; its newline is added.
   * @param {Buffer | string} message
   */
  write(message) {
    if (this.#leaving) return
    this.#outlet.send(message, '\n')
  }

  /**
   * For the person who reads the client's log.
   * @param {import('./errors.js').Failure} error
   */
  complain({ message, hint }) {
    process.stderr.write(`jit: ${message}\n     ${hint}\n`)
  }

  /**
   * Ends the process once the client has what was written for it.
   * @param {number} code
   * @param {Promise<unknown> | undefined} others what else is waited for
   */
  leave(code, others) {
    if (this.#leaving) return
    this.#leaving = true
    process.exitCode = code
    process.stdin.destroy()
    setTimeout(() => process.exit(code), flushFor)
    const flushed = new Promise((resolve) => this.#outlet.end(undefined, () => resolve(undefined)))
    void Promise.all([flushed, others]).then(() => process.exit(code))
  }
}

/**
 * Splits a stream at newlines without joining what arrived more than once; blank lines are passed over. Of a line over the
 * cap only its head is kept: it is reported when its end has come.
 * @param {number} cap bytes
 * @param {(line: Buffer) => void} onLine without its newline
 * @param {(head: Buffer, bytes: number) => void} onTooLong `head`: at least the first bytes of the line's first chunk
 * @returns {(chunk: Buffer) => void}
 */
export function lineReader(cap, onLine, onTooLong) {
  /** @type {Buffer[]} */
  let parts = []
  let size = 0
  return (chunk) => {
    let start = 0
    for (let end = chunk.indexOf(10); end !== -1; end = chunk.indexOf(10, start)) {
      const piece = chunk.subarray(start, end)
      start = end + 1
      const before = parts
      const length = size + piece.length
      parts = []
      size = 0
      if (length > cap) onTooLong(before[0] ?? piece, length)
      else if (length > 0) onLine(before.length === 0 ? piece : Buffer.concat([...before, piece], length))
    }
    if (start >= chunk.length) return
    const rest = chunk.subarray(start)
    size += rest.length
    if (size <= cap || parts.length === 0) parts.push(rest)
    else parts.length = 1
  }
}
