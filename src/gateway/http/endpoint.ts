import type { IncomingMessage, ServerResponse } from 'node:http'
import { JitError, quote, toJitError } from '../../core/errors.ts'
import type { Config } from '../../config/schema.ts'
import type { Bodies } from './body.ts'
import { acceptOf, isJson } from './head.ts'
import { type Posted, readPost, revisionOf } from './post.ts'
import type { HttpSessions } from './sessions.ts'
import type { Token } from './tokens.ts'

export interface EndpointDeps {
  readonly sessions: HttpSessions
  readonly bodies: Bodies
  limits(): Config['limits']
  /** A message does not go on. */
  refuse(response: ServerResponse, error: JitError, options?: RefuseOptions): void
}

export interface RefuseOptions {
  readonly status?: number
  readonly id?: string | number | null
  readonly headers?: Readonly<Record<string, string>>
}

/** A request whose sender is known and that names a server which there is. */
export interface Visit {
  readonly request: IncomingMessage
  readonly response: ServerResponse
  readonly token: Token
  /** Whether it was removed, or is over, since the request began: its body takes the sender's time. */
  isGone(): boolean
  readonly server: string
  /** `/mcp/SERVER`, or below it the two addresses of 2024-11-05. */
  readonly place: '' | '/sse' | '/message'
  /** `session=` of the address. */
  readonly session: string
}

/** First revision without sessions. */
const stateless = '2026-07-28'

/** One server as HTTP clients see it, whatever revision they speak. */
export class Endpoint {
  readonly #deps: EndpointDeps

  constructor(deps: EndpointDeps) {
    this.#deps = deps
  }

  visit(visit: Visit): void {
    const { request, response, place } = visit
    const allowed = place === '' ? ['POST', 'GET', 'DELETE'] : [place === '/sse' ? 'GET' : 'POST']
    if (!allowed.includes(request.method ?? '')) return this.#refuseMethod(visit, allowed)
    this.#guarded(response, () => {
      if (request.method === 'POST') this.#post(visit)
      else if (place === '/sse') this.#openEvents(visit)
      else if (request.method === 'GET') this.#listen(visit)
      else this.#end(visit)
    })
  }

  #post(visit: Visit): void {
    const { request, response } = visit
    if (!isJson(request)) throw new Unfit(415, 'a message is application/json, not packed, in UTF-8')
    const accept = acceptOf(request.headers.accept)
    if (!accept.json && !accept.events) throw new Unfit(406, 'an answer is application/json or text/event-stream')
    const { bodies, limits } = this.#deps
    const { name } = visit.token
    bodies.read(request, name, limits().messageBytes, (body) => {
      if (body instanceof JitError) return this.#deps.refuse(response, body)
      let held = true
      const done = (): void => {
        if (held) bodies.release(body, name)
        held = false
      }
      this.#guarded(response, () => this.#take(visit, accept, { ...readPost(body, limits()), done }), done)
    })
  }

  #take(visit: Visit, accept: { json: boolean; events: boolean }, post: Posted): void {
    const { request, response, token, server, place } = visit
    const { sessions } = this.#deps
    if (visit.isGone()) throw new JitError('token.refused', `the token ${quote(token.name)} is gone`)
    if (place === '/message') {
      const found = sessions.findEvents(visit.session, token, server)
      if (found === undefined) throw noSession()
      return found.post(post, response)
    }
    const revision = headerOf(request, 'mcp-protocol-version')
    const message = post.parsed?.ok === true ? post.parsed.message : undefined
    const claimed = message === undefined ? undefined : (revisionOf(message) ?? (isStateless(revision) ? revision : undefined))
    if (message !== undefined && claimed !== undefined)
      return sessions.shared(token, server, claimed).post({ post, message, response, accept, headers: request.headers })
    const posted = { post, response, accept, revision }
    const id = headerOf(request, 'mcp-session-id')
    if (id !== undefined) return (sessions.find(id, token, server) ?? missing()).post(posted)
    if (message?.kind === 'request' && message.method === 'initialize') return sessions.openSession(token, server).post(posted)
    post.done()
    if (post.parsed?.ok === false) return this.#deps.refuse(response, post.parsed.error, { id: post.parsed.id })
    throw new JitError('message.malformed', 'the message belongs to no session: Mcp-Session-Id is missing', {
      hint: 'Send `initialize` first, or what 2026-07-28 asks for in each message.',
    })
  }

  #listen(visit: Visit): void {
    const { request, response, token, server } = visit
    const revision = headerOf(request, 'mcp-protocol-version')
    const id = headerOf(request, 'mcp-session-id')
    // Who has no session has no stream either: that is what 405 says to clients of every revision.
    if (id === undefined || isStateless(revision)) return this.#refuseMethod(visit, ['POST'])
    const session = this.#deps.sessions.find(id, token, server) ?? missing()
    if (!acceptOf(request.headers.accept).events) throw new Unfit(406, 'what a server says unasked is text/event-stream')
    session.listen(response, { revision, lastEvent: headerOf(request, 'last-event-id') })
  }

  #openEvents({ request, response, token, server }: Visit): void {
    if (!acceptOf(request.headers.accept).events) throw new Unfit(406, 'what a server says is text/event-stream')
    this.#deps.sessions.openEvents(token, server, response, `/mcp/${server}/message`)
  }

  #end(visit: Visit): void {
    const { request, response, token, server } = visit
    const id = headerOf(request, 'mcp-session-id')
    if (id === undefined) return this.#refuseMethod(visit, ['POST'])
    this.#deps.sessions.end(
      this.#deps.sessions.find(id, token, server) ?? missing(),
      new JitError('cancelled', 'the client ended its session'),
    )
    response.writeHead(204).end()
  }

  #refuseMethod({ request, response }: Visit, allowed: readonly string[]): void {
    const error = new JitError('usage', `${request.method ?? ''} is not spoken at this address`, {
      hint: `It takes ${allowed.join(', ')}.`,
    })
    this.#deps.refuse(response, error, { status: 405, headers: { allow: allowed.join(', ') } })
  }

  /** `failed`: runs when the work could not be done. */
  #guarded(response: ServerResponse, work: () => void, failed?: () => void): void {
    try {
      work()
    } catch (error) {
      failed?.()
      if (error instanceof Unfit) this.#deps.refuse(response, error.reason, { status: error.status })
      else this.#deps.refuse(response, toJitError(error))
    }
  }
}

/** A body that does not matter, since the headers say that it cannot be taken. */
class Unfit extends Error {
  readonly status: number
  readonly reason: JitError

  constructor(status: number, message: string) {
    super(message)
    this.status = status
    this.reason = new JitError('usage', message, { hint: 'See the transport’s page in the MCP specification.' })
  }
}

/** What the message says of itself counts; a header only for messages that say nothing. */
function isStateless(revision: string | undefined): boolean {
  return revision !== undefined && /^\d{4}-\d{2}-\d{2}$/.test(revision) && revision >= stateless
}

function headerOf({ headers }: IncomingMessage, name: string): string | undefined {
  const value = headers[name]
  return typeof value === 'string' ? value : undefined
}

function missing(): never {
  throw noSession()
}

function noSession(): JitError {
  return new JitError('not-found', 'there is no such session', { hint: 'Begin a new one with `initialize`.' })
}
