import type { JitError } from '../../core/errors.ts'
import { isJsonObject, type JsonObject, scalarJson } from '../../core/json.ts'
import { ShortLivedMap } from '../../core/short-lived.ts'
import type { Ending } from '../ending.ts'
import type { Id } from '../protocol/jsonrpc.ts'

const cap = 1024

/** Requests of one client that are not answered, and how each of them is ended. By their ids, as JSON where a text stands for one. */
export class InFlight {
  readonly #endings = new ShortLivedMap<Ending>()
  /** Progress tokens as JSON, of those that name one. */
  readonly #progress = new Map<string, string>()

  /** As many as one client may have: the next one is one too many. */
  get isFull(): boolean {
    return this.#endings.size >= cap
  }

  has(key: string): boolean {
    return this.#endings.has(key)
  }

  /** From here on it can be ended; the returned function forgets it. */
  track(id: Id, ending: Ending): () => void {
    const key = scalarJson(id)
    this.#endings.set(key, ending)
    return () => {
      // The id may be another request's by now.
      if (this.#endings.get(key) !== ending) return
      this.#endings.delete(key)
      this.#progress.delete(key)
    }
  }

  /** Takes note of the progress token that a request names, before it is tracked. */
  noteProgress(id: Id, params: JsonObject): void {
    const meta = params['_meta']
    if (isJsonObject(meta) && meta['progressToken'] !== undefined) this.#progress.set(scalarJson(id), JSON.stringify(meta['progressToken']))
  }

  /** Those that named this progress token (as JSON). */
  *withProgress(token: string): Iterable<string> {
    for (const [key, own] of this.#progress) if (own === token) yield key
  }

  end(key: string, reason: JitError): void {
    this.#endings.get(key)?.end(reason)
  }

  /** All but those of which `spare` says so. */
  endAll(reason: JitError, spare: (key: string) => boolean = () => false): void {
    for (const [key, ending] of this.#endings.entries()) if (!spare(key)) ending.end(reason)
  }
}
