import { type Clock, systemClock } from '../core/clock.ts'
import { newId } from '../core/ids.ts'
import type { AgentIdentity, Principal } from '../core/types.ts'
import { type Claim, describeAgent } from './agent.ts'
import { humanName } from './human.ts'
import type { Peer } from './peer.ts'
import type { ReadProcess } from './process.ts'

export type { Claim } from './agent.ts'

export interface SessionView {
  readonly session: string
  readonly agent: AgentIdentity
  readonly human: string
  readonly connections: number
}

export interface Sessions {
  /** Who is at the other end, a peer that was admitted. `leave` ends this connection's part in the session, once. */
  enter(peer: Peer | undefined, claim: Claim): { principal: Principal; leave: () => void }
  /** Those with a connection. */
  list(): SessionView[]
}

interface Session {
  readonly id: string
  readonly agent: AgentIdentity
  connections: number
  cancelEnd: () => void
}

export interface SessionsOptions {
  readonly read?: ReadProcess
  readonly clock?: Clock
  /** Milliseconds that a session without a connection waits for its agent to come back; 5 s when absent. */
  readonly grace?: number
  /** The agent did not come back: what was its is over. */
  readonly onEnd?: (session: string) => void
}

/** A shim that lost the daemon, or a client that restarts a server, is back well within this time. */
const usualGrace = 5000

/** A session is an agent process (pid and start time), however many connections it has, and ends a little after the last one. */
export function createSessions(options: SessionsOptions = {}): Sessions {
  const { clock = systemClock, grace = usualGrace, onEnd } = options
  const sessions = new Map<string, Session>()
  const human = humanName()
  return {
    enter(peer, claim) {
      const agent = Object.freeze(describeAgent(claim, peer, options.read))
      const id = newId('session')
      const key = keyOf(agent) ?? id
      const session = sessions.get(key) ?? { id, agent, connections: 0, cancelEnd: () => undefined }
      sessions.set(key, session)
      session.cancelEnd()
      session.connections += 1
      let here = true
      return {
        principal: Object.freeze({ human, agent: session.agent, session: session.id }),
        leave() {
          if (!here) return
          here = false
          session.connections -= 1
          if (session.connections > 0) return
          session.cancelEnd = clock.after(grace, () => {
            sessions.delete(key)
            onEnd?.(session.id)
          })
        },
      }
    },
    list: () =>
      [...sessions.values()]
        .filter(({ connections }) => connections > 0)
        .map(({ id, agent, connections }) => ({ session: id, agent, human, connections })),
  }
}

/** What somebody claims never joins what the kernel said; of two that are unknown nobody can say that they are one. */
function keyOf({ evidence, pid, startTime }: AgentIdentity): string | undefined {
  return evidence === 'none' ? undefined : `${evidence}/${pid}/${startTime}`
}
