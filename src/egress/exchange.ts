import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Lane } from './lane.ts'

/** What a connection stands for: a decrypted tunnel, or one to a base-URL listener. */
export interface Route {
  readonly lane: Lane
  /** `https://host[:port]` that the client means. */
  readonly origin: string
  /** What each Host header must be. */
  readonly host: string
  /** The handshake named another host than CONNECT: every request is answered 421. */
  readonly misdirected: boolean
  readonly endpoint: { readonly prefix: string; readonly url: string } | undefined
}

export interface ExchangeParts {
  readonly route: Route
  readonly request: IncomingMessage
  readonly response: ServerResponse
  /** Whether the client sends its body only after `100 Continue`. */
  readonly waits: boolean
  /** Told when no further request of this connection may be served. */
  readonly onClose: () => void
}

/** One request of a server's and its answer. */
export class Exchange {
  readonly route: Route
  readonly request: IncomingMessage
  readonly response: ServerResponse
  readonly #onClose: () => void
  #waits: boolean

  constructor({ route, request, response, waits, onClose }: ExchangeParts) {
    this.route = route
    this.request = request
    this.response = response
    this.#waits = waits
    this.#onClose = onClose
  }

  /** A client that still waits may send its body or not: nobody knows where its next request begins. */
  get waits(): boolean {
    return this.#waits
  }

  /** Answers `100 Continue` where the client waits for it; the body is wanted from here on. */
  wantBody(): void {
    if (this.#waits) this.response.writeContinue()
    this.#waits = false
  }

  /** The answer that follows is the last one on this connection. */
  close(): void {
    this.#onClose()
  }
}

/** Answers a refusal in the form that API clients show to people, and records it. */
export function refuse(exchange: Exchange, refusal: { status: number; reason: string; call?: string | undefined }): void {
  const { route, request, response } = exchange
  const { status, reason, call } = refusal
  const method = request.method ?? ''
  const path = request.url ?? ''
  route.lane.refusals.record({ method, origin: route.origin, path, reason, ...(call === undefined ? {} : { call }) })
  if (response.headersSent || response.destroyed) return void request.socket.destroy()
  // What is misframed or misdirected says nothing about where the next request on this connection begins.
  const close = status !== 403 || exchange.waits
  if (close) exchange.close()
  const body = `${JSON.stringify({ message: `jit: ${reason} (${method} ${path.split('?', 1)[0]?.slice(0, 200) ?? ''})` })}\n`
  response.writeHead(status, {
    'content-type': 'application/json; charset=utf-8',
    'content-length': Buffer.byteLength(body),
    ...(close ? { connection: 'close' } : {}),
  })
  response.end(body)
  request.resume()
}
