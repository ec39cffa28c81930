import { request } from 'node:http'
import type { Readable } from 'node:stream'
import { type ErrorBody, type ErrorCode, errorTable, JitError } from '../core/errors.ts'
import { socketPath } from '../shim/paths.js'
import { reach } from '../shim/start-daemon.js'

export type Route = readonly [method: string, path: string]

/** The daemon's API over its unix socket. */
export interface Client {
  /** Throws the daemon's own JitError, or `daemon.unreachable`. */
  call(route: Route, options?: CallOptions): Promise<unknown>
  stream(route: Route, query: Readonly<Record<string, string>>): Promise<Readable>
}

export interface CallOptions {
  readonly body?: unknown
  readonly parameters?: Readonly<Record<string, string>>
  /** Do not start a daemon when none runs. */
  readonly noStart?: boolean
}

const startWait = 15_000

export function createClient(): Client {
  const send = async ([method, path]: Route, options: CallOptions, query = ''): Promise<{ status: number; body: Readable }> => {
    const socket = await reach(socketPath('api.sock'), { start: options.noStart !== true, wait: startWait }).catch((error: unknown) => {
      throw new JitError(
        'daemon.unreachable',
        options.noStart === true
          ? 'no daemon runs for this home'
          : `the daemon cannot be reached: ${error instanceof Error ? error.message : String(error)}`,
      )
    })
    const filled = path.replace(/:([a-z]+)/g, (_, name: string) => encodeURIComponent(options.parameters?.[name] ?? ''))
    const payload = options.body === undefined ? undefined : JSON.stringify(options.body)
    return new Promise((resolve, reject) => {
      const outgoing = request(
        {
          createConnection: () => socket,
          method,
          path: `${filled}${query}`,
          headers: {
            host: 'jit',
            ...(payload === undefined ? {} : { 'content-type': 'application/json', 'content-length': Buffer.byteLength(payload) }),
          },
        },
        (response) => resolve({ status: response.statusCode ?? 0, body: response }),
      )
      outgoing.once('error', (error) => reject(new JitError('daemon.unreachable', `the daemon closed the connection: ${error.message}`)))
      outgoing.end(payload)
    })
  }
  return {
    async call(route, options = {}) {
      const { status, body } = await send(route, options)
      const value: unknown = JSON.parse((await text(body)) || 'null')
      if (status >= 400) throw revive(value)
      return value
    },
    async stream(route, query) {
      const { status, body } = await send(route, {}, `?${new URLSearchParams(query).toString()}`)
      if (status >= 400) throw revive(JSON.parse(await text(body)))
      return body
    },
  }
}

/** The daemon's error as it was thrown there. */
function revive(value: unknown): JitError {
  if (!isErrorBody(value)) return new JitError('internal', `the daemon answered an error of another form: ${JSON.stringify(value)}`)
  const { code, message, hint, details } = value.error
  return new JitError(code, message, { hint, details })
}

function isErrorBody(value: unknown): value is ErrorBody {
  const error: unknown = typeof value === 'object' && value !== null ? Reflect.get(value, 'error') : undefined
  const code: unknown = typeof error === 'object' && error !== null ? Reflect.get(error, 'code') : undefined
  return typeof code === 'string' && isErrorCode(code)
}

function isErrorCode(code: string): code is ErrorCode {
  return code in errorTable
}

async function text(stream: Readable): Promise<string> {
  let all = ''
  for await (const chunk of stream.setEncoding('utf8')) all += String(chunk)
  return all
}
