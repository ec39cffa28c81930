import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo, Socket } from 'node:net'
import type { AuditSink } from '../../audit/event.ts'
import type { Config } from '../../config/schema.ts'
import { JitError, quote } from '../../core/errors.ts'
import type { CompiledPolicy } from '../../policy/types.ts'
import { errorAnswer } from '../protocol/jsonrpc.ts'
import { Refusals } from '../client/refusals.ts'
import { Bodies } from './body.ts'
import { Connections } from './connections.ts'
import { Endpoint, type RefuseOptions, type Visit } from './endpoint.ts'
import { refuseHead } from './head.ts'
import { type HttpLimits, httpLimits } from './limits.ts'
import { HttpSessions, type SessionsDeps } from './sessions.ts'
import { answerPlainly } from './stateless.ts'
import type { Token, Tokens } from './tokens.ts'

export interface HttpDoorDeps extends Omit<SessionsDeps, 'limits'> {
  config(): Config
  policy(): CompiledPolicy
  readonly audit: AuditSink
  readonly tokens: Pick<Tokens, 'find' | 'isGone'>
}

const loopback = ['127.0.0.1', '::1'] as const
const address = /^\/mcp\/([A-Za-z0-9][A-Za-z0-9_-]{0,62})(\/sse|\/message)?(?:\?session=([A-Za-z0-9_-]{1,100}))?$/

/**
 * The door for clients that speak HTTP: this machine alone, no name but its own, a token with every request, and only then a
 * look at what was asked for.
 */
export class HttpDoor {
  readonly #deps: HttpDoorDeps
  readonly #limits: HttpLimits
  readonly #sessions: HttpSessions
  readonly #endpoint: Endpoint
  /** By the token's name, empty for those without: a stranger who floods hides nothing that others were refused. */
  readonly #refusals = new Map<string, Refusals>()
  /** Who sent the request that a connection carries; it carries one at a time. */
  readonly #callers = new WeakMap<Socket, string>()
  readonly #connections: Connections
  #servers: Server[] = []
  #port = 0
  #problem = ''

  constructor(deps: HttpDoorDeps, limits: HttpLimits = httpLimits) {
    this.#deps = deps
    this.#limits = limits
    this.#connections = new Connections(limits)
    this.#sessions = new HttpSessions({ ...deps, limits })
    this.#endpoint = new Endpoint({
      sessions: this.#sessions,
      bodies: new Bodies(limits),
      limits: () => deps.config().limits,
      refuse: (response, error, options) => this.#refuse(response, error, options),
    })
  }

  /** `http://127.0.0.1:PORT`; empty while it is closed. */
  get address(): string {
    return this.#servers.length === 0 ? '' : `http://127.0.0.1:${this.#port}`
  }

  /** Why it is not open, where it should be; else empty. */
  get problem(): string {
    return this.#problem
  }

  /** Opens it at the port, moves it there, or closes it. Never throws: what keeps it closed is `problem`. */
  async listen(port: number | undefined): Promise<void> {
    const isThere = this.#servers.length > 0 && (port === this.#port || port === 0)
    if (port !== undefined && isThere) return
    this.#closeServers()
    this.#problem = ''
    if (port === undefined) return this.#sessions.endAll(new JitError('daemon.restarted', 'the HTTP door was closed'))
    for (const host of loopback) {
      try {
        const server = this.#makeServer()
        this.#port = await bind(server, host, this.#port === 0 || this.#servers.length === 0 ? port : this.#port)
        this.#servers.push(server)
      } catch (error) {
        const said = error instanceof Error ? error.message : String(error)
        this.#deps.log.warn('HTTP door not opened', { host, port, error: said })
        if (host === loopback[0]) this.#problem = `the HTTP door cannot be opened at ${host}:${port}: ${said}`
        // Machines without IPv6 have one address less. Where somebody else has it, that is who hears clients that say `localhost`.
        else if (/EADDRINUSE/.test(said))
          this.#problem = `another program listens at [::1]:${this.#port}: let clients say 127.0.0.1, not localhost, or they tell it their token`
        return
      }
    }
  }

  /** What came with the token ends at once. */
  endToken(token: Token): void {
    this.#refusals.get(token.name)?.end()
    this.#refusals.delete(token.name)
    this.#sessions.endAll(new JitError('token.refused', `the token ${quote(token.name)} is gone`), token)
  }

  /** Nothing is open any more; what is, gets the reason. */
  close(reason: JitError): void {
    this.#sessions.endAll(reason)
    this.#closeServers()
    for (const refusals of this.#refusals.values()) refusals.end()
  }

  #makeServer(): Server {
    const { headTime, requestTime, idleConnection, headerBytes, headers } = this.#limits
    const server = createServer({
      maxHeaderSize: headerBytes,
      headersTimeout: headTime,
      requestTimeout: requestTime,
      keepAliveTimeout: idleConnection,
      connectionsCheckingInterval: 2000,
      joinDuplicateHeaders: false,
      insecureHTTPParser: false,
      noDelay: true,
    })
    server.maxHeadersCount = headers
    server.on('connection', (socket) => this.#connections.add(socket))
    server.on('request', (request, response) => this.#take(request, response))
    // A body is asked for only when its sender was let in.
    server.on('checkContinue', (request, response) => this.#take(request, response, () => response.writeContinue()))
    server.on('connect', (_, socket) => socket.destroy())
    return server
  }

  #take(request: IncomingMessage, response: ServerResponse, goOn?: () => void): void {
    response.on('error', () => undefined)
    if (!this.#connections.begins(request, response)) {
      this.#note(response, new JitError('message.malformed', 'a request came before the one before it was answered'))
      return void request.socket.destroy()
    }
    const visit = this.#admit(request, response)
    if (visit instanceof JitError) return this.#refuse(response, visit, { headers: visit.code === 'token.refused' ? challenge : {} })
    goOn?.()
    this.#endpoint.visit(visit)
  }

  /** Who is it, and where to: in this order, so that a stranger learns nothing. */
  #admit(request: IncomingMessage, response: ServerResponse): Visit | JitError {
    this.#callers.set(request.socket, '')
    const problem = refuseHead(request, this.#port)
    if (problem !== undefined) return problem
    const { tokens } = this.#deps
    const token = tokens.find(request.headers.authorization)
    if (token !== undefined) this.#callers.set(request.socket, token.name)
    const hasRoom = this.#connections.shows(request.socket, token?.name)
    if (token === undefined) return new JitError('token.refused', 'the request carries no token that is known here')
    if (!hasRoom)
      return new JitError('daemon.busy', `the token ${token.name} has as many connections as it may`, { hint: 'End some clients.' })
    const found = address.exec(request.url ?? '')
    if (found === null) return new JitError('not-found', 'the path is not /mcp/SERVER', { hint: '`jit servers` lists their names.' })
    const [, server = '', place = '', session = ''] = found
    const { broken, servers } = this.#deps.policy()
    if (broken !== undefined) return broken
    if (!servers.has(server) || (token.servers.size > 0 && !token.servers.has(server)))
      return new JitError('not-found', `there is no server ${quote(server)} for this token`, {
        hint: '`jit token list` says which servers it reaches, `jit servers` which there are.',
      })
    const isGone = (): boolean => tokens.isGone(token)
    return { request, response, token, isGone, server, place: place === '/sse' || place === '/message' ? place : '', session }
  }

  #refuse(response: ServerResponse, error: JitError, { status, id = null, headers }: RefuseOptions = {}): void {
    this.#note(response, error)
    if (response.headersSent || response.destroyed) return
    answerPlainly(response, status ?? error.httpStatus, errorAnswer(id, error), headers)
  }

  #note(response: ServerResponse, error: JitError): void {
    const caller = this.#callers.get(response.req.socket) ?? ''
    const refusals = this.#refusals.get(caller) ?? new Refusals(this.#deps, { server: '', connection: 'http', session: '' })
    this.#refusals.set(caller, refusals)
    refusals.note('client', error)
  }

  #closeServers(): void {
    for (const server of this.#servers) {
      server.close()
      // What was answered gets its last bytes.
      server.closeIdleConnections()
      this.#deps.clock.after(lastBytes, () => server.closeAllConnections())
    }
    this.#servers = []
  }
}

/** Milliseconds. */
const lastBytes = 500
/** RFC 9110 wants one; without a `resource_metadata` no client goes looking for somebody who would sign it in. */
const challenge = { 'www-authenticate': 'Bearer realm="jit"' }

function bind(server: Server, host: string, port: number): Promise<number> {
  return new Promise((settle, fail) => {
    server.once('error', fail)
    server.listen({ host, port, exclusive: true, ...(host === '::1' ? { ipv6Only: true } : {}) }, () => {
      server.off('error', fail)
      server.on('error', () => undefined)
      settle(portOf(server.address()))
    })
  })
}

function portOf(address: AddressInfo | string | null): number {
  return typeof address === 'object' && address !== null ? address.port : 0
}
