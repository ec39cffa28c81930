import { Agent as HttpAgent } from 'node:http'
import { Agent as HttpsAgent } from 'node:https'
import { PassThrough } from 'node:stream'
import type { Agent as UndiciAgent, buildConnector, fetch as undiciFetch, RequestInit as UndiciRequestInit } from 'undici'
import type { Config } from '../config/schema.ts'
import { type Clock, systemClock } from '../core/clock.ts'
import type { Logger } from '../core/types.ts'
import { createDial, type Dial } from './dial.ts'
import { readHosts } from './hosts.ts'
import { createTrust } from './trust.ts'

/** How the daemon reaches upstreams: checked addresses, verified TLS, no redirects. */
export interface Network {
  /** For providers: never follows a redirect, answers at most 8 MiB, ends after `network.timeout`. */
  readonly fetch: typeof globalThis.fetch
  /** For egress: agents that keep connections and whose sockets are dialled here. */
  readonly httpsAgent: HttpsAgent
  readonly httpAgent: HttpAgent
  /** Milliseconds without a byte after which an upstream is given up. */
  readonly timeout: number
  /** Lets requests under way finish, for five seconds; closes idle connections at once. */
  close(): Promise<void>
}

export interface NetworkOptions {
  /** Folder that the paths of `network.ca` count from: the config file's. */
  readonly baseFolder: string
  readonly clock: Clock
  readonly log: Logger
  /** Trust what the operating system trusts too. Default: false. */
  readonly systemCa?: boolean
}

const connectTimeout = 10_000
const closeTimeout = 5000
const answerCap = 8 * 1024 * 1024
/** What one end may hold open is bounded there (a lane's connections, a client's requests): the lanes of one must not queue the others up. */
const perOrigin = 4096
const connections = { keepAlive: true, maxSockets: perOrigin, maxFreeSockets: 32, timeout: 60_000 } as const

/** Throws JitError `config.invalid` for an entry of `network.hosts` or a file of `network.ca` that cannot be used. */
export function createNetwork(config: Config['network'], place: NetworkOptions | string): Network {
  const options: NetworkOptions = typeof place === 'string' ? { baseFolder: place, clock: systemClock, log: silent } : place
  const { clock, log } = options
  const trust = createTrust(config.ca, options.baseFolder, options.systemCa ?? false)
  const dial = createDial({ hosts: readHosts(config.hosts), trust, timeout: Math.min(connectTimeout, config.timeout), clock, log })
  let client: Promise<Client> | undefined
  let isClosed = false
  /** Loaded with the first request; one that could not be, for want of descriptors, is with the next. */
  const clientNow = (): Promise<Client> => {
    if (isClosed) throw new TypeError('the network that this was for has been closed')
    client ??= openClient(dial, config.timeout).catch((error: unknown) => {
      client = undefined
      throw error
    })
    return client
  }
  const httpsAgent = dialing(new HttpsAgent(connections), dial, true)
  const httpAgent = dialing(new HttpAgent(connections), dial, false)
  return {
    fetch: async (input, init) => {
      // `object`, since the platform's RequestInit and this package's differ in name only.
      const asked: object = { ...(input instanceof Request ? await readRequest(input) : {}), ...init }
      const target = input instanceof Request ? input.url : input
      const { fetch, dispatcher } = await clientNow()
      return fetch(target, { ...asked, redirect: 'manual', dispatcher }).catch((error: unknown) => {
        throw plainly(error)
      })
    },
    httpsAgent,
    httpAgent,
    timeout: config.timeout,
    async close() {
      isClosed = true
      for (const agent of [httpsAgent, httpAgent]) retire(agent)
      const dispatcher = await client?.then((opened) => opened.dispatcher).catch(() => undefined)
      if (dispatcher === undefined) return
      const cancel = clock.after(closeTimeout, () => void dispatcher.destroy())
      await dispatcher.close().catch(() => undefined)
      cancel()
    },
  }
}

interface Client {
  readonly fetch: typeof undiciFetch
  readonly dispatcher: UndiciAgent
}

/** A daemon that asks no upstream for anything does not pay for what this loads. */
async function openClient(dial: Dial, timeout: number): Promise<Client> {
  const { Agent, fetch } = await import('undici')
  const limits = { headersTimeout: timeout, bodyTimeout: timeout, maxResponseSize: answerCap }
  return { fetch, dispatcher: new Agent({ connect: connector(dial), ...limits }) }
}

/** The agent asks for a socket and gets one that was dialled here: connected, its address checked, its certificate verified. */
function dialing<A extends HttpAgent>(agent: A, dial: Dial, tls: boolean): A {
  agent.createConnection = ({ host, port }, callback) => {
    dial(host ?? '', Number(port ?? (tls ? 443 : 80)), tls).then(
      (socket) => callback?.(null, socket),
      // The type wants a stream beside the error; the agent reads the error alone.
      (error: unknown) => callback?.(asError(error), new PassThrough()),
    )
    return undefined
  }
  return agent
}

/** Idle sockets close now, those in use when their answer is complete. */
function retire(agent: HttpAgent): void {
  Object.assign(agent, { keepAlive: false })
  for (const sockets of Object.values(agent.freeSockets)) for (const socket of sockets ?? []) socket.destroy()
}

function connector(dial: Dial): buildConnector.connector {
  return ({ hostname, protocol, port }, callback) => {
    const tls = protocol === 'https:'
    dial(hostname.replace(/^\[|\]$/g, ''), Number(port) || (tls ? 443 : 80), tls).then(
      (socket) => callback(null, socket),
      (error: unknown) => callback(asError(error), null),
    )
  }
}

/** The platform's Request is another class than this package's. */
async function readRequest(request: Request): Promise<UndiciRequestInit> {
  const { method, headers, signal } = request
  return { method, headers: [...headers], signal, ...(request.body === null ? {} : { body: await request.arrayBuffer() }) }
}

/** "fetch failed" says nothing; why it did stands in its cause. */
function plainly(error: unknown): unknown {
  if (!(error instanceof TypeError) || !(error.cause instanceof Error)) return error
  const { cause } = error
  const code = 'code' in cause && typeof cause.code === 'string' && !cause.message.includes(cause.code) ? ` (${cause.code})` : ''
  return new TypeError(`${cause.message}${code}`, { cause })
}

function asError(thrown: unknown): Error {
  return thrown instanceof Error ? thrown : new Error(String(thrown))
}

const silent: Logger = { debug() {}, info() {}, warn() {}, error() {} }
