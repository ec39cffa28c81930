/** Characters that a slot is made of. */
export const block = 4
const smallest = 16
const largest = 22
/** Slots for each entry, so that most of a text finds none. */
const room = 16

/**
 * How far a window over a text may move without missing a pattern, by the last four characters in it (Wu and Manber's search for
 * many patterns). It only ever learns: what has gone is found in vain until the table is made anew.
 */
export class PatternTable {
  /** Characters of the window: no pattern is shorter. */
  readonly window: number
  readonly #shifts: Uint8Array
  readonly #drop: number
  /** First characters, and first four characters, of patterns: for the end of a piece of text. */
  readonly #first = new Uint8Array(256)
  readonly #starts: Uint8Array
  readonly #capacity: number
  #entries = 0

  /** `entries`: patterns that it is to have room for. */
  constructor(window: number, entries: number) {
    this.window = window
    let bits = smallest
    while (bits < largest && 2 ** bits < entries * (window - block + 1) * room) bits += 1
    this.#drop = 32 - bits
    this.#capacity = bits === largest ? Number.POSITIVE_INFINITY : 2 ** bits / (window - block + 1) / room
    this.#shifts = new Uint8Array(2 ** bits).fill(window - block + 1)
    this.#starts = new Uint8Array(2 ** (bits - 3))
  }

  /** More patterns than it was made for: it still finds all of them, in more time. */
  get isCrowded(): boolean {
    return this.#entries > this.#capacity
  }

  add(pattern: string): void {
    this.#entries += 1
    this.#first[pattern.charCodeAt(0) & 255] = 1
    const start = this.#slot(pattern, block - 1)
    this.#starts[start >>> 3] = (this.#starts[start >>> 3] ?? 0) | (1 << (start & 7))
    for (let end = block - 1; end < this.window; end += 1) {
      const slot = this.#slot(pattern, end)
      const shift = this.window - 1 - end
      if ((this.#shifts[slot] ?? 0) > shift) this.#shifts[slot] = shift
    }
  }

  /** How far a window that ends with the character at `end` may move; 0 where a pattern may begin at its start. */
  shiftAt(text: string, end: number): number {
    return this.#shifts[this.#slot(text, end)] ?? 0
  }

  /** Whether a pattern may begin here, of which the text may hold only the first characters. */
  mayBegin(text: string, at: number): boolean {
    if (this.#first[text.charCodeAt(at) & 255] === 0) return false
    if (at + block > text.length) return true
    const start = this.#slot(text, at + block - 1)
    return ((this.#starts[start >>> 3] ?? 0) & (1 << (start & 7))) !== 0
  }

  #slot(text: string, end: number): number {
    const first = (text.charCodeAt(end - 3) << 16) ^ text.charCodeAt(end - 2)
    const second = (text.charCodeAt(end - 1) << 16) ^ text.charCodeAt(end)
    const mixed = Math.imul(first, 0x9e3779b1) ^ Math.imul(second, 0x85ebca6b)
    return Math.imul(mixed ^ (mixed >>> 15), 0xc2b2ae35) >>> this.#drop
  }
}
