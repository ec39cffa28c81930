import { JitError } from '../core/errors.ts'
import type { JsonObject } from '../core/json.ts'
import { makeOperation } from '../policy/operation.ts'
import { describeDecision, type Situation } from './decision.ts'
import { describeDenials } from './denials.ts'
import { describeServer } from './permissions.ts'
import { isFrom } from './proposals.ts'
import { takeProposal } from './propose.ts'
import { knownServer, knowsTool } from './reach.ts'
import type { Answers, SelfServiceDeps } from './types.ts'
import { inputs } from './tools.ts'

/** What each tool answers. Arguments are parsed again here: whoever called may not have looked at the schema. */
export function createAnswers(deps: SelfServiceDeps): Answers {
  return {
    what_may_i_do(args) {
      const { server } = inputs.what_may_i_do.parse(args)
      if (server !== undefined) knownServer(deps, server)
      const { servers } = deps.config()
      const names = server === undefined ? Object.keys(servers) : [server]
      const found = names.map((name) => describeServer(name, deps)).join('\n\n')
      return `A tool that is not listed here is not there for you.\n\n${found}`
    },

    explain_call(args) {
      const { server, tool, arguments: given } = inputs.explain_call.parse(args)
      knownServer(deps, server)
      if (!knowsTool(deps, server, tool)) throw noTool(server)
      // They came as JSON: this copy, which is then frozen, is the same.
      const copy: JsonObject = JSON.parse(JSON.stringify(given))
      const operation = makeOperation({ server, kind: 'tool', name: tool, args: copy, definition: '' })
      return describeDecision(deps.policy().decide(operation), situationOf(deps, server))
    },

    why_was_i_denied: (args, caller) => describeDenials(deps, caller, inputs.why_was_i_denied.parse(args)),

    propose_rule: (args, caller) => takeProposal(deps, caller, args),

    my_proposals(_, { session }) {
      const mine = deps.proposals.all().filter((proposal) => isFrom(proposal, session))
      if (mine.length === 0) return 'You have proposed nothing in this session.'
      return mine.map(({ id, state, change }) => `${id}: ${state}. ${JSON.stringify(withoutReason(change))}`).join('\n')
    },
  }
}

function noTool(server: string): JitError {
  return new JitError('not-found', `there is no such tool on ${server} for you`, { hint: '`what_may_i_do` lists those that there are.' })
}

function situationOf({ config }: SelfServiceDeps, server: string): Situation {
  const { self, servers } = config()
  const mode = servers[server]?.inject.mode
  return { handedOver: mode === 'env' || mode === 'credentials', mayPropose: self === 'propose' }
}

function withoutReason(change: object): JsonObject {
  const { reason: _, ...rest }: JsonObject = JSON.parse(JSON.stringify(change))
  return rest
}
