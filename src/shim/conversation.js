import { readNameless } from '../api/frames.js'

/**
 * What the shim knows of a client's line.
 * @typedef {object} Sight
 * @property {'request' | 'notification' | 'answer' | 'batch' | 'unreadable'} kind
 * @property {string} id JSON of the request's id; `null` when it has none that can be read
 * @property {string} method empty when there is none
 * @property {string[]} [ids] of a batch: JSON of its requests' ids
 */

/** The one revision that has batches. */
const batchRevision = '2025-03-26'

/**
 * Looks at a line of the client as far as the shim must; what it cannot read is the daemon's to judge.
 * @param {Buffer} line
 * @returns {Sight}
 */
export function look(line) {
  /** @type {unknown} */
  let value
  try {
    value = JSON.parse(line.toString('utf8'))
  } catch {
    return { kind: 'unreadable', id: 'null', method: '' }
  }
  if (Array.isArray(value)) return { kind: 'batch', id: 'null', method: '', ids: idsIn(value) }
  if (typeof value !== 'object' || value === null) return { kind: 'unreadable', id: 'null', method: '' }
  const { id, method } = /** @type {{ id?: unknown, method?: unknown }} */ (value)
  const idJson = id === undefined ? 'null' : JSON.stringify(id)
  if (typeof method !== 'string') return { kind: 'answer', id: idJson, method: '' }
  return { kind: id === undefined ? 'notification' : 'request', id: idJson, method }
}

/**
 * Each once: of two requests with one id the second is refused.
 * @param {unknown[]} batch
 */
function idsIn(batch) {
  /** @type {Set<string>} */
  const ids = new Set()
  for (const element of batch) {
    if (typeof element !== 'object' || element === null) continue
    const { id, method } = /** @type {{ id?: unknown, method?: unknown }} */ (element)
    if (typeof method === 'string' && (typeof id === 'string' || typeof id === 'number')) ids.add(JSON.stringify(id))
  }
  return [...ids]
}

/**
 * The id of a line that is too long to be parsed, if it stands where clients put it.
 * @param {Buffer} head
 * @returns {string} JSON; `null` when it cannot be read
 */
export function idNear(head) {
  const text = head.toString('latin1', 0, 1024)
  const match =
    /^\s*\{\s*(?:"jsonrpc"\s*:\s*"2\.0"\s*,\s*)?(?:"method"\s*:\s*"[^"\\]{0,200}"\s*,\s*)?"id"\s*:\s*(-?\d{1,15}|"[^"\\\u0000-\u001f\u007f-\u00ff]{0,200}")\s*[,}]/.exec(
      text,
    )
  return match?.[1] ?? 'null'
}

/** What the client was promised: its handshake, to be replayed to a new daemon, and the requests that wait for an answer. */
export class Conversation {
  /** The client's `initialize` as it came; undefined before, and for clients of the era that has none. */
  #initialize = /** @type {{ line: Buffer, id: string, answered: boolean } | undefined} */ (undefined)
  /** The client's `notifications/initialized`. */
  #done = /** @type {Buffer | undefined} */ (undefined)
  /** @type {Map<string, number>} id → how many requests of that id were sent and not answered */
  #inFlight = new Map()
  /** @type {{ ids: string[], number: number }[]} each batch that was sent and not answered, in order: ids of its requests, its number */
  #batches = []
  #revision = ''

  /** The client believes that it talks to an initialised server. */
  get handshaken() {
    return this.#initialize?.answered === true
  }

  /** The lines that make a new daemon believe the same. */
  get handshake() {
    return this.#initialize?.answered === true ? { initialize: this.#initialize.line, initialized: this.#done } : undefined
  }

  get waiting() {
    return this.#inFlight.size > 0 || this.#batches.length > 0
  }

  /** In other revisions a batch is one message that is wrong. */
  get hasBatches() {
    return this.#revision === batchRevision
  }

  /**
   * Remembers what a line means for a later replay, when it comes.
   * @param {Sight} sight
   * @param {Buffer} line
   */
  heard({ kind, id, method }, line) {
    if (kind === 'request' && method === 'initialize') {
      this.#initialize = { line, id, answered: false }
      this.#done = undefined
    }
    if (method === 'notifications/initialized') this.#done = line
  }

  /**
   * A line has left for the daemon.
   * @param {Sight} sight
   * @param {number} number the how manieth message of the connection it is
   */
  sent({ kind, id, ids = [] }, number) {
    if (kind === 'request') this.#inFlight.set(id, (this.#inFlight.get(id) ?? 0) + 1)
    else if (kind === 'batch' && ids.length > 0 && this.hasBatches) this.#batches.push({ ids, number })
  }

  /**
   * The client got its answer, or needs none any more. A batch has one answer, under the id of one of its requests, or under its
   * number when it was refused as a whole.
   * @param {string} name of the frame: an id, or a number of `namelessId`
   * @param {Buffer} message
   */
  answered(name, message) {
    const isList = message[0] === openingBracket
    const nameless = readNameless(name)
    const id = nameless === undefined ? name : 'null'
    const batch =
      nameless !== undefined
        ? this.#batches.findIndex(({ number }) => number === nameless)
        : isList || !this.#inFlight.has(id)
          ? this.#batches.findIndex(({ ids }) => ids.includes(id))
          : -1
    if (batch !== -1) this.#batches.splice(batch, 1)
    if (batch !== -1 || isList) return
    const count = this.#inFlight.get(id) ?? 0
    if (count > 1) this.#inFlight.set(id, count - 1)
    else this.#inFlight.delete(id)
    if (this.#initialize === undefined || this.#initialize.answered || this.#initialize.id !== id) return
    const { failed, revision } = readHandshake(message)
    // A handshake that failed is not one to replay: the client starts anew, or leaves.
    if (failed) this.#initialize = undefined
    else this.#initialize.answered = true
    this.#revision = revision
  }

  /**
   * The daemon is gone: forgets what was in flight. All that was asked is lost, but a handshake without an answer is to be
   * sent again.
   * @returns {{ again: Buffer[], lost: string[], batches: string[][] }} lines; ids; ids of each batch
   */
  lose() {
    const handshake = this.#initialize
    const open = handshake !== undefined && !handshake.answered && this.#inFlight.has(handshake.id) ? handshake : undefined
    const lost = [...this.#inFlight].flatMap(([id, count]) => Array.from({ length: count - (id === open?.id ? 1 : 0) }, () => id))
    this.#inFlight.clear()
    const batches = this.#batches.map(({ ids }) => ids)
    this.#batches = []
    if (open === undefined) return { again: [], lost, batches }
    return { again: this.#done === undefined ? [open.line] : [open.line, this.#done], lost, batches }
  }
}

const openingBracket = 0x5b

/**
 * @param {Buffer} message
 * @returns {{ failed: boolean, revision: string }}
 */
function readHandshake(message) {
  try {
    const { error, result } = JSON.parse(message.toString('utf8'))
    return { failed: error !== undefined, revision: String(result?.protocolVersion) }
  } catch {
    return { failed: true, revision: '' }
  }
}
