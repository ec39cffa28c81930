import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { createServer as createHttpsServer } from 'node:https'
import { pauseFor } from '../../../test/support/pause.ts'
import { type AuthorizationServer, type ServerOptions, startAuthorizationServer } from './server.ts'
import { listen } from './listen.ts'

/** What happens to requests of one path instead of what the server would do. */
export interface Twist {
  readonly path: string | RegExp
  readonly status?: number
  readonly headers?: Readonly<Record<string, string>>
  /** Closes the connection: `true` before the server sees the request, `after` when it has acted. */
  readonly cut?: boolean | 'after'
  /** Milliseconds; ends early when the client goes away. */
  readonly delay?: number
  /** Changes the server's own answer. */
  readonly answer?: (body: Record<string, unknown>) => unknown
  /** Answers this text instead. */
  readonly text?: string
}

export interface Front {
  readonly issuer: string
  readonly server: AuthorizationServer
  readonly journal: readonly {
    readonly method: string
    readonly path: string
    readonly body: string
    readonly headers: IncomingMessage['headers']
  }[]
  /** The returned function ends it. */
  twist(twist: Twist): () => void
  close(): Promise<void>
}

export type FrontOptions = ServerOptions & { readonly tls?: { readonly key: string; readonly cert: string } }

/** The real server behind a front that can fail, wait and lie. */
export async function startFront(options: FrontOptions = {}): Promise<Front> {
  const journal: { method: string; path: string; body: string; headers: IncomingMessage['headers'] }[] = []
  const twists: Twist[] = []
  let inner = 0
  const handle = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const { method = 'GET', url: path = '/', headers } = request
    const body = await readAll(request)
    journal.push({ method, path, body, headers })
    const twist = twists.find((one) => (typeof one.path === 'string' ? one.path === path : one.path.test(path)))
    if (twist?.delay !== undefined) await pauseFor(request, twist.delay)
    if (twist?.cut === true) return void request.socket.destroy()
    if (twist?.status !== undefined || twist?.text !== undefined) {
      response.writeHead(twist.status ?? 200, { 'content-type': 'application/json', ...twist.headers })
      return void response.end(twist.text ?? JSON.stringify({ error: 'a_fault', error_description: 'of the stand-in' }))
    }
    const { authorization, 'content-type': type } = headers
    const forwarded = { 'x-forwarded-host': headers.host ?? '', 'x-forwarded-proto': options.tls === undefined ? 'http' : 'https' }
    const answer = await fetch(`http://127.0.0.1:${inner}${path}`, {
      method,
      headers: {
        ...forwarded,
        ...(authorization === undefined ? {} : { authorization }),
        ...(type === undefined ? {} : { 'content-type': type }),
      },
      ...(method === 'GET' ? {} : { body }),
    })
    const text = await answer.text()
    if (twist?.cut === 'after') return void request.socket.destroy()
    response.writeHead(answer.status, { 'content-type': answer.headers.get('content-type') ?? 'application/json' })
    response.end(twist?.answer === undefined || answer.status !== 200 ? text : JSON.stringify(twist.answer(JSON.parse(text))))
  }
  const listener = (request: IncomingMessage, response: ServerResponse): void =>
    void handle(request, response).catch(() => request.socket.destroy())
  const front = await listen(options.tls === undefined ? createServer(listener) : createHttpsServer(options.tls, listener))
  const issuer = `http${options.tls === undefined ? '' : 's'}://127.0.0.1:${front.port}`
  const server = await startAuthorizationServer(issuer, options)
  inner = server.port
  return {
    issuer,
    server,
    journal,
    twist(twist) {
      twists.unshift(twist)
      return () => void twists.splice(twists.indexOf(twist), 1)
    },
    async close() {
      await front.close()
      await server.close()
    },
  }
}

async function readAll(request: IncomingMessage): Promise<string> {
  let text = ''
  for await (const chunk of request.setEncoding('utf8')) text += chunk
  return text
}
