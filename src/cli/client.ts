import { request } from 'node:http'
import type { Socket } from 'node:net'
import type { Readable } from 'node:stream'
import { type ErrorBody, type ErrorCode, errorTable, JitError } from '../core/errors.ts'
import { Secret } from '../core/secret.ts'
import { myPlaces } from '../shim/paths.js'
import { reach, Unreachable } from '../shim/start-daemon.js'

export type Route = readonly [method: string, path: string]

/** The daemon's API over its unix socket. */
export interface Client {
  /** The parsed body. Throws the daemon's own JitError, or `daemon.unreachable`. */
  call(route: Route, options?: CallOptions): Promise<unknown>
  /** The body as it comes; without a deadline once it has begun. */
  stream(route: Route, query: Readonly<Record<string, string>>, body?: unknown): Promise<Readable>
}

export interface CallOptions {
  /** A Secret in it is sent as its text, and is none of that anywhere else. */
  readonly body?: unknown
  readonly parameters?: Readonly<Record<string, string>>
  /** Do not start a daemon when none runs. */
  readonly noStart?: boolean
  /** Milliseconds for the whole answer; a minute unless told. */
  readonly deadline?: number
}

/** How long a daemon may take to start: on a busy machine, with a database to recover. */
const startWait = 15_000
const usualDeadline = 60_000

export function createClient(): Client {
  return {
    async call(route, options = {}) {
      const signal = AbortSignal.timeout(options.deadline ?? usualDeadline)
      const { status, body } = await send(route, options, '', signal).catch((error: unknown) => {
        // A daemon that is being killed still takes connections for a moment; who only reads asks the next one.
        if (route[0] === 'GET' && isReset(error)) return send(route, options, '', signal)
        throw error
      })
      const value = parse(await text(body, signal))
      if (status >= 400) throw reviveError(value)
      return value
    },
    async stream(route, query, asked) {
      const { status, body } = await send(route, asked === undefined ? {} : { body: asked }, `?${new URLSearchParams(query).toString()}`)
      if (status >= 400) throw reviveError(parse(await text(body)))
      return body
    },
  }
}

async function send(
  [method, path]: Route,
  options: CallOptions,
  query: string,
  signal?: AbortSignal,
): Promise<{ status: number; body: Readable }> {
  const socket = await reachDaemon(options.noStart !== true)
  const filled = path.replace(/:([a-z]+)/g, (_, name: string) => encodeURIComponent(options.parameters?.[name] ?? ''))
  const payload = options.body === undefined ? undefined : JSON.stringify(options.body, openSecret)
  const headers = {
    host: 'jit',
    ...(payload === undefined ? {} : { 'content-type': 'application/json', 'content-length': Buffer.byteLength(payload) }),
  }
  return new Promise((resolve, reject) => {
    const outgoing = request(
      { createConnection: () => socket, method, path: `${filled}${query}`, headers, ...(signal === undefined ? {} : { signal }) },
      (response) => resolve({ status: response.statusCode ?? 0, body: response }),
    )
    outgoing.once('error', (error) => reject(broken(error, signal)))
    outgoing.end(payload)
  })
}

async function reachDaemon(start: boolean): Promise<Socket> {
  const { apiSocket, state } = await myPlaces()
  try {
    return await reach(apiSocket, { state, start, wait: startWait })
  } catch (error) {
    throw new JitError('daemon.unreachable', error instanceof Error ? error.message : String(error), {
      cause: error,
      ...(error instanceof Unreachable ? { hint: error.hint } : {}),
    })
  }
}

/** JSON.stringify asks a Secret for its `[redacted]` first; here its text is meant, and goes to the daemon and nowhere else. */
function openSecret(this: unknown, key: string, value: unknown): unknown {
  const original: unknown = typeof this === 'object' && this !== null ? Reflect.get(this, key) : value
  return original instanceof Secret ? original.seal((plain) => plain) : value
}

function broken(error: Error, signal: AbortSignal | undefined): JitError {
  const what = signal?.aborted === true ? 'the daemon did not answer in time' : `the daemon closed the connection: ${error.message}`
  return new JitError('daemon.unreachable', what, { cause: error })
}

function isReset(error: unknown): boolean {
  const cause: unknown = error instanceof JitError ? error.cause : undefined
  return cause instanceof Error && /^(ECONNRESET|EPIPE)$/.test(String(Reflect.get(cause, 'code')))
}

function parse(body: string): unknown {
  try {
    return JSON.parse(body === '' ? 'null' : body)
  } catch (error) {
    throw new JitError('daemon.unreachable', 'the daemon closed the connection in the middle of its answer', { cause: error })
  }
}

/** The daemon's error as it was thrown there. */
export function reviveError(value: unknown): JitError {
  if (!isErrorBody(value)) return new JitError('internal', `the daemon answered an error of another form: ${JSON.stringify(value)}`)
  const { code, message, hint, details } = value.error
  return new JitError(code, message, { hint, details })
}

function isErrorBody(value: unknown): value is ErrorBody {
  const error: unknown = typeof value === 'object' && value !== null ? Reflect.get(value, 'error') : undefined
  if (typeof error !== 'object' || error === null) return false
  const code: unknown = Reflect.get(error, 'code')
  const details: unknown = Reflect.get(error, 'details')
  return (
    typeof code === 'string' &&
    isErrorCode(code) &&
    typeof Reflect.get(error, 'message') === 'string' &&
    typeof details === 'object' &&
    details !== null
  )
}

function isErrorCode(code: string): code is ErrorCode {
  return Object.hasOwn(errorTable, code)
}

async function text(stream: Readable, signal?: AbortSignal): Promise<string> {
  try {
    let all = ''
    for await (const chunk of stream.setEncoding('utf8')) all += String(chunk)
    return all
  } catch (error) {
    throw broken(error instanceof Error ? error : new Error(String(error)), signal)
  }
}
