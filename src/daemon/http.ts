import { HttpDoor } from '../gateway/http/door.ts'
import { Principals } from '../gateway/http/principals.ts'
import { Tokens } from '../gateway/http/tokens.ts'
import type { Gateway } from '../gateway/gateway.ts'
import { humanName } from '../identity/human.ts'
import type { AuditLog } from '../audit/log.ts'
import type { JitError } from '../core/errors.ts'
import type { Surroundings } from '../core/types.ts'
import type { Store } from '../store/store.ts'
import type { Configuration } from './configuration.ts'

/** Clients that come by HTTP: where they come in, what they show, and who they are. */
export interface Http {
  readonly tokens: Tokens
  readonly principals: Pick<Principals, 'list'>
  /** `http://127.0.0.1:PORT`; empty while it is closed. */
  readonly address: string
  /** Why it is closed where it should be open; else empty. */
  readonly problem: string
  /** Opens the door where the config wants it; undefined closes it. Never throws. */
  listen(port: number | undefined): Promise<void>
  close(reason: JitError): void
}

export interface HttpDeps extends Surroundings {
  readonly configuration: Pick<Configuration, 'current'>
  readonly audit: AuditLog
  readonly store: Store
  readonly gateway: Pick<Gateway, 'open' | 'leave'>
  /** Revokes what a session holds. */
  endSession(session: string): void
}

/** Nothing listens before the first `listen`. Throws what the store throws. */
export function createHttp({ configuration, audit, store, clock, log, gateway, endSession }: HttpDeps): Http {
  const principals = new Principals({ human: humanName(), clock, log, onEnd: endSession })
  const tokens = new Tokens({
    store,
    clock,
    log,
    onEnd(token) {
      door.endToken(token)
      principals.end(token)
    },
  })
  const door = new HttpDoor({
    config: () => configuration.current.loaded.config,
    policy: () => configuration.current.policy,
    audit,
    clock,
    log,
    tokens,
    open: (link, identity) => gateway.open(link, identity),
    leave: (connection, reason) => gateway.leave(connection, reason),
    enter: (token) => principals.enter(token),
  })
  // One after the other: a config that is applied while the door opens must not leave two.
  let turn = Promise.resolve()
  return {
    tokens,
    principals,
    get address() {
      return door.address
    },
    get problem() {
      return door.problem
    },
    listen(port) {
      turn = turn.then(() => door.listen(port))
      return turn
    },
    close: (reason) => door.close(reason),
  }
}
