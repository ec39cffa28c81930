import type { ServerResponse } from 'node:http'
import { isObject, type Message } from './pipe.ts'

/** HTTP status by the code of an error that is all the answer there is (2026-07-28, transports). */
const statuses: Readonly<Record<number, number>> = { [-32_601]: 404, [-32_602]: 400, [-32_020]: 400, [-32_021]: 400, [-32_022]: 400 }

/**
 * The response to one HTTP request. `stream`: events from the start, as the revisions with a handshake have it; `answer`: JSON
 * when the answer comes first, events when something else does.
 */
export class Exchange {
  readonly mode: 'stream' | 'answer'
  readonly #outgoing: ServerResponse
  /** It has shown itself to be a subscription, which carries nothing that belongs to other requests. */
  listens = false

  constructor(outgoing: ServerResponse, mode: 'stream' | 'answer') {
    this.#outgoing = outgoing
    this.mode = mode
  }

  begin(): void {
    if (this.#outgoing.headersSent) return
    this.#outgoing.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-store' })
    this.#outgoing.flushHeaders()
  }

  write(message: Message): void {
    if (message['method'] === 'notifications/subscriptions/acknowledged') this.listens = true
    this.begin()
    this.#outgoing.write(`event: message\ndata: ${JSON.stringify(message)}\n\n`)
  }

  /** Sends the answer and ends. */
  finish(message: Message): void {
    if (this.mode === 'stream' || this.#outgoing.headersSent) {
      this.write(message)
      this.#outgoing.end()
      return
    }
    const code = isObject(message['error']) ? message['error']['code'] : undefined
    this.#outgoing.writeHead(typeof code === 'number' ? (statuses[code] ?? 200) : 200, { 'content-type': 'application/json' })
    this.#outgoing.end(JSON.stringify(message))
  }

  /** A notification or an answer of the client's: there is nothing to say. */
  accept(): void {
    this.#outgoing.writeHead(202).end()
  }

  end(): void {
    this.#outgoing.end()
  }

  /** The client went away before the end. */
  onGone(listener: () => void): void {
    this.#outgoing.once('close', () => {
      if (!this.#outgoing.writableFinished) listener()
    })
  }
}
