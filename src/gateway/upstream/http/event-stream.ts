import { Bytes } from './bytes.ts'

export interface StreamEvents {
  /** One event; its lines of data are joined by spaces, so that a message is one line. */
  onEvent(name: string, data: Buffer): void
  /** An event over the cap: how many bytes of data it had, and how they begin. */
  onTooLong(bytes: number, head: Buffer): void
  /** An event that holds nothing but an id, by which the stream can be asked for again. */
  onPrimed?(): void
  /** How long to wait before the stream is asked for again, in milliseconds. */
  onRetry(delay: number): void
}

const headBytes = 300
/** What stands before a line's data, and room for it. */
const fieldBytes = 1024
const idCap = 1024
const [lineFeed, carriageReturn, space, colon] = [10, 13, 32, 58]
const joint = Buffer.from(' ')

/**
 * Reads a `text/event-stream` (WHATWG HTML, 9.2.6) wherever the network cut it. What an event holds is bounded by the cap, and
 * so is a line that never ends.
 */
export class EventStream {
  /** Of the last event that had one; empty before. Only what a header can carry is kept. */
  lastId = ''
  readonly #cap: number
  readonly #events: StreamEvents
  readonly #line = new Bytes()
  /** Bytes of a line that is too long for any field, which are not kept. */
  #passedOver = 0
  #afterReturn = false
  #isFirst = true
  #name = ''
  #id: string | undefined
  #single: Buffer | undefined
  readonly #joined = new Bytes()
  #size = 0
  #hasData = false
  #head = joint

  constructor(cap: number, events: StreamEvents) {
    this.#cap = cap
    this.#events = events
  }

  read(chunk: Buffer): void {
    let start = 0
    if (this.#afterReturn && chunk.length > 0) {
      this.#afterReturn = false
      if (chunk[0] === lineFeed) start = 1
    }
    let feed = chunk.indexOf(lineFeed, start)
    let back = chunk.indexOf(carriageReturn, start)
    while (start < chunk.length) {
      if (feed !== -1 && feed < start) feed = chunk.indexOf(lineFeed, start)
      if (back !== -1 && back < start) back = chunk.indexOf(carriageReturn, start)
      const end = feed === -1 ? back : back === -1 ? feed : Math.min(feed, back)
      if (end === -1) return this.#hold(chunk.subarray(start))
      this.#complete(chunk.subarray(start, end))
      start = end + 1
      if (chunk[end] !== carriageReturn) continue
      if (start === chunk.length) this.#afterReturn = true
      else if (chunk[start] === lineFeed) start += 1
    }
  }

  #hold(piece: Buffer): void {
    const room = Math.max(0, this.#cap + fieldBytes - this.#line.size)
    this.#line.add(piece.subarray(0, room))
    this.#passedOver += Math.max(0, piece.length - room)
  }

  #complete(piece: Buffer): void {
    let line = piece
    if (this.#line.size > 0) {
      this.#hold(piece)
      line = this.#line.take()
    }
    const more = this.#passedOver
    this.#passedOver = 0
    if (this.#isFirst && line[0] === 0xef && line[1] === 0xbb && line[2] === 0xbf) line = line.subarray(3)
    this.#isFirst = false
    if (line.length === 0) return this.#dispatch()
    const end = line.indexOf(colon)
    if (end === 0 || end > fieldBytes) return
    const name = line.toString('latin1', 0, end === -1 ? Math.min(line.length, fieldBytes) : end)
    const value = end === -1 ? line.subarray(line.length) : line.subarray(line[end + 1] === space ? end + 2 : end + 1)
    this.#field(name, value, more)
  }

  #field(name: string, value: Buffer, more: number): void {
    if (name === 'data') return this.#data(value, more)
    const text = value.toString('utf8', 0, idCap + 1)
    if (name === 'event') this.#name = text
    else if (name === 'id' && !text.includes('\0')) this.#id = text
    else if (name === 'retry' && /^\d{1,10}$/.test(text)) this.#events.onRetry(Number(text))
  }

  #data(value: Buffer, more: number): void {
    const before = this.#size
    this.#size += value.length + more + (this.#hasData ? 1 : 0)
    if (this.#size > this.#cap) {
      if (before <= this.#cap)
        this.#head = Buffer.from((this.#hasData ? (this.#single ?? this.#joined.take()) : value).subarray(0, headBytes))
      this.#single = undefined
      this.#joined.take()
    } else if (!this.#hasData) this.#single = value
    else {
      if (this.#single !== undefined) this.#joined.add(this.#single)
      this.#single = undefined
      this.#joined.add(joint)
      this.#joined.add(value)
    }
    this.#hasData = true
  }

  /** An event without data says nothing, but for its id. */
  #dispatch(): void {
    const id = this.#id
    if (id !== undefined) this.lastId = id.length <= idCap && /^[\x20-\x7e]*$/.test(id) ? id : ''
    const [name, size] = [this.#name, this.#size]
    const data = this.#single ?? this.#joined.take()
    this.#id = undefined
    this.#name = ''
    this.#single = undefined
    this.#size = 0
    this.#hasData = false
    if (size > this.#cap) this.#events.onTooLong(size, this.#head)
    else if (size === 0 && this.lastId !== '' && id !== undefined) this.#events.onPrimed?.()
    else if (size > 0) this.#events.onEvent(name === '' ? 'message' : name, data)
  }
}
