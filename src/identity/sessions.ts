import { userInfo } from 'node:os'
import { newId } from '../core/ids.ts'
import { JitError } from '../core/errors.ts'
import type { AgentIdentity, Principal } from '../core/types.ts'
import type { Peer } from './peer.ts'
import { readProcess } from './process.ts'

export interface Claim {
  readonly pid: number
  readonly parent: { readonly pid: number; readonly name: string; readonly startTime: number }
}

export interface SessionView {
  readonly session: string
  readonly agent: AgentIdentity
  readonly human: string
  readonly connections: number
}

export interface Sessions {
  /** Who is at the other end. Throws `policy.denied` for another user. */
  enter(peer: Peer | undefined, claim: Claim): { principal: Principal; leave: () => void }
  list(): SessionView[]
}

/** Programs that only start others: the agent is whoever started them. */
const launchers = /^(sh|bash|zsh|dash|fish|npm|npx|npm-cli\.js|npx-cli\.js|env|timeout)$/

/** A session is an agent process, however many connections it has. */
export function createSessions(): Sessions {
  const sessions = new Map<string, { id: string; agent: AgentIdentity; connections: number }>()
  const user = userInfo()
  const human = `${user.username}(${user.uid})`
  return {
    enter(peer, claim) {
      if (peer !== undefined && peer.uid !== user.uid)
        throw new JitError('policy.denied', `user ${peer.uid} connected to the daemon of user ${user.uid}`)
      const agent = describe(peer, claim)
      const key = `${agent.pid}/${agent.startTime}`
      const session = sessions.get(key) ?? { id: newId('session'), agent, connections: 0 }
      sessions.set(key, session)
      session.connections += 1
      return {
        principal: { human, agent, session: session.id },
        leave() {
          session.connections -= 1
          if (session.connections === 0) sessions.delete(key)
        },
      }
    },
    list: () => [...sessions.values()].map(({ id, agent, connections }) => ({ session: id, agent, human, connections })),
  }
}

/** By the kernel's word: the peer is the shim, its parent the agent. Otherwise what the shim said, marked as a claim. */
function describe(peer: Peer | undefined, claim: Claim): AgentIdentity {
  let found = peer === undefined ? undefined : readProcess(readProcess(peer.pid)?.parent ?? 0)
  for (let depth = 0; depth < 8 && found !== undefined && launchers.test(found.name); depth += 1) found = readProcess(found.parent) ?? found
  if (found === undefined) return { ...claim.parent, name: claim.parent.name.slice(0, 100), evidence: 'claimed' }
  return { name: found.name, pid: found.pid, startTime: found.startTime, evidence: 'peer' }
}
