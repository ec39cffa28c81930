import { newId } from '../../core/ids.ts'
import type { Principal, Surroundings } from '../../core/types.ts'
import type { Token } from './tokens.ts'

export interface PrincipalsDeps extends Surroundings {
  readonly human: string
  /** Nobody uses the session any more: its leases are of no use. */
  onEnd(session: string): void
}

interface Entry {
  readonly principal: Principal
  connections: number
  cancelEnd: () => void
}

/** A client that comes back at once finds its leases. */
const grace = 5000

/** Who comes with which token: one session for each token, as long as the daemon runs, however many clients show it. */
export class Principals {
  readonly #deps: PrincipalsDeps
  readonly #entries = new Map<string, Entry>()

  constructor(deps: PrincipalsDeps) {
    this.#deps = deps
  }

  /** `leave` ends this connection's part in the session, once. */
  enter({ name }: Token): { principal: Principal; leave: () => void } {
    const entry = this.#entries.get(name) ?? this.#make(name)
    entry.cancelEnd()
    entry.connections += 1
    let here = true
    return {
      principal: entry.principal,
      leave: () => {
        if (!here) return
        here = false
        entry.connections -= 1
        if (entry.connections === 0) entry.cancelEnd = this.#deps.clock.after(grace, () => this.#deps.onEnd(entry.principal.session))
      },
    }
  }

  /** The token is gone: its session is over at once. */
  end({ name }: Token): void {
    const entry = this.#entries.get(name)
    if (entry === undefined) return
    this.#entries.delete(name)
    entry.cancelEnd()
    this.#deps.onEnd(entry.principal.session)
  }

  /** Those with a connection. */
  list(): { principal: Principal; connections: number }[] {
    return [...this.#entries.values()]
      .filter(({ connections }) => connections > 0)
      .map(({ principal, connections }) => ({ principal, connections }))
  }

  #make(name: string): Entry {
    const agent = Object.freeze({ name, pid: 0, startTime: 0, evidence: 'token' as const })
    const principal = Object.freeze({ human: this.#deps.human, agent, session: newId('session') })
    const entry = { principal, connections: 0, cancelEnd: () => undefined }
    this.#entries.set(name, entry)
    return entry
  }
}
