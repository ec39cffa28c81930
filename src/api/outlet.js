/** Up to so many bytes, several messages are copied into one piece; larger ones leave as they are. */
const copiedUpTo = 64 * 1024

/** What is sent in one turn of the event loop leaves in one system call, and in one piece. */
export class Outlet {
  #stream
  /** @type {(Buffer | string)[]} */
  #parts = []
  #size = 0

  /** @param {import('node:stream').Writable} stream */
  constructor(stream) {
    this.#stream = stream
  }

  /** Bytes (characters, of text) that were sent and not taken yet. */
  get pending() {
    return this.#size + this.#stream.writableLength
  }

  /**
   * Sends the parts, one behind the other. False while the reader is behind: then wait for the stream's `drain`.
   * @param {(Buffer | string)[]} parts
   */
  send(...parts) {
    if (this.#parts.length === 0) process.nextTick(this.#flush)
    for (const part of parts) {
      this.#parts.push(part)
      this.#size += part.length
    }
    return !this.#stream.writableNeedDrain
  }

  /**
   * Nothing can be sent after it.
   * @param {Buffer} [last]
   * @param {() => void} [done] when all of it was taken
   */
  end(last, done) {
    this.#flush()
    this.#stream.end(last, done)
  }

  #flush = () => {
    const parts = this.#parts
    const whole = parts.length === 1 || this.#size <= copiedUpTo
    this.#parts = []
    this.#size = 0
    if (parts.length === 0 || !this.#stream.writable) return
    if (whole) {
      this.#stream.write(join(parts))
      return
    }
    this.#stream.cork()
    for (const part of parts) this.#stream.write(part)
    this.#stream.uncork()
  }
}

/**
 * @param {(Buffer | string)[]} parts
 * @returns {Buffer | string}
 */
function join(parts) {
  const [first] = parts
  if (parts.length === 1 && first !== undefined) return first
  if (parts.every((part) => typeof part === 'string')) return parts.join('')
  return Buffer.concat(parts.map((part) => (typeof part === 'string' ? Buffer.from(part) : part)))
}
