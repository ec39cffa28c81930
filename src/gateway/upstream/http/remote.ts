import type { Injection } from '../../../config/schema.ts'
import type { Clock } from '../../../core/clock.ts'
import type { Logger } from '../../../core/types.ts'
import type { UpstreamNetwork } from '../../../egress/upstream.ts'
import type { Standing } from '../../inject/standing.ts'
import type { Outgoing, Upstream, UpstreamEvents } from '../upstream.ts'
import { EventTransport } from './event-transport.ts'
import { Streamable } from './streamable.ts'
import type { ToolHeaders } from './tool-headers.ts'

export interface RemoteOptions extends UpstreamEvents {
  readonly server: string
  readonly url: URL
  readonly transport: 'streamable-http' | 'sse'
  readonly inject: Injection
  readonly network: UpstreamNetwork
  readonly clock: Clock
  readonly log: Logger
  /** For what goes on around calls. The upstream ends it. */
  readonly standing: Standing
  /** Shared by the lanes of one client. */
  readonly tools: ToolHeaders
  /** Longest message in bytes. */
  cap(): number
  scrub(text: string): string
  /** Logs, though not each time. */
  warn(message: string, text: () => string): void
}

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
