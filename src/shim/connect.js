import { connect as dial } from 'node:net'
import { Client, lineReader } from './client.js'
import { Conversation, idNear, look } from './conversation.js'
import { errorBatch, errorLine, failure } from './errors.js'
import { Link } from './link.js'
import { checkOwner, myPlaces } from './paths.js'

/** The largest line that a client may send. */
const lineCap = 64 * 1024 * 1024
/** How long a daemon is waited for; MCP clients give a server about a minute to start. */
const reachFor = 10_000
/** After the client closed its end, answers still on their way are waited for. */
const lingerFor = 5000
/** What waits for a daemon; beyond it the client is not read. */
const queueCap = 4 * 1024 * 1024
/** A daemon that ends so often without having answered anything is not started again for the same messages. */
const lossesInARow = 4
const lossPause = 100

/**
 * What an MCP client starts: its stdio on one side, the daemon's socket on the other. It holds no policy and no secret. When
 * the daemon goes away it answers what was in flight with an error, reaches or starts a daemon, replays the client's
 * handshake, and goes on.
 * @param {string} server
 */
export async function connect(server) {
  const session = new Session(server)
  await session.run()
}

/** @typedef {'connecting' | 'open' | 'asleep' | 'down'} State asleep: the daemon was stopped in good order; down: none came up, or it refused */

class Session {
  #server
  #talk = new Conversation()
  #client = new Client()
  /** @type {State} */
  #state = 'connecting'
  /** @type {Link | undefined} */
  #link
  /** @type {{ line: Buffer, sight: import('./conversation.js').Sight }[]} what waits until the connection is open, in order */
  #queue = []
  #queued = 0
  #losses = 0
  #wasOpen = false
  /** The daemon has said that it stops. */
  #bye = false
  #ended = false
  #left = false
  /** @type {import('./errors.js').Failure | undefined} why it is down */
  #failure

  /** @param {string} server */
  constructor(server) {
    this.#server = server
  }

  async run() {
    const client = this.#client
    client.onChunk = lineReader(
      lineCap,
      (line) => this.#fromClient(line),
      (head, bytes) =>
        client.write(errorLine(idNear(head), failure('message.too-large', `the message has ${bytes} bytes; the cap is ${lineCap}`))),
    )
    client.onEnd = () => this.#end()
    client.onDrained = () => this.#link?.resume()
    client.start()
    for (const signal of /** @type {const} */ (['SIGINT', 'SIGTERM', 'SIGHUP'])) process.on(signal, () => this.#leave())
    await this.#open(false)
  }

  /** @param {Buffer} line */
  #fromClient(line) {
    const sight = look(line)
    const knows = this.#talk.handshaken
    this.#talk.heard(sight, line)
    if (this.#state === 'open') {
      this.#send(line, sight)
      return
    }
    // What a lost daemon asked, or was told about a call that is lost too, has no meaning for the next one; and that the client
    // is initialised is part of the handshake that is replayed.
    if (sight.kind === 'answer') return
    if (sight.kind === 'notification' && (this.#state !== 'connecting' || (knows && sight.method === 'notifications/initialized'))) return
    this.#queue.push({ line, sight })
    this.#queued += line.length
    this.#flow()
    if (this.#state !== 'connecting') void this.#open(this.#wasOpen)
  }

  /**
   * @param {Buffer} line
   * @param {import('./conversation.js').Sight} sight
   */
  #send(line, sight) {
    this.#talk.sent(sight, this.#link?.send(line) ?? 0)
    this.#flow()
  }

  /** @param {boolean} resume */
  async #open(resume) {
    this.#state = 'connecting'
    try {
      this.#use(await this.#reach(), resume)
    } catch (error) {
      this.#giveUp(
        failure(
          'daemon.unreachable',
          error instanceof Error ? error.message : String(error),
          error instanceof Error && 'hint' in error ? String(error.hint) : undefined,
        ),
      )
    }
  }

  /** The quick way first: what starts a daemon is only loaded when none answers. */
  async #reach() {
    const { connectSocket, state } = await myPlaces()
    checkOwner(connectSocket)
    const socket = dial(connectSocket)
    const open = await new Promise((resolve) => socket.once('connect', () => resolve(true)).once('error', () => resolve(false)))
    if (open) return socket
    const { reach } = await import('./start-daemon.js')
    return reach(connectSocket, { state, start: true, wait: reachFor })
  }

  /**
   * @param {import('node:net').Socket} socket
   * @param {boolean} resume
   */
  #use(socket, resume) {
    if (this.#left) {
      socket.destroy()
      return
    }
    const link = new Link(socket)
    this.#link = link
    link.onMessage = (message) => this.#client.write(message)
    link.onResponse = (id, message) => this.#answered(id, message)
    link.onChunkDone = () => {
      if (this.#client.isFull) link.pause()
    }
    link.onDrained = () => this.#flow()
    link.onRefused = (error) => this.#giveUp(withHome(error))
    link.onBye = () => {
      this.#bye = true
      this.#state = 'connecting'
    }
    link.onClose = () => this.#lost(link)
    link.onReady = () => this.#ready()
    void link.open(this.#server, resume, () => this.#talk.handshake)
  }

  #ready() {
    this.#state = 'open'
    this.#wasOpen = true
    this.#failure = undefined
    const queue = this.#takeQueue()
    for (const { line, sight } of queue) this.#send(line, sight)
    this.#leaveWhenDone()
  }

  /**
   * @param {string} id
   * @param {Buffer} message empty when the client wants no answer any more
   */
  #answered(id, message) {
    this.#losses = 0
    this.#talk.answered(id, message)
    if (message.length > 0) this.#client.write(message)
    this.#leaveWhenDone()
  }

  /** @param {Link} link */
  #lost(link) {
    if (this.#link !== link) return
    this.#link = undefined
    const { again, lost, batches } = this.#talk.lose()
    const gone = failure('daemon.restarted', 'the daemon went away')
    for (const id of lost) this.#client.write(errorLine(id, gone))
    for (const ids of batches) this.#client.write(errorBatch(ids, gone))
    this.#queue.unshift(...again.map((line) => ({ line, sight: look(line) })))
    const sleeps = this.#bye && this.#queue.length === 0
    this.#bye = false
    this.#state = sleeps ? 'asleep' : 'connecting'
    this.#flow()
    this.#leaveWhenDone()
    if (sleeps || this.#left) return
    this.#losses += 1
    if (this.#losses < lossesInARow) {
      setTimeout(() => void this.#open(this.#wasOpen), lossPause * (this.#losses - 1))
      return
    }
    this.#losses = 0
    this.#giveUp(failure('daemon.unreachable', `the daemon ended ${lossesInARow} times in a row before it answered`))
  }

  /**
   * Everything that waits is answered with the reason; the client's next request is another attempt.
   * @param {import('./errors.js').Failure} error
   */
  #giveUp(error) {
    if (this.#left) return
    const link = this.#link
    this.#link = undefined
    void link?.close()
    this.#state = 'down'
    if (this.#failure?.message !== error.message) this.#client.complain(error)
    this.#failure = error
    const { again, lost, batches } = this.#talk.lose()
    const unsent = [...again.map(look), ...this.#takeQueue().map(({ sight }) => sight)].filter(({ kind }) => kind !== 'notification')
    const isBatch = (/** @type {import('./conversation.js').Sight} */ { kind }) => kind === 'batch' && this.#talk.hasBatches
    for (const id of [...lost, ...unsent.filter((sight) => !isBatch(sight)).map((sight) => sight.id)]) {
      const line = errorLine(id, error)
      this.#talk.answered(id, Buffer.from(line))
      this.#client.write(line)
    }
    for (const ids of [...batches, ...unsent.filter(isBatch).map((sight) => sight.ids ?? [])])
      if (ids.length > 0) this.#client.write(errorBatch(ids, error))
    this.#flow()
    this.#leaveWhenDone()
  }

  #takeQueue() {
    const queue = this.#queue
    this.#queue = []
    this.#queued = 0
    return queue
  }

  /** The client is read no faster than the daemon takes it. */
  #flow() {
    const held = this.#state === 'open' ? this.#link?.isFull === true : this.#queued > queueCap
    this.#client.hold(held)
  }

  #end() {
    this.#ended = true
    setTimeout(() => this.#leave(), lingerFor).unref()
    this.#leaveWhenDone()
  }

  #leaveWhenDone() {
    if (this.#ended && this.#queue.length === 0 && !this.#talk.waiting) void this.#leave()
  }

  async #leave() {
    if (this.#left) return
    this.#left = true
    const closed = this.#link?.close()
    const { exitCodes } = this.#failure === undefined ? { exitCodes: undefined } : await import('./exit-codes.js')
    this.#client.leave(this.#failure === undefined ? 0 : (exitCodes?.[this.#failure.code] ?? 1), closed)
  }
}

/**
 * A server that is not there may be in another home: clients start their servers with few variables of their own.
 * @param {import('./errors.js').Failure} error
 * @returns {import('./errors.js').Failure}
 */
function withHome(error) {
  if (error.code !== 'not-found' && error.code !== 'config.missing') return error
  const home = process.env['JIT_HOME'] ?? ''
  const where = home === '' ? 'JIT_HOME is not set here, so this is the default home.' : `JIT_HOME is ${JSON.stringify(home)} here.`
  return { ...error, hint: `${error.hint} ${where}` }
}
