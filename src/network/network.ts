import { lookup } from 'node:dns/promises'
import { readFileSync } from 'node:fs'
import { isAbsolute, join } from 'node:path'
import { connect as connectTcp, type Socket } from 'node:net'
import { connect as connectTls, createSecureContext, rootCertificates, type SecureContext, type TLSSocket } from 'node:tls'
import { Agent as HttpsAgent } from 'node:https'
import { Agent as HttpAgent } from 'node:http'
import { Agent, type buildConnector, fetch as undiciFetch } from 'undici'
import { JitError, quote } from '../core/errors.ts'
import type { Config } from '../config/schema.ts'
import { refuseAddress } from './address.ts'

/** How the daemon reaches upstreams: the name is resolved once, the address checked, and that address dialled. */
export interface Network {
  /** For providers: never follows a redirect. */
  readonly fetch: typeof globalThis.fetch
  /** For egress: keep-alive agents whose sockets are dialled here. */
  readonly httpsAgent: HttpsAgent
  readonly httpAgent: HttpAgent
  readonly timeout: number
  close(): Promise<void>
}

export function createNetwork(config: Config['network'], baseFolder: string): Network {
  const context = createContext(config.ca, baseFolder)
  const target = async (host: string, port: number): Promise<{ address: string; port: number }> => {
    const listed = config.hosts[`${host}:${port}`] ?? config.hosts[host]
    if (listed !== undefined) return parseTarget(listed, port)
    const { address } = await lookup(host).catch((error: unknown) => {
      throw new JitError('egress.upstream', `${quote(host)} has no address`, { cause: error })
    })
    const refused = refuseAddress(address)
    if (refused !== undefined)
      throw new JitError('egress.upstream', `${quote(host)} is not dialled: ${refused}`, {
        hint: 'If it is meant, list it under `network.hosts`.',
      })
    return { address, port }
  }
  const dial = async (host: string, port: number, tls: boolean): Promise<Socket | TLSSocket> => {
    const found = await target(host, port)
    if (!tls && config.hosts[`${host}:${port}`] === undefined && config.hosts[host] === undefined && !isLoopback(found.address)) {
      throw new JitError('egress.upstream', `${quote(host)} is not asked in clear text`)
    }
    const socket = connectTcp({ host: found.address, port: found.port, noDelay: true })
    if (!tls) return socket
    return connectTls({ socket, servername: host, secureContext: context, ALPNProtocols: ['http/1.1'] })
  }
  const connector: buildConnector.connector = (options, callback) => {
    const tls = options.protocol === 'https:'
    dial(options.hostname, Number(options.port) || (tls ? 443 : 80), tls).then(
      (socket) => {
        socket.once(tls ? 'secureConnect' : 'connect', () => callback(null, socket))
        socket.once('error', (error) => callback(error, null))
      },
      (error: unknown) => callback(error instanceof Error ? error : new Error(String(error)), null),
    )
  }
  const dispatcher = new Agent({ connect: connector, headersTimeout: config.timeout, bodyTimeout: config.timeout })
  return {
    // undici's fetch is the platform's fetch with a dispatcher; only the type names differ.
    fetch: ((input: string, init: RequestInit = {}) =>
      undiciFetch(input, { ...init, redirect: 'manual', dispatcher } as never)) as unknown as typeof globalThis.fetch,
    httpsAgent: dialing(new HttpsAgent({ keepAlive: true, maxSockets: 64 }), (host, port) => dial(host, port, true), 443),
    httpAgent: dialing(new HttpAgent({ keepAlive: true, maxSockets: 64 }), (host, port) => dial(host, port, false), 80),
    timeout: config.timeout,
    async close() {
      await dispatcher.destroy()
    },
  }
}

/** Makes an agent dial through us: the callback form of createConnection lets the address be checked first. */
function dialing<T extends HttpAgent>(agent: T, dial: (host: string, port: number) => Promise<Socket>, defaultPort: number): T {
  Object.assign(agent, {
    createConnection(options: { host?: string; port?: number }, callback: (error: Error | null, socket?: Socket) => void) {
      dial(options.host ?? '', Number(options.port ?? defaultPort)).then(
        (socket) => callback(null, socket),
        (error: unknown) => callback(error instanceof Error ? error : new Error(String(error))),
      )
    },
  })
  return agent
}

function createContext(files: readonly string[], baseFolder: string): SecureContext {
  const more = files.map((file) => readFileSync(isAbsolute(file) ? file : join(baseFolder, file), 'utf8'))
  return createSecureContext(more.length === 0 ? {} : { ca: [...rootCertificates, ...more] })
}

function parseTarget(text: string, port: number): { address: string; port: number } {
  const match = /^(\[[^\]]+\]|[^:]+)(?::(\d+))?$/.exec(text)
  return { address: (match?.[1] ?? text).replace(/^\[|\]$/g, ''), port: Number(match?.[2] ?? port) }
}

function isLoopback(address: string): boolean {
  return address.startsWith('127.') || address === '::1'
}
