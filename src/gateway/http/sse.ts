import type { ServerResponse } from 'node:http'
import type { Clock } from '../../core/clock.ts'

/** One event. JSON has no line break but between tokens, where a space is the same; millions of lines would be none. */
export function eventText(data: string, { id, event, retry }: { id?: string; event?: string; retry?: number } = {}): string {
  let text = event === undefined ? '' : `event: ${event}\n`
  if (id !== undefined) text += `id: ${id}\n`
  if (retry !== undefined) text += `retry: ${retry}\n`
  return `${text}data: ${data.replace(/[\r\n]+/g, ' ')}\n\n`
}

export interface EventStreamOptions {
  readonly clock: Clock
  /** Milliseconds between two comments. */
  readonly keepAlive: number
  readonly headers?: Readonly<Record<string, string>>
  /** The reader is behind: its response, to wait for. */
  onBehind(response: ServerResponse): void
  /** The reader is gone, or the stream was ended. */
  onClose(): void
}

const head = {
  'content-type': 'text/event-stream',
  'cache-control': 'no-store, no-transform',
  // nginx, for one, would hold events back.
  'x-accel-buffering': 'no',
}

/** A response as a stream of server-sent events; a comment now and then keeps it open. */
export class EventStream {
  readonly #response: ServerResponse
  readonly #options: EventStreamOptions
  #cancel: () => void = () => undefined

  constructor(response: ServerResponse, options: EventStreamOptions) {
    this.#response = response
    this.#options = options
    response.writeHead(200, { ...head, ...options.headers })
    response.flushHeaders()
    response.once('close', () => {
      this.#cancel()
      options.onClose()
    })
    this.#keepAlive()
  }

  get open(): boolean {
    return !this.#response.writableEnded && !this.#response.destroyed
  }

  /** False while the reader does not take what it is sent. */
  send(text: string): boolean {
    if (!this.open) return true
    if (this.#response.write(text)) return true
    this.#options.onBehind(this.#response)
    return false
  }

  end(): void {
    this.#cancel()
    if (this.open) this.#response.end()
  }

  #keepAlive(): void {
    this.#cancel = this.#options.clock.after(this.#options.keepAlive, () => {
      if (!this.open) return
      if (!this.#response.writableNeedDrain) this.send(':\n\n')
      this.#keepAlive()
    })
  }
}
