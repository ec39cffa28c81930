import type { AgentIdentity } from '../core/types.ts'
import type { Peer } from './peer.ts'
import { type ProcessFacts, readProcess, type ReadProcess } from './process.ts'
import { clean } from './program.ts'

/** What the shim says of itself and of whoever started it. */
export interface Claim {
  readonly pid: number
  readonly parent: { readonly pid: number; readonly name: string; readonly startTime: number }
}

/** Who adopts orphans: never an agent. */
const adopters = /^(systemd|init|launchd|tini|dumb-init|docker-init|catatonit|s6-svscan)$/
const depthLimit = 16
const attemptLimit = 2

/**
 * The process that acts. By the kernel's word the peer is the shim, and the agent is whoever started it: its parent, or,
 * where that only starts others (`npx jit connect` is npm → sh → shim), the first ancestor that does not. A shell in which a
 * person types is the agent. A shim whose starter has ended stands for itself. What was read is read again: when a pid was
 * reused meanwhile, or without a peer, the shim's own word counts and is marked so. A peer whose process this namespace does
 * not see is nobody that is known here: the numbers that it could name belong to other processes.
 */
export function describeAgent(claim: Claim, peer: Pick<Peer, 'pid'> | undefined, read: ReadProcess = readProcess): AgentIdentity {
  if (peer?.pid === 0) return { name: 'unknown', pid: 0, startTime: 0, evidence: 'none' }
  const shim = peer?.pid ?? 0
  for (let attempt = 0; attempt < attemptLimit; attempt += 1) {
    const chain = ancestry(shim, read)
    const agent = agentIn(chain)
    if (agent === undefined) break
    if (chain.every((seen) => isSame(seen, read(seen.pid))))
      return { name: agent.name, pid: agent.pid, startTime: agent.startTime, evidence: 'peer' }
  }
  const { pid, name, startTime } = claim.parent
  return { name: clean(name), pid: natural(pid), startTime: natural(startTime), evidence: 'claimed' }
}

/** The shim, its parent and so on, up to the first that is no launcher. */
function ancestry(pid: number, read: ReadProcess): ProcessFacts[] {
  const chain: ProcessFacts[] = []
  for (let facts = pid > 0 ? read(pid) : undefined; facts !== undefined && chain.length < depthLimit; facts = read(facts.parent)) {
    chain.push(facts)
    if (chain.length > 1 && !facts.launcher) break
  }
  return chain
}

/** The last one, unless that adopts orphans: then the one below it, which is a launcher that is left, or the shim itself. */
function agentIn(chain: readonly ProcessFacts[]): ProcessFacts | undefined {
  const last = chain.at(-1)
  return last !== undefined && chain.length > 1 && adopters.test(last.name) ? chain.at(-2) : last
}

function isSame(seen: ProcessFacts, now: ProcessFacts | undefined): boolean {
  return now !== undefined && now.startTime === seen.startTime && now.parent === seen.parent
}

function natural(value: number): number {
  return Number.isSafeInteger(value) && value >= 0 ? value : 0
}
