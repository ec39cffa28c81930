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
  state: z.enum(['waiting', 'accepted', 'rejected']),
  change: proposedChange,
})

/** A rule that an agent would like, until a person has decided, and for a while after. */
export type Proposal = z.output<typeof proposal>

export interface Proposals {
  /** Newest first. */
  all(): readonly Proposal[]
  /** Throws `not-found`. */
  get(id: string): Proposal
  /** Stores it; one that the session has waiting already is answered instead of a second. Throws `conflict` when there are too many. */
  add(of: Pick<Proposal, 'session' | 'agent' | 'human'>, change: ProposedChange): Proposal
  /**
   * What stands in the trail, and in the store, when a person has decided; the caller sees to it that both happen or none,
   * and then calls `done`. Throws `not-found`, or `conflict` when it was decided before.
   */
  decide(id: string, state: 'accepted' | 'rejected', by: string): { readonly record: AuditEvent; write(): void; done(): void }
}

export interface ProposalDeps extends Surroundings {
  /** The store's own table of small values. */
  readonly meta: { get(key: string): string | undefined; set(key: string, value: string): void }
  readonly audit: Pick<AuditSink, 'append'>
}

/** That wait at once: more than a person can look through would be a flood. Of one session, so that others have room. */
const waitingCap = 50
const sessionCap = 5
/** Those that were decided are kept up to this many in all, for whoever asks what became of them. */
const keptCap = 100
const key = 'proposals'

export function createProposals(deps: ProposalDeps): Proposals {
  let list: readonly Proposal[] = load(deps)

  const waitingOf = (session?: string): readonly Proposal[] =>
    list.filter((one) => one.state === 'waiting' && (session === undefined || one.session === session))
  const get = (id: string): Proposal => {
    const found = list.find((one) => one.id === id)
    if (found === undefined) throw new JitError('not-found', `there is no proposal ${quote(id)}`, { hint: '`jit proposals` lists them.' })
    return found
  }
  const write = (next: readonly Proposal[]): void => deps.meta.set(key, JSON.stringify(next))

  return {
    all: () => list,
    get,
    add(of, change) {
      const text = canonicalJson(asJson(change))
      const same = waitingOf(of.session).find((one) => canonicalJson(asJson(one.change)) === text)
      if (same !== undefined) return same
      if (waitingOf(of.session).length >= sessionCap)
        throw full(`${sessionCap} proposals of this session wait for a person already; this one was not stored`)
      if (waitingOf().length >= waitingCap) throw full(`${waitingCap} proposals wait for a person already; this one was not stored`)
      const made: Proposal = { ...of, id: newId('proposal'), at: deps.clock.now(), state: 'waiting', change }
      const next = [made, ...list].filter((one, index) => one.state === 'waiting' || index < keptCap)
      deps.audit.append({ type: 'proposal.made', detail: { ...of, id: made.id, change: asJson(change) } })
      write(next)
      list = next
      return made
    },
    decide(id, state, by) {
      const found = get(id)
      if (found.state !== 'waiting')
        throw new JitError('conflict', `the proposal ${quote(id)} was ${found.state} before`, { hint: '`jit proposals` lists what waits.' })
      const next = list.map((one) => (one.id === id ? { ...one, state } : one))
      return {
        record: { type: `proposal.${state}`, by, detail: { id, session: found.session, server: found.change.server } },
        write: () => write(next),
        done: () => void (list = next),
      }
    },
  }
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
