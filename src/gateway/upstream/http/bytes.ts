const least = 1024

/** Bytes that arrive in pieces. However small these are, what is held is never more than twice what arrived. */
export class Bytes {
  #buffer = Buffer.alloc(0)
  #size = 0

  get size(): number {
    return this.#size
  }

  add(piece: Buffer): void {
    const size = this.#size + piece.length
    if (size > this.#buffer.length) {
      const grown = Buffer.allocUnsafe(Math.max(least, size, Math.min(2 * size, this.#buffer.length * 2)))
      this.#buffer.copy(grown, 0, 0, this.#size)
      this.#buffer = grown
    }
    piece.copy(this.#buffer, this.#size)
    this.#size = size
  }

  /** All of it; it is empty afterwards. */
  take(): Buffer {
    const taken = this.#buffer.subarray(0, this.#size)
    this.#buffer = Buffer.alloc(0)
    this.#size = 0
    return taken
  }
}
