import { JitError, quote } from '../../core/errors.ts'
import type { Principal, Surroundings } from '../../core/types.ts'
import type { Connection, ClientIdentity } from '../client/connection.ts'
import type { ClientLink } from '../client/link.ts'
import { EventSession } from './event-session.ts'
import type { HttpLimits } from './limits.ts'
import { type ClientSession, Session, type SessionDeps } from './session.ts'
import { Stateless } from './stateless.ts'
import type { Token } from './tokens.ts'
import type { ServerResponse } from 'node:http'

export interface SessionsDeps extends Surroundings {
  readonly limits: HttpLimits
  open(link: ClientLink, identity: ClientIdentity): Connection
  /** Takes the connection out of what the gateway stops, and ends it. */
  leave(connection: Connection, reason: JitError): void
  /** Who comes with a token; `leave` ends this connection's part. */
  enter(token: Token): { principal: Principal; leave: () => void }
}

interface Held {
  readonly session: ClientSession
  readonly token: Token
  readonly server: string
  readonly kind: 'session' | 'events' | 'stateless'
  readonly leave: () => void
}

const sweepEvery = 30_000
const longestRevision = 64

/** What is open at the door: sessions by their id, and from 2026-07-28 on one connection for each token and server. */
export class HttpSessions {
  readonly #deps: SessionsDeps
  readonly #held = new Map<ClientSession, Held>()
  readonly #byId = new Map<string, Session | EventSession>()
  readonly #shared = new Map<string, Stateless>()
  readonly #parts: SessionDeps
  #cancelSweep: () => void = () => undefined

  constructor(deps: SessionsDeps) {
    this.#deps = deps
    const { clock, log, limits } = deps
    this.#parts = { clock, log, limits, onEnd: (session, error) => this.end(session, error) }
  }

  /** Undefined for an id that is not known, not any more, or not to this token and server. */
  find(id: string, token: Token, server: string): Session | undefined {
    const session = this.#owned(id, token, server)
    return session instanceof Session ? session : undefined
  }

  findEvents(id: string, token: Token, server: string): EventSession | undefined {
    const session = this.#owned(id, token, server)
    return session instanceof EventSession ? session : undefined
  }

  /** Throws `daemon.busy` when there are as many as may be, and none of them is idle. */
  openSession(token: Token, server: string): Session {
    this.#makeRoom(token, server)
    const session = new Session(this.#parts)
    this.#hold(session, token, server, 'session')
    this.#byId.set(session.id, session)
    return session
  }

  /** Answers the response with a stream; what the client posts goes to `path`. Throws like `openSession`. */
  openEvents(token: Token, server: string, response: ServerResponse, path: string): void {
    this.#makeRoom(token, server)
    const session = new EventSession(this.#parts, response, path, new JitError('cancelled', 'the client went away'))
    this.#hold(session, token, server, 'events')
    this.#byId.set(session.id, session)
  }

  /**
   * `revision`: what its messages claim to be. Each has a connection of its own: a local server may take the first message for
   * what all others are. Throws like `openSession`.
   */
  shared(token: Token, server: string, revision: string): Stateless {
    const key = JSON.stringify([server, token.name, revision.slice(0, longestRevision)])
    const known = this.#shared.get(key)
    if (known !== undefined) return known
    this.#makeRoom(token, server)
    const made = new Stateless(this.#parts, key)
    this.#hold(made, token, server, 'stateless')
    this.#shared.set(key, made)
    return made
  }

  /** Ends one: what is open gets the reason, what runs is ended. */
  end(session: ClientSession, reason: JitError): void {
    const held = this.#held.get(session)
    if (held === undefined) return
    this.#held.delete(session)
    if (held.kind === 'stateless') this.#shared.delete(session.id)
    else this.#byId.delete(session.id)
    session.finish(reason)
    held.leave()
    if (session.connection !== undefined) this.#deps.leave(session.connection, reason)
    if (this.#held.size === 0) this.#cancelSweep()
  }

  /** Ends what came with a token, or all. */
  endAll(reason: JitError, token?: Token): void {
    for (const held of this.#held.values()) if (token === undefined || held.token.name === token.name) this.end(held.session, reason)
  }

  #owned(id: string, token: Token, server: string): Session | EventSession | undefined {
    const session = this.#byId.get(id)
    const held = session === undefined ? undefined : this.#held.get(session)
    return held?.token.name === token.name && held.server === server ? session : undefined
  }

  #hold(session: Session | EventSession | Stateless, token: Token, server: string, kind: Held['kind']): void {
    const { principal, leave } = this.#deps.enter(token)
    session.connection = this.#deps.open(session, { server, principal })
    if (this.#held.size === 0) this.#sweep()
    this.#held.set(session, { session, token, server, kind, leave })
  }

  /** Of too many, the one that was idle longest makes room: of the token's with that server, of the token's, of all. */
  #makeRoom(token: Token, server: string): void {
    const { sessions, sessionsOfServer, sessionsInAll } = this.#deps.limits
    const isOwn = (held: Held): boolean => held.token.name === token.name
    const named = quote(token.name)
    this.#keepBelow(sessionsOfServer, `the token ${named} with server ${server}`, (held) => isOwn(held) && held.server === server)
    this.#keepBelow(sessions, `the token ${named}`, isOwn)
    this.#keepBelow(sessionsInAll, 'all tokens together', () => true)
  }

  /** Of all tokens, the one with the most sessions gives one up: no other has to for a flood of its. */
  #keepBelow(limit: number, whose: string, counts: (held: Held) => boolean): void {
    const among = [...this.#held.values()].filter(counts)
    if (among.length < limit) return
    const sizes = new Map<string, number>()
    for (const { token } of among) sizes.set(token.name, (sizes.get(token.name) ?? 0) + 1)
    const sizeOf = ({ token }: Held): number => sizes.get(token.name) ?? 0
    const [idlest] = among
      .filter(({ session }) => !session.busy)
      .sort((left, right) => sizeOf(right) - sizeOf(left) || left.session.lastUsed - right.session.lastUsed)
    if (idlest === undefined)
      throw new JitError('daemon.busy', `${among.length} sessions of ${whose} are in use, and ${limit} is the limit`, {
        hint: 'End some clients.',
      })
    this.end(
      idlest.session,
      new JitError('cancelled', `the session was idle and made room for another: ${limit} sessions of ${whose} are the limit`),
    )
  }

  #sweep(): void {
    this.#cancelSweep = this.#deps.clock.after(sweepEvery, () => {
      const { idleSession, idleServer } = this.#deps.limits
      const now = this.#deps.clock.monotonic()
      for (const { session, kind } of this.#held.values()) {
        const idle = session.busy ? 0 : now - session.lastUsed
        if (idle > (kind === 'stateless' ? idleServer : idleSession))
          this.end(session, new JitError('cancelled', 'nobody used the session'))
      }
      if (this.#held.size > 0) this.#sweep()
    })
  }
}
