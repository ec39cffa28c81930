import type { ServerConfig } from '../config/schema.ts'
import type { LeaseGrant } from '../core/types.ts'
import { type CaseContext, unboundRequests } from './case.ts'
import { RuleError, within } from './refusal.ts'
import { compileRequests } from './request-rule.ts'
import { compileScope } from './scope.ts'

/** What a server may do outside of any call. No arguments exist there, so nothing in it may name one. Throws RuleError. */
export function compileStartup(startup: NonNullable<ServerConfig['startup']>, context: CaseContext): LeaseGrant {
  if (context.provider === undefined) throw new RuleError('needs a `provider` on the server')
  const { name, facts } = context.provider
  const scope = within(['scope'], () => compileScope(startup.scope, facts))
  if (context.remote && startup.requests !== undefined) throw new RuleError(unboundRequests, ['requests'])
  if (!context.remote && startup.requests === undefined)
    throw new RuleError('needs `requests`: without them the credential could be used for nothing')
  const requests = within(['requests'], () => compileRequests(startup.requests ?? [], facts))
  const [argument] = [...scope.names, ...requests.flatMap((request) => request.names)]
  if (argument !== undefined) throw new RuleError(`names the argument ${argument}, but at start there is no call to take it from`)
  return {
    credential: 'lease',
    provider: name,
    scope: scope.bind({}, {}),
    requests: requests.map((request) => request.bind({}, {})),
    ttl: startup.ttl ?? context.ttl,
    lifetime: context.lifetime,
  }
}
