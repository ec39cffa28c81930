import type { RequestsLeftOut, UpstreamRequest } from '../audit/event.ts'

/** Requests named from the beginning, and as many from the end. */
const named = 50
/** Characters of either half: a record that is too long would lose the whole list (audit/cut.ts). */
const halfCap = 48 * 1024
/** Kinds of request among those that are counted only. */
const groupCap = 50
/** What stands around a request's texts in the record, in characters. */
const frame = 100

/** Requests of one call, for its closing record. However many its server makes: memory and record have an end, and nothing is uncounted. */
export class RequestList {
  readonly #first: UpstreamRequest[] = []
  readonly #last: UpstreamRequest[] = []
  readonly #groups = new Map<string, { readonly method: string; readonly host: string; readonly status: number; count: number }>()
  #firstSize = 0
  #lastSize = 0
  #leftOut = 0

  get count(): number {
    return this.#first.length + this.#last.length + this.#leftOut
  }

  add(request: UpstreamRequest): void {
    const size = sizeOf(request)
    if (this.#last.length === 0 && this.#first.length < named && this.#firstSize + size <= halfCap) {
      this.#first.push(request)
      this.#firstSize += size
      return
    }
    this.#last.push(request)
    this.#lastSize += size
    while (this.#last.length > named || (this.#lastSize > halfCap && this.#last.length > 1)) this.#leaveOut(this.#last.shift())
  }

  fields(): { readonly requests: readonly UpstreamRequest[]; readonly requestsLeftOut?: RequestsLeftOut } {
    const requests = [...this.#first, ...this.#last]
    if (this.#leftOut === 0) return { requests }
    return { requests, requestsLeftOut: { count: this.#leftOut, after: this.#first.length, by: [...this.#groups.values()] } }
  }

  #leaveOut(request: UpstreamRequest | undefined): void {
    if (request === undefined) return
    this.#lastSize -= sizeOf(request)
    this.#leftOut += 1
    const { method, status } = request
    const host = URL.parse(request.url)?.host ?? ''
    const key = `${method} ${host} ${status}`
    const group = this.#groups.get(key)
    if (group !== undefined) group.count += 1
    else if (this.#groups.size < groupCap) this.#groups.set(key, { method, host, status, count: 1 })
  }
}

function sizeOf({ method, url, requestId }: UpstreamRequest): number {
  return method.length + url.length + requestId.length + frame
}
