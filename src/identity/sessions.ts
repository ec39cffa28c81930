import { newId } from '../core/ids.ts'
import type { AgentIdentity, Principal } from '../core/types.ts'
import { type Claim, describeAgent } from './agent.ts'
import { humanName } from './human.ts'
import { checkPeer, type Peer } from './peer.ts'
import type { ReadProcess } from './process.ts'

export type { Claim } from './agent.ts'

export interface SessionView {
  readonly session: string
  readonly agent: AgentIdentity
  readonly human: string
  readonly connections: number
}

export interface Sessions {
  /**
   * Who is at the other end. `leave` ends this connection's part in the session, once. Throws `policy.denied` for another
   * account.
   */
  enter(peer: Peer | undefined, claim: Claim): { principal: Principal; leave: () => void }
  /** Those with a connection; a session that lost its last one is forgotten. */
  list(): SessionView[]
}

interface Session {
  readonly id: string
  readonly agent: AgentIdentity
  connections: number
}

/** A session is an agent process (pid and start time), however many connections it has. */
export function createSessions(options: { readonly read?: ReadProcess } = {}): Sessions {
  const sessions = new Map<string, Session>()
  const human = humanName()
  return {
    enter(peer, claim) {
      checkPeer(peer)
      const agent = describeAgent(claim, peer, options.read)
      const key = keyOf(agent)
      const session = sessions.get(key) ?? { id: newId('session'), agent, connections: 0 }
      sessions.set(key, session)
      session.connections += 1
      let here = true
      return {
        principal: { human, agent: session.agent, session: session.id },
        leave() {
          if (!here) return
          here = false
          session.connections -= 1
          if (session.connections === 0) sessions.delete(key)
        },
      }
    },
    list: () => Array.from(sessions.values(), ({ id, agent, connections }) => ({ session: id, agent, human, connections })),
  }
}

/** What somebody claims never joins what the kernel said. */
function keyOf({ evidence, pid, startTime }: AgentIdentity): string {
  return `${evidence}/${pid}/${startTime}`
}
