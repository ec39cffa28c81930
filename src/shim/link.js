import { readFileSync } from 'node:fs'
import { CONTROL, frame, frameReader, MESSAGE, readResponse, RESPONSE } from '../api/frames.js'
import { Outlet } from '../api/outlet.js'
import { failure } from './errors.js'

/** More than this not yet taken by the daemon, and the client is not read. */
const fullAt = 1024 * 1024
/** A daemon that takes a connection and then says nothing is not waited for. */
const welcomeWithin = 10_000

/** @typedef {{ initialize: Buffer, initialized: Buffer | undefined } | undefined} Handshake the client's lines; undefined before it has done it */

/** @type {() => void} */
const nothing = () => undefined

/** One connection to the daemon, until it closes. Closing of our own accord is not reported. */
export class Link {
  /** @type {(message: Buffer) => void} */
  onMessage = () => undefined
  /** @type {(id: string, message: Buffer) => void} id: its JSON */
  onResponse = () => undefined
  /** After all that came at once was passed on. */
  onChunkDone = nothing
  onDrained = nothing
  /** Welcomed, and the handshake is replayed: messages may be sent. */
  onReady = nothing
  /** @type {(error: import('./errors.js').Failure) => void} */
  onRefused = () => undefined
  /** The daemon stops in good order; `onClose` follows. */
  onBye = nothing
  onClose = nothing
  #socket
  #outlet
  #closed = false
  /** Messages of this connection so far. */
  #sent = 0
  /** @type {() => Handshake} */
  #handshake = () => undefined
  #replayId = ''
  /** @type {NodeJS.Timeout | undefined} */
  #deadline

  /** @param {import('node:net').Socket} socket connected */
  constructor(socket) {
    this.#socket = socket
    this.#outlet = new Outlet(socket)
    const read = frameReader((kind, payload) => this.#take(kind, payload))
    socket.on('data', (chunk) => {
      try {
        read(chunk)
        this.onChunkDone()
      } catch {
        // What does not speak frames is no daemon of this version.
        socket.destroy()
      }
    })
    socket.on('drain', () => this.onDrained())
    socket.on('error', () => socket.destroy())
    socket.on('close', () => {
      clearTimeout(this.#deadline)
      if (this.#closed) return
      this.#closed = true
      this.onClose()
    })
  }

  /**
   * @param {string} server
   * @param {boolean} resume
   * @param {() => Handshake} handshake what the client believes to be done, at the time of asking
   */
  async open(server, resume, handshake) {
    this.#handshake = handshake
    this.#deadline = setTimeout(
      () => this.onRefused(failure('daemon.unreachable', 'the daemon takes connections and does not answer')),
      welcomeWithin,
    )
    const first = await hello(server, resume)
    this.#socket.write(frame(CONTROL, JSON.stringify(first)))
  }

  get isFull() {
    return this.#outlet.pending > fullAt
  }

  /**
   * @param {Buffer} message
   * @returns the how manieth it is of this connection, from 1
   */
  send(message) {
    this.#outlet.send(frame(MESSAGE, message))
    this.#sent += 1
    return this.#sent
  }

  pause() {
    this.#socket.pause()
  }

  resume() {
    this.#socket.resume()
  }

  /** Resolves when the daemon has taken what was sent. */
  close() {
    this.#closed = true
    clearTimeout(this.#deadline)
    return new Promise((resolve) => {
      this.#socket.once('close', resolve)
      this.#outlet.end()
      this.#socket.resume()
    })
  }

  /**
   * @param {number} kind
   * @param {Buffer} payload
   */
  #take(kind, payload) {
    if (this.#closed) return undefined
    switch (kind) {
      case MESSAGE:
        return this.onMessage(payload)
      case RESPONSE: {
        const { id, message } = readResponse(payload)
        return id === this.#replayId ? this.#replayed(message) : this.onResponse(id, message)
      }
      case CONTROL:
        return this.#control(JSON.parse(payload.toString('utf8')))
    }
    return undefined
  }

  /** @param {{ welcome?: number, bye?: number, error?: import('./errors.js').Failure }} said */
  #control(said) {
    clearTimeout(this.#deadline)
    if (said.error !== undefined) return this.onRefused(said.error)
    if (said.bye !== undefined) return this.onBye()
    if (said.welcome === undefined) return
    const handshake = this.#handshake()
    if (handshake === undefined) return this.onReady()
    // Not an id that a client would choose: its own request of the same id must still get its answer.
    const id = `jit:replay:${process.pid}:${process.hrtime.bigint()}`
    this.#replayId = JSON.stringify(id)
    this.send(Buffer.from(JSON.stringify({ ...JSON.parse(handshake.initialize.toString('utf8')), id })))
  }

  /** @param {Buffer} answer to the replayed `initialize`; the client has had its own */
  #replayed(answer) {
    this.#replayId = ''
    const { error } = JSON.parse(answer.toString('utf8'))
    if (error !== undefined) return this.onRefused(asFailure(error))
    const initialized = this.#handshake()?.initialized
    if (initialized !== undefined) this.send(initialized)
    this.onReady()
  }
}

/**
 * A JSON-RPC error of the gateway, or of the server itself, to the replayed handshake.
 * @param {{ code: number, message: string, data?: { code?: string, hint?: string } }} error
 * @returns {import('./errors.js').Failure}
 */
function asFailure({ code, message, data }) {
  const hint = data?.hint ?? 'The server refused the handshake that it had accepted before; `jit status` shows its last words.'
  return {
    code: data?.code ?? 'server.unavailable',
    message: message.endsWith(`. ${hint}`) ? message.slice(0, -hint.length - 2) : message,
    hint,
    rpc: code,
  }
}

/**
 * The first frame to the daemon (`helloFrame` of src/api/schema.ts). It is what the shim can say of the agent; the daemon
 * believes the kernel first.
 * @param {string} server
 * @param {boolean} resume after a lost connection
 */
async function hello(server, resume) {
  return { hello: 1, server, pid: process.pid, parent: await parent(process.ppid), cwd: workingFolder(), resume }
}

/**
 * `startTime`: clock ticks since boot on Linux, seconds since 1970 where `ps` tells; with the pid it names one process for good.
 * @param {number} pid
 */
async function parent(pid) {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
    const end = stat.lastIndexOf(')')
    return { pid, name: stat.slice(stat.indexOf('(') + 1, end), startTime: Number(stat.slice(end + 2).split(' ')[19]) }
  } catch {
    return process.platform === 'linux' ? { pid, name: 'unknown', startTime: 0 } : askPs(pid)
  }
}

/** @param {number} pid */
async function askPs(pid) {
  const { execFile } = await import('node:child_process')
  /** @type {string} */
  const text = await new Promise((resolve) => {
    execFile('/bin/ps', ['-o', 'lstart=,comm=', '-p', String(pid)], { timeout: 2000, env: { LC_ALL: 'C' } }, (_, stdout) => resolve(stdout))
  })
  return readPs(pid, text)
}

/**
 * `Fri Nov 21 05:40:01 2026     /usr/local/bin/claude`
 * @param {number} pid
 * @param {string} text
 */
export function readPs(pid, text) {
  const [, start = '', command = ''] = /^\s*(\w{3} \w{3} +\d+ [\d:]{8} \d{4})\s+(.*?)\s*$/s.exec(text) ?? []
  const time = Date.parse(start)
  return { pid, name: command.split('/').at(-1) || 'unknown', startTime: Number.isNaN(time) ? 0 : time / 1000 }
}

function workingFolder() {
  try {
    return process.cwd()
  } catch {
    return ''
  }
}
