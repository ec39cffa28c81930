import { eventText, type EventStream } from './sse.ts'
import type { Replay } from './replay.ts'

const identity = /^(\d{1,9})-(\d{1,9})$/

/** `Last-Event-ID` as this door gave it: channel and number. */
export function readEventId(text: string): { channel: number; sequence: number } | undefined {
  const match = identity.exec(text)
  return match === null ? undefined : { channel: Number(match[1]), sequence: Number(match[2]) }
}

/** One stream of a session as its client sees it, over however many connections: its events are numbered and kept for a while. */
export class Channel {
  readonly number: number
  readonly #replay: Replay
  #sequence = 0
  #reader: EventStream | undefined
  #ended = false

  constructor(number: number, replay: Replay) {
    this.number = number
    this.#replay = replay
  }

  get read(): boolean {
    return this.#reader !== undefined
  }

  get ended(): boolean {
    return this.#ended
  }

  /** False while its reader does not take what it is sent. */
  send(line: string): boolean {
    this.#sequence += 1
    const reader = this.#reader
    this.#replay.add(this.number, this.#sequence, line, reader !== undefined)
    return reader?.send(this.#text(line, this.#sequence)) ?? true
  }

  /** Its reader from here on; another one that it had is ended. `after`: the last event that it has, where it was here before. */
  attach(reader: EventStream, options: { readonly after?: number; readonly prime?: number }): void {
    const before = this.#reader
    this.#reader = reader
    before?.end()
    const missed = options.after === undefined ? this.#replay.unsent(this.number) : this.#replay.after(this.number, options.after)
    // An event without data gives a client the id to come back with, before there is any other.
    const last = options.after ?? (missed[0]?.sequence ?? this.#sequence + 1) - 1
    if (options.prime !== undefined) reader.send(eventText('', { id: `${this.number}-${last}`, retry: options.prime }))
    for (const kept of missed) {
      kept.sent = true
      reader.send(this.#text(kept.line, kept.sequence))
    }
    if (this.#ended) this.#close()
  }

  detach(reader: EventStream): void {
    if (this.#reader === reader) this.#reader = undefined
  }

  /** Nothing more comes. What is kept can be fetched still. */
  end(): void {
    this.#ended = true
    this.#close()
  }

  #close(): void {
    const reader = this.#reader
    this.#reader = undefined
    reader?.end()
  }

  #text(line: string, sequence: number): string {
    return eventText(line, { id: `${this.number}-${sequence}` })
  }
}
