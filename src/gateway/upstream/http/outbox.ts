/** Above so much a client is not heard until less is on its way. */
const highWater = 1024 * 1024
/** What each message costs beside its bytes. */
const overhead = 2048

/** What is on its way to a server and has not left. */
export class Outbox<Item extends object> {
  readonly #weights = new Map<Item, number>()
  #waiting: (() => void)[] = []
  #weight = 0

  get weight(): number {
    return this.#weight
  }

  get isFull(): boolean {
    return this.#weight > highWater
  }

  add(item: Item, bytes: number): void {
    this.#weights.set(item, bytes + overhead)
    this.#weight += bytes + overhead
  }

  remove(item: Item): void {
    this.#weight -= this.#weights.get(item) ?? 0
    this.#weights.delete(item)
    if (!this.isFull) this.#wake()
  }

  /** Calls back once it is not full. */
  drained(callback: () => void): void {
    if (this.isFull) this.#waiting.push(callback)
    else callback()
  }

  /** Nothing is on its way any more. */
  clear(): void {
    this.#weights.clear()
    this.#weight = 0
    this.#wake()
  }

  #wake(): void {
    const waiting = this.#waiting
    this.#waiting = []
    for (const go of waiting) go()
  }
}
