import { fold } from '../core/fold.ts'
import { isJsonObject, type Json, type JsonObject } from '../core/json.ts'

/** Stands in the steps of a read for every item of a list, or member of a map; no argument's name has this character. */
export const everyItem = '[]'

/** Where an argument stands that policy reads: keys from the arguments down. */
export type Steps = readonly string[]

/** The keys that policy reads at one place of the arguments, and what it reads below each. */
export class Reads {
  readonly #below = new Map<string, Reads>()
  readonly #folded = new Set<string>()

  static of(all: Iterable<Steps>): Reads {
    const root = new Reads()
    for (const steps of all) root.#add(steps)
    return root
  }

  get names(): ReadonlySet<string> {
    return new Set([...this.#below.keys()].filter((name) => name !== everyItem))
  }

  /**
   * A key, wherever policy reads one, that some reader takes for it though it is spelled in another way; with where it stands, as
   * `target.Repo`. Undefined when there is none.
   */
  otherSpelling(value: JsonObject): string | undefined {
    return this.#find(value)?.join('.')
  }

  #add([step, ...rest]: Steps): void {
    if (step === undefined) return
    const known = this.#below.get(step) ?? new Reads()
    this.#below.set(step, known)
    if (step !== everyItem) this.#folded.add(fold(step))
    known.#add(rest)
  }

  #find(value: Json | undefined): Steps | undefined {
    if (this.#below.size === 0 || typeof value !== 'object' || value === null) return undefined
    if (isJsonObject(value) && this.#folded.size > 0) {
      const odd = Object.keys(value).find((key) => !this.#below.has(key) && this.#folded.has(fold(key)))
      if (odd !== undefined) return [odd]
    }
    for (const [step, below] of this.#below) {
      if (below.#below.size === 0) continue
      for (const [key, item] of step === everyItem ? Object.entries(value) : memberOf(value, step)) {
        const found = below.#find(item)
        if (found !== undefined) return [key, ...found]
      }
    }
    return undefined
  }
}

function memberOf(value: Json, step: string): [string, Json | undefined][] {
  return isJsonObject(value) && Object.hasOwn(value, step) ? [[step, value[step]]] : []
}
