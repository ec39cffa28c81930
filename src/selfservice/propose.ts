import { selfServer } from '../config/self.ts'
import { JitError } from '../core/errors.ts'
import { createConditions } from '../policy/condition.ts'
import { RuleError } from '../policy/refusal.ts'
import { incomplete, proposedChange } from './change.ts'
import { sessionCap, waitingDays } from './proposals.ts'
import { knownServer } from './reach.ts'
import type { Caller, SelfServiceDeps } from './types.ts'

/**
 * Stores a proposal. Whether it fits the config is looked at when a person does: an agent must not learn from the answer which
 * tools there are that it cannot see.
 */
export function takeProposal(deps: SelfServiceDeps, { session, agent, human }: Caller, args: unknown): string {
  const parsed = proposedChange.safeParse(args)
  if (!parsed.success) {
    const [issue] = parsed.error.issues
    throw unusable(`${issue?.path.join('.') ?? ''}: ${issue?.message ?? ''}`)
  }
  const change = parsed.data
  knownServer(deps, change.server)
  if (change.server === selfServer) throw unusable('the rules of jit itself are not for agents to change')
  const missing = incomplete(change) ?? conditionProblem(change.when)
  if (missing !== undefined) throw unusable(missing)
  const { id } = deps.proposals.add({ session, agent, human }, change)
  return `Stored as ${id}; the same again is the same proposal. It waits for ${waitingDays} days at the most. One session may have ${sessionCap} that wait. Nothing has changed: a person sees it with \`jit proposals show ${id}\`, and may accept or reject it. my_proposals says what became of it.`
}

function unusable(why: string): JitError {
  return new JitError('usage', `this cannot be proposed: ${why}`, { hint: 'Correct it and propose it again.' })
}

function conditionProblem(when: string | undefined): string | undefined {
  if (when === undefined) return undefined
  try {
    // By itself, and in the brackets that it will stand in: a comment would swallow one.
    for (const text of [when, `(${when})`]) createConditions()(text)
    return undefined
  } catch (error) {
    return error instanceof RuleError ? `\`when\`: ${error.message}` : '`when` is no condition'
  }
}
