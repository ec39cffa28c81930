import { readFileSync } from 'node:fs'
import { connect as dial } from 'node:net'
import { CONTROL, frame, frameReader, MESSAGE, readResponse } from '../api/frames.js'
import { socketPath } from './paths.js'

/** `daemon.restarted` of the error table; a test holds the two together. */
export const restarted = {
  code: 1203,
  message: 'The daemon restarted while this call ran. Whether it took effect upstream is unknown; try again.',
}

const replayId = '"jit:replay"'
const reachFor = 15_000
const queueCap = 10_000
const lineCap = 64 * 1024 * 1024

/**
 * What an MCP client starts: its stdio on one side, the daemon's socket on the other. It holds no policy and no secret. When
 * the daemon goes away it answers what was in flight with an error, reaches or starts a daemon, replays the client's
 * handshake, and goes on.
 * @param {string} server
 */
export function connect(server) {
  /** @type {import('node:net').Socket | undefined} */
  let socket
  let open = false
  let ended = false
  /** The daemon was stopped in good order: it is started again when the client needs it, not before. */
  let asleep = false
  /** The client's `initialize` as it came, and whether it was told that it is done. */
  let initialize = ''
  let initialized = false
  let initializeAnswered = false
  /** @type {{ code: string, message: string, hint: string, rpc: number } | undefined} */
  let refusal
  /** @type {Map<string, boolean>} id → whether it is the client's initialize */
  const inFlight = new Map()
  /** @type {Buffer[]} */
  let queue = []

  const read = lines((line) => {
    const seen = look(line)
    if (refusal !== undefined)
      return seen.id === undefined ? undefined : answer(seen.id, refusal.rpc, `${refusal.message}. ${refusal.hint}`)
    if (seen.id !== undefined && seen.method !== undefined) inFlight.set(seen.id, seen.method === 'initialize')
    if (seen.method === 'initialize') initialize = line.toString('utf8')
    if (seen.method === 'notifications/initialized') initialized = true
    if (!open) {
      if (queue.length < queueCap) queue.push(line)
      if (!asleep) return
      asleep = false
      return void again(true)
    }
    if (socket !== undefined && !hold(socket).write(frame(MESSAGE, line)) && !process.stdin.isPaused()) {
      process.stdin.pause()
      socket.once('drain', () => process.stdin.resume())
    }
  })
  process.stdin.on('data', read)
  process.stdin.on('end', () => {
    ended = true
    leaveWhenDone()
  })
  process.stdout.on('error', () => process.exit(0))
  for (const signal of /** @type {const} */ (['SIGINT', 'SIGTERM', 'SIGHUP'])) process.on(signal, () => process.exit(0))

  const path = socketPath('connect.sock')
  const first = dial(path)
  first.once('connect', () => use(first, false))
  first.once('error', () => void again(false))

  /** @param {boolean} resume */
  async function again(resume) {
    const { reach } = await import('./start-daemon.js')
    try {
      use(await reach(path, { start: true, wait: reachFor }), resume)
    } catch (error) {
      giveUp({
        code: 'daemon.unreachable',
        message: error instanceof Error ? error.message : String(error),
        hint: 'Start it with `jit daemon`, or run `jit doctor`.',
        rpc: 1200,
      })
    }
  }

  /**
   * @param {import('node:net').Socket} next
   * @param {boolean} resume
   */
  function use(next, resume) {
    socket = next
    next.removeAllListeners('error')
    let replaying = resume && initialize !== '' && initializeAnswered
    next.on(
      'data',
      frameReader((kind, payload) => {
        if (kind === MESSAGE) return write(payload)
        if (kind === CONTROL) return control(payload)
        const { id, message } = readResponse(payload)
        if (replaying && id === replayId) {
          replaying = false
          if (initialized) next.write(frame(MESSAGE, '{"jsonrpc":"2.0","method":"notifications/initialized"}'))
          return flush()
        }
        if (inFlight.get(id) === true) initializeAnswered = true
        inFlight.delete(id)
        if (message.length > 0) write(message)
        leaveWhenDone()
      }),
    )
    next.on('error', () => next.destroy())
    next.once('close', () => {
      if (socket !== next || refusal !== undefined) return
      socket = undefined
      open = false
      if (ended) process.exit(0)
      lose()
      if (!asleep || queue.length > 0) {
        asleep = false
        void again(true)
      }
    })
    next.write(frame(CONTROL, JSON.stringify(hello(server, resume))))

    /** @param {Buffer} payload */
    function control(payload) {
      const said = JSON.parse(payload.toString('utf8'))
      if (said.error !== undefined) return giveUp(said.error)
      if (said.bye !== undefined) {
        asleep = true
        return
      }
      if (!replaying) return flush()
      next.write(frame(MESSAGE, JSON.stringify({ ...JSON.parse(initialize), id: JSON.parse(replayId) })))
    }
  }

  function flush() {
    open = true
    for (const line of queue) socket?.write(frame(MESSAGE, line))
    queue = []
  }

  /** What was sent and not answered is lost; an unanswered handshake is sent again. */
  function lose() {
    const waiting = new Set(queue.map((line) => look(line).id))
    for (const [id, isInitialize] of inFlight) {
      if (waiting.has(id)) continue
      if (isInitialize) queue.unshift(Buffer.from(initialize))
      else {
        inFlight.delete(id)
        answer(id, restarted.code, restarted.message)
      }
    }
  }

  /** @param {{ code: string, message: string, hint: string, rpc: number }} error */
  function giveUp(error) {
    refusal = error
    socket = undefined
    process.stderr.write(`jit: ${error.message}\n     ${error.hint}\n`)
    for (const id of inFlight.keys()) answer(id, error.rpc, `${error.message}. ${error.hint}`)
    inFlight.clear()
    queue = []
    if (ended) process.exit(1)
  }

  function leaveWhenDone() {
    if (!ended) return
    if (inFlight.size === 0 || refusal !== undefined) {
      socket?.end()
      setTimeout(() => process.exit(refusal === undefined ? 0 : 1), 20)
    } else setTimeout(() => process.exit(0), 10_000).unref()
  }

  /**
   * @param {string} id its JSON
   * @param {number} code
   * @param {string} message
   */
  function answer(id, code, message) {
    write(`{"jsonrpc":"2.0","id":${id},"error":{"code":${code},"message":${JSON.stringify(message)}}}`)
  }

  /** @param {Buffer | string} message */
  function write(message) {
    hold(process.stdout)
    process.stdout.write(message)
    const flows = process.stdout.write('\n')
    if (flows || socket === undefined || socket.isPaused()) return
    const from = socket
    from.pause()
    process.stdout.once('drain', () => from.resume())
  }
}

/** @type {WeakSet<import('node:stream').Writable>} */
const held = new WeakSet()

/**
 * Lets all that is written in this turn of the event loop leave in one system call.
 * @template {import('node:stream').Writable} Stream
 * @param {Stream} stream
 * @returns {Stream}
 */
function hold(stream) {
  if (held.has(stream)) return stream
  held.add(stream)
  stream.cork()
  process.nextTick(() => {
    held.delete(stream)
    stream.uncork()
  })
  return stream
}

/**
 * Id (as JSON) and method of a line, as far as the shim needs them.
 * @param {Buffer} line
 * @returns {{ id?: string, method?: string }}
 */
function look(line) {
  try {
    const { id, method } = JSON.parse(line.toString('utf8'))
    return { ...(id === undefined ? {} : { id: JSON.stringify(id) }), ...(typeof method === 'string' ? { method } : {}) }
  } catch {
    return {}
  }
}

/**
 * @param {string} server
 * @param {boolean} resume
 */
function hello(server, resume) {
  return { hello: 1, server, pid: process.pid, parent: parent(), cwd: process.cwd(), resume }
}

/** What the shim can say of the agent; the daemon believes the kernel first. */
function parent() {
  try {
    const stat = readFileSync(`/proc/${process.ppid}/stat`, 'utf8')
    const end = stat.lastIndexOf(')')
    return { pid: process.ppid, name: stat.slice(stat.indexOf('(') + 1, end), startTime: Number(stat.slice(end + 2).split(' ')[19]) }
  } catch {
    return { pid: process.ppid, name: 'unknown', startTime: 0 }
  }
}

/**
 * Splits at newlines; a line over the cap is dropped.
 * @param {(line: Buffer) => void} onLine
 * @returns {(chunk: Buffer) => void}
 */
function lines(onLine) {
  /** @type {Buffer[]} */
  let parts = []
  let size = 0
  return (chunk) => {
    let start = 0
    for (let end = chunk.indexOf(10); end !== -1; end = chunk.indexOf(10, start)) {
      const piece = chunk.subarray(start, end)
      start = end + 1
      size += piece.length
      if (size > 0 && size <= lineCap) onLine(parts.length === 0 ? piece : Buffer.concat([...parts, piece], size))
      parts = []
      size = 0
    }
    if (start < chunk.length) {
      const rest = chunk.subarray(start)
      size += rest.length
      if (size <= lineCap) parts.push(rest)
    }
  }
}
