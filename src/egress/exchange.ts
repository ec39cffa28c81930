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

/** One request of a server's and its answer. */
export interface Exchange {
  readonly route: Route
  readonly request: IncomingMessage
  readonly response: ServerResponse
  /** Answers `100 Continue` where the client waits for it; the body is wanted from here on. */
  readonly wantBody: () => void
}

/** Answers a refusal in the form that API clients show to people, and records it. */
export function refuse(
  { route, request, response }: Exchange,
  refusal: { status: number; reason: string; call?: string | undefined },
): void {
  const { status, reason, call } = refusal
  const method = request.method ?? ''
  const path = request.url ?? ''
  route.lane.refusals.record({ method, origin: route.origin, path, reason, ...(call === undefined ? {} : { call }) })
  if (response.headersSent || response.destroyed) return void request.socket.destroy()
  // What is misframed or misdirected says nothing about where the next request on this connection begins.
  const close = status !== 403
  const body = `${JSON.stringify({ message: `jit: ${reason} (${method} ${path.split('?', 1)[0]?.slice(0, 200) ?? ''})` })}\n`
  response.writeHead(status, {
    'content-type': 'application/json; charset=utf-8',
    'content-length': Buffer.byteLength(body),
    ...(close ? { connection: 'close' } : {}),
  })
  response.end(body)
  request.resume()
}
