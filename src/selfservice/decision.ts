import { formatDuration } from '../config/duration.ts'
import { quote } from '../core/errors.ts'
import type { Decision, LeaseGrant } from '../core/types.ts'

export interface Situation {
  /** The server holds the credential itself: request rules do not bind it. */
  readonly handedOver: boolean
  /** The agent may propose rules. */
  readonly mayPropose: boolean
}

/** A decision for a model. What its own arguments put into it is quoted. */
export function describeDecision(decision: Decision, situation: Situation): string {
  const rule = `decided by: ${decision.rule.path} (${decision.rule.source})`
  switch (decision.effect) {
    case 'deny':
      return [`This call would be denied: ${decision.reason}.`, rule, wayOut(situation)].join('\n')
    case 'ask':
      return [
        `A person would be asked to approve this call.`,
        rule,
        touches(decision.resource),
        ...granted(decision.grant, situation),
      ].join('\n')
    case 'allow':
      return [`This call would be let through.`, rule, touches(decision.resource), ...granted(decision.grant, situation)].join('\n')
  }
}

/** What an agent can do about a denial by policy. */
export function wayOut({ mayPropose }: Pick<Situation, 'mayPropose'>): string {
  const more = mayPropose ? 'propose_rule puts it before a person' : 'ask the person who runs jit'
  return `what helps: arguments within the conditions that what_may_i_do lists. If the task needs more than that, ${more}.`
}

function touches(resource: string): string {
  return `touches: ${quote(resource, 300)}`
}

function granted(grant: LeaseGrant | { readonly credential: 'none' }, { handedOver }: Situation): string[] {
  if (grant.credential === 'none') return ['credential: none is needed']
  const life = grant.lifetime === 'call' ? 'that call' : formatDuration(grant.ttl)
  const requests = grant.requests.map((request) => `  ${quote(request.text, 400)}`)
  return [
    `credential: for ${life}, which can do no more than ${quote(grant.scope, 1000)}`,
    ...(handedOver || requests.length === 0 ? [] : ['requests that it is put into:', ...requests]),
  ]
}
