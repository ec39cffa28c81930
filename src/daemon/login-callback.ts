import { timingSafeEqual } from 'node:crypto'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { Clock } from '../core/clock.ts'
import { JitError } from '../core/errors.ts'
import { Connections } from '../gateway/http/connections.ts'
import type { CallbackPlace, LoginCallback } from '../provider/contract.ts'
import { callbackPage, type Outcome } from './login-page.ts'

/** Milliseconds from the listener's start, asleep or not: a browser that comes back later finds nobody. */
const life = 600_000
const limits = {
  requestTimeout: 10_000,
  headersTimeout: 10_000,
  keepAliveTimeout: 1,
  connectionsCheckingInterval: 2000,
  maxHeaderSize: 16_384,
}
/** Beyond them the oldest is closed: what says nothing must not keep the browser out. */
const maxConnections = 16
/** Requests with a wrong state, from whatever program of this machine: more of them are not answered any more. */
const maxStrangers = 64

interface Waiting {
  readonly state: string
  resolve(parameters: URLSearchParams): void
  reject(reason: unknown): void
}

/**
 * The way back from the browser: a listener on 127.0.0.1 for one path. Every program of this machine can reach it, and every page in
 * the browser can send the browser there, so only the state that the login made decides; it counts once.
 */
export async function listenForLogin(place: CallbackPlace, clock: Clock): Promise<LoginCallback> {
  const { host = '127.0.0.1', port = 0, path } = place
  const [startedAt, endsAt] = [clock.now(), clock.monotonic() + life]
  const used = new Set<string>()
  let waiting: Waiting | undefined
  let strangers = 0
  let ended: JitError | undefined

  const server = createServer(limits, (request, response) => {
    const outcome = judge(request)
    if (outcome === 'unknown' && (strangers += 1) > maxStrangers) return void request.socket.destroy()
    answer(response, outcome)
  })
  const connections = new Connections({ connections: maxConnections, connectionsOfToken: maxConnections })
  server.on('connection', (socket) => connections.add(socket))
  const bound = await bind(server, port)
  const authority = `${host}:${bound}`

  // No timer runs while the machine sleeps.
  const isOver = (): boolean => clock.monotonic() >= endsAt || clock.now() >= startedAt + life
  const judge = ({ method, url = '', headers }: IncomingMessage): Outcome => {
    // A page that made its own name point here (DNS rebinding) asks for that name.
    if (headers.host !== authority || (method !== 'GET' && method !== 'HEAD')) return 'unknown'
    const [asked, query = ''] = url.split('?', 2)
    if (asked !== path || method === 'HEAD') return 'unknown'
    const parameters = new URLSearchParams(query)
    const [state = '', ...more] = parameters.getAll('state')
    if (more.length > 0) return 'unknown'
    if (used.has(state)) return 'used'
    if (isOver()) {
      end()
      return 'expired'
    }
    if (waiting === undefined || !isEqual(state, waiting.state)) return 'unknown'
    used.add(state)
    const { resolve } = waiting
    waiting = undefined
    resolve(parameters)
    return parameters.has('error') ? 'refused' : 'received'
  }

  const close = (): void => {
    cancel()
    waiting?.reject(new JitError('cancelled', 'the login was ended'))
    waiting = undefined
    server.close()
    // What is being answered gets its page.
    server.closeIdleConnections()
  }
  const end = (): void => {
    ended = new JitError('provider.login', `nobody finished the login in the browser within ${life / 60_000} minutes`, {
      hint: 'Run `jit login` again.',
    })
    waiting?.reject(ended)
    waiting = undefined
    close()
  }
  const cancel = clock.after(life, end)

  return {
    redirectUri: `http://${authority}${path}`,
    close,
    wait: (state, signal) =>
      new Promise<URLSearchParams>((resolve, reject) => {
        if (ended === undefined && isOver()) end()
        if (ended !== undefined) return reject(ended)
        if (signal.aborted) return reject(signal.reason)
        const abort = (): void => {
          waiting = undefined
          reject(signal.reason)
        }
        signal.addEventListener('abort', abort, { once: true })
        const settled = (): void => signal.removeEventListener('abort', abort)
        waiting = {
          state,
          resolve: (parameters) => (settled(), resolve(parameters)),
          reject: (reason) => (settled(), reject(reason)),
        }
      }),
  }
}

function answer(response: ServerResponse, outcome: Outcome): void {
  const { status, headers, body } = callbackPage(outcome)
  response.writeHead(status, { ...headers, connection: 'close' }).end(body)
}

function bind(server: Server, port: number): Promise<number> {
  return new Promise((resolve, reject) => {
    server.once('error', (cause) => {
      reject(
        new JitError('conflict', `port ${port} of this machine cannot be listened on for the answer of the browser: ${cause.message}`, {
          hint: 'Another login, or another program, has it: end that, or set another port.',
          cause,
        }),
      )
    })
    server.listen(port, '127.0.0.1', () => {
      const address = server.address()
      resolve(typeof address === 'object' && address !== null ? address.port : port)
    })
  })
}

function isEqual(given: string, wanted: string): boolean {
  const [one, other] = [Buffer.from(given), Buffer.from(wanted)]
  return one.length === other.length && timingSafeEqual(one, other)
}
