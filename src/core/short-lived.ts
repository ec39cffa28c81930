interface Slot<V> {
  /** Undefined once it was taken out. */
  value: V | undefined
}

/**
 * A map whose entries live no longer than a call. When a `Map` makes room, V8 leaves its former table behind with all that was ever
 * taken out of it, and with a pointer to the next one. Once one such table has grown old, none of those that follow it is collected
 * with the young objects, and nor are the calls that they name. Here former tables name empty slots.
 */
export class ShortLivedMap<V extends object> {
  readonly #slots = new Map<string, Slot<V>>()

  get size(): number {
    return this.#slots.size
  }

  get(key: string): V | undefined {
    return this.#slots.get(key)?.value
  }

  has(key: string): boolean {
    return this.#slots.has(key)
  }

  set(key: string, value: V): void {
    const slot = this.#slots.get(key)
    if (slot === undefined) this.#slots.set(key, { value })
    else slot.value = value
  }

  /** False when it was not there. */
  delete(key: string): boolean {
    const slot = this.#slots.get(key)
    if (slot === undefined) return false
    slot.value = undefined
    return this.#slots.delete(key)
  }

  clear(): void {
    for (const slot of this.#slots.values()) slot.value = undefined
    this.#slots.clear()
  }

  /** Oldest first, as are the values and the pairs. */
  keys(): IterableIterator<string> {
    return this.#slots.keys()
  }

  *values(): Generator<V> {
    for (const [, value] of this.entries()) yield value
  }

  *entries(): Generator<[string, V]> {
    for (const [key, { value }] of this.#slots) if (value !== undefined) yield [key, value]
  }
}

/** A set whose members live no longer than a call, for the same reason. */
export class ShortLivedSet<T extends object> {
  readonly #slots = new Set<Slot<T>>()

  /** The returned function takes it out again. */
  add(member: T): () => void {
    const slot: Slot<T> = { value: member }
    this.#slots.add(slot)
    return () => {
      slot.value = undefined
      this.#slots.delete(slot)
    }
  }

  /** Oldest first. */
  *[Symbol.iterator](): Generator<T> {
    for (const { value } of this.#slots) if (value !== undefined) yield value
  }
}
