import { z } from 'zod'
import type { AuditEvent, AuditSink } from '../audit/event.ts'
import { JitError, quote } from '../core/errors.ts'
import { newId } from '../core/ids.ts'
import { canonicalJson, type JsonObject } from '../core/json.ts'
import type { Surroundings } from '../core/types.ts'
import { type ProposedChange, proposedChange } from './change.ts'

const proposal = z.object({
  id: z.string(),
  session: z.string(),
  agent: z.string(),
  human: z.string(),
  /** Milliseconds since 1970. */
  at: z.number(),
  state: z.enum(['waiting', 'accepted', 'rejected', 'expired']),
  /** Sessions that asked for the same while it waited. */
  others: z.array(z.string()).default([]),
  change: proposedChange,
})

/** A rule that an agent would like, until a person has decided, and for a while after. */
export type Proposal = z.output<typeof proposal>

export interface Proposals {
  /** Newest first. */
  all(): readonly Proposal[]
  /** Throws `not-found`. */
  get(id: string): Proposal
  /** Stores it; one that waits already, of any session, is answered instead of a second. Throws `conflict` when there are too many. */
  add(of: Pick<Proposal, 'session' | 'agent' | 'human'>, change: ProposedChange): Proposal
  /**
   * What stands in the trail, and in the store, when a person has decided; the caller sees to it that both happen or none,
   * and then calls `done`. Throws `not-found`, or `conflict` when it was decided before.
   */
  decide(id: string, state: 'accepted' | 'rejected', by: string): { readonly record: AuditEvent; write(): void; done(): void }
  /** Records those whose time is over, though nobody looks. Never throws. */
  sweep(): void
}

export interface ProposalDeps extends Surroundings {
  /** The store's own table of small values. */
  readonly meta: { get(key: string): string | undefined; set(key: string, value: string): void }
  readonly audit: Pick<AuditSink, 'append'>
}

/** That wait at once: more than a person can look through would be a flood. Of one session, so that others have room. */
const waitingCap = 50
export const sessionCap = 5
/** Days after which one that nobody decided on is void: what it was for is over. */
export const waitingDays = 14
const longestWait = waitingDays * 86_400_000
/** Sessions that are remembered to have asked for the same. */
const othersCap = 50
/** Those that were decided are kept up to this many in all, for whoever asks what became of them. */
const keptCap = 100
const key = 'proposals'

export function createProposals(deps: ProposalDeps): Proposals {
  let list: readonly Proposal[] = load(deps)

  const current = (): readonly Proposal[] => {
    const limit = deps.clock.now() - longestWait
    const isOver = (one: Proposal): boolean => one.state === 'waiting' && one.at < limit
    if (!list.some(isOver)) return list
    const recorded = list.filter(isOver).filter(recordExpiry)
    if (recorded.length > 0) {
      list = list.map((one) => (recorded.includes(one) ? { ...one, state: 'expired' } : one))
      keep(list)
    }
    // What the trail did not take is over all the same, and recorded when it does.
    return list.map((one) => (isOver(one) ? { ...one, state: 'expired' } : one))
  }
  const recordExpiry = ({ id, session, change: { server } }: Proposal): boolean => {
    try {
      deps.audit.append({ type: 'proposal.expired', detail: { id, session, server } })
      return true
    } catch (error) {
      deps.log.warn('end of a proposal not recorded', { error: String(error) })
      return false
    }
  }
  /** To look at proposals needs no store that takes writes. */
  const keep = (next: readonly Proposal[]): void => {
    try {
      write(next)
    } catch (error) {
      deps.log.warn('end of a proposal not stored', { error: String(error) })
    }
  }
  const waitingOf = (session?: string): readonly Proposal[] =>
    current().filter((one) => one.state === 'waiting' && (session === undefined || one.session === session))
  const get = (id: string): Proposal => {
    const found = current().find((one) => one.id === id)
    if (found === undefined) throw new JitError('not-found', `there is no proposal ${quote(id)}`, { hint: '`jit proposals` lists them.' })
    return found
  }
  const write = (next: readonly Proposal[]): void => deps.meta.set(key, JSON.stringify(next))

  return {
    all: current,
    get,
    add(of, change) {
      const text = wanted(change)
      const same = waitingOf().find((one) => wanted(one.change) === text)
      if (same !== undefined) {
        if (isFrom(same, of.session) || same.others.length >= othersCap) return same
        const joined = { ...same, others: [...same.others, of.session] }
        const next = list.map((one) => (one === same ? joined : one))
        deps.audit.append({
          type: 'proposal.joined',
          detail: { ...of, id: same.id, server: change.server, first: same.session, reason: change.reason },
        })
        write(next)
        list = next
        return joined
      }
      if (waitingOf(of.session).length >= sessionCap)
        throw full(`${sessionCap} proposals of this session wait for a person already; this one was not stored`)
      if (waitingOf().length >= waitingCap) throw full(`${waitingCap} proposals wait for a person already; this one was not stored`)
      const made: Proposal = { ...of, id: newId('proposal'), at: deps.clock.now(), state: 'waiting', others: [], change }
      const next = [made, ...list].filter((one, index) => one.state === 'waiting' || index < keptCap)
      deps.audit.append({ type: 'proposal.made', detail: { ...of, id: made.id, change: asJson(change) } })
      write(next)
      list = next
      return made
    },
    decide(id, state, by) {
      const found = get(id)
      if (found.state !== 'waiting')
        throw new JitError(
          'conflict',
          `the proposal ${quote(id)} ${found.state === 'expired' ? `has waited for more than ${waitingDays} days` : `was ${found.state} before`}`,
          { hint: '`jit proposals` lists what waits.' },
        )
      const next = list.map((one) => (one.id === id ? { ...one, state } : one))
      return {
        record: { type: `proposal.${state}`, by, detail: { id, session: found.session, server: found.change.server } },
        write: () => write(next),
        done: () => void (list = next),
      }
    },
    sweep: () => void current(),
  }
}

/** Whether the session asked for it, first or later. */
export function isFrom({ session, others }: Proposal, asking: string): boolean {
  return session === asking || others.includes(asking)
}

/** What is asked for, whatever the words for it. */
function wanted(change: ProposedChange): string {
  const { reason: _, ...rest } = asJson(change)
  return canonicalJson(rest)
}

function full(message: string): JitError {
  return new JitError('conflict', message, { hint: 'Wait until a person has looked at them: `jit proposals`.' })
}

/** What another version wrote there, and cannot be read, is of no use any more. */
function load({ meta, log }: ProposalDeps): readonly Proposal[] {
  const text = meta.get(key)
  if (text === undefined) return []
  try {
    return z.array(proposal).parse(JSON.parse(text))
  } catch (error) {
    log.warn('stored proposals not readable', { error: String(error) })
    return []
  }
}

/** By way of its text: what is absent stays absent. */
function asJson(change: ProposedChange): JsonObject {
  return JSON.parse(JSON.stringify(change))
}
