/**
 * The stream between `jit connect` and the daemon: frames of a 4-byte big-endian length (of what follows), one byte of
 * kind, and the payload. Message bytes travel untouched. Plain JavaScript: the shim runs it on whatever Node a client has.
 */

/** JSON control data: `hello` and `welcome` first, `error` when the daemon refuses. `{}` says nothing. */
export const CONTROL = 0
/** One JSON-RPC message without its newline. */
export const MESSAGE = 1
/**
 * One JSON-RPC response that ends a request of the client: 2-byte length of the id's JSON, the id's JSON, the message. The answer
 * to a message whose id cannot be read says in the id's place which message of the connection that was (`namelessId`).
 */
export const RESPONSE = 2

/** Over the largest message either side may send (64 MiB) plus its header. */
export const MAX_FRAME = 65 * 1024 * 1024

/**
 * @param {number} kind
 * @param {Uint8Array | string} payload
 * @returns {Buffer}
 */
export function frame(kind, payload) {
  const size = typeof payload === 'string' ? Buffer.byteLength(payload) : payload.length
  const buffer = Buffer.allocUnsafe(size + 5)
  buffer.writeUInt32BE(size + 1, 0)
  buffer[4] = kind
  if (typeof payload === 'string') buffer.write(payload, 5)
  else buffer.set(payload, 5)
  return buffer
}

/**
 * @param {string} idJson
 * @param {string} message
 * @returns {Buffer}
 */
export function responseFrame(idJson, message) {
  const idSize = Buffer.byteLength(idJson)
  const size = idSize + Buffer.byteLength(message) + 2
  const buffer = Buffer.allocUnsafe(size + 5)
  buffer.writeUInt32BE(size + 1, 0)
  buffer[4] = RESPONSE
  buffer.writeUInt16BE(idSize, 5)
  buffer.write(idJson, 7)
  buffer.write(message, 7 + idSize)
  return buffer
}

/**
 * Splits a RESPONSE payload.
 * @param {Buffer} payload
 * @returns {{ id: string, message: Buffer }}
 */
export function readResponse(payload) {
  const idSize = payload.readUInt16BE(0)
  return { id: payload.toString('utf8', 2, 2 + idSize), message: payload.subarray(2 + idSize) }
}

/**
 * What stands for the id of a message that shows none: a batch that was refused as a whole, for one.
 * @param {number} message the how manieth MESSAGE of the connection it was, from 1
 */
export function namelessId(message) {
  return `null:${message}`
}

/**
 * @param {string} id as `readResponse` gave it
 * @returns {number | undefined} which message is answered; undefined when it has an id
 */
export function readNameless(id) {
  const match = /^null:(\d{1,15})$/.exec(id)
  return match === null ? undefined : Number(match[1])
}

/**
 * A parser: feed it chunks, it calls back once per whole frame. Throws a RangeError on a frame over the cap.
 * @param {(kind: number, payload: Buffer) => void} onFrame
 * @returns {(chunk: Buffer) => void}
 */
export function frameReader(onFrame) {
  /** @type {Buffer[]} */
  let parts = []
  let size = 0
  return (chunk) => {
    parts.push(chunk)
    size += chunk.length
    if (size < 5) return
    const head = parts[0]
    const wanted = head !== undefined && head.length >= 4 ? head.readUInt32BE(0) + 4 : undefined
    if (wanted !== undefined && wanted - 4 > MAX_FRAME) throw new RangeError('frame over the cap')
    if (wanted !== undefined && size < wanted) return
    let buffer = parts.length === 1 ? chunk : Buffer.concat(parts, size)
    for (;;) {
      if (buffer.length < 5) break
      const length = buffer.readUInt32BE(0)
      if (length > MAX_FRAME || length < 1) throw new RangeError('frame over the cap')
      if (buffer.length < length + 4) break
      onFrame(buffer[4] ?? 0, buffer.subarray(5, length + 4))
      buffer = buffer.subarray(length + 4)
    }
    parts = buffer.length > 0 ? [buffer] : []
    size = buffer.length
  }
}
