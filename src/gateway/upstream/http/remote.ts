import type { Outgoing, Upstream } from '../upstream.ts'
import { EventTransport } from './event-transport.ts'
import type { RemoteOptions } from './options.ts'
import { Streamable } from './streamable.ts'

/** A remote MCP server, over Streamable HTTP or, where it knows no better, over the HTTP+SSE of 2024-11-05. */
export class Remote implements Upstream {
  readonly pid = 0
  #transport: Upstream
  #isPaused = false

  constructor(options: RemoteOptions) {
    this.#transport =
      options.transport === 'sse'
        ? new EventTransport(options)
        : new Streamable(options, ({ bytes, request }) => {
            this.#transport = new EventTransport(options)
            if (this.#isPaused) this.#transport.pause()
            this.#transport.send(bytes, request)
          })
  }

  get backlog(): number {
    return this.#transport.backlog
  }

  send(line: string | Buffer, request?: Outgoing): boolean {
    return this.#transport.send(line, request)
  }

  drained(callback: () => void): void {
    this.#transport.drained(callback)
  }

  pause(): void {
    this.#isPaused = true
    this.#transport.pause()
  }

  resume(): void {
    this.#isPaused = false
    this.#transport.resume()
  }

  close(): Promise<void> {
    return this.#transport.close()
  }
}
