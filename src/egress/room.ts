/** How many bytes may be held at once, within a wider room where there is one. */
export class Room {
  #left: number
  readonly #within: Room | undefined

  constructor(size: number, within?: Room) {
    this.#left = size
    this.#within = within
  }

  /** False where they do not fit: then nothing is taken. */
  take(bytes: number): boolean {
    if (bytes > this.#left || this.#within?.take(bytes) === false) return false
    this.#left -= bytes
    return true
  }

  give(bytes: number): void {
    this.#left += bytes
    this.#within?.give(bytes)
  }
}
