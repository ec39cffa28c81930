import { answerApproval, revokeRequest } from '../../api/schema.ts'
import { firstItems } from '../../audit/first-items.ts'
import { JitError, quote } from '../../core/errors.ts'
import { byCommandLine, nameIn, type Routes } from './route.ts'
import type { Daemon } from '../types.ts'

const deadline = 10_000

/** Leases, their revocation, and what waits for a person. */
export function leaseRoutes(daemon: Daemon): Routes {
  const { broker, approvals } = daemon
  return {
    leases: () => broker.leases(),
    revoke: async (request) => {
      const selector = revokeRequest.parse(request.body)
      if ('lease' in selector && !broker.leases().some((lease) => lease.id === selector.lease))
        throw new JitError('not-found', `there is no live lease ${quote(selector.lease)}`)
      const receipts = await broker.revoke(selector, 'revoked', deadline)
      // Each end has a record of its own; those that are not proved come first here.
      const { named, leftOut } = firstItems(receipts, ({ verified }) => !verified)
      try {
        daemon.audit.append({
          type: 'revoke.asked',
          by: byCommandLine,
          detail: {
            selector: { ...selector },
            receipts: named.map(({ lease, outcome, verified }) => ({ lease, outcome, verified })),
            ...(leftOut === 0 ? {} : { receiptsLeftOut: leftOut }),
          },
        })
      } catch (error) {
        daemon.log.error('revocation not recorded', { error: String(error) })
      }
      return { receipts }
    },
    approvals: () =>
      approvals.waiting().map(({ id, call, principal, operation, permission, askedAt, expiresAt }) => ({
        id,
        call,
        server: operation.server,
        tool: operation.name,
        resource: permission.resource,
        args: operation.args,
        digest: operation.digest,
        human: principal.human,
        agent: principal.agent.name,
        session: principal.session,
        ...(permission.grant.credential === 'lease'
          ? { scope: permission.grant.scope, requests: permission.grant.requests.map((rule) => rule.text) }
          : { requests: [] }),
        askedAt,
        expiresAt,
      })),
    answer: (request) => {
      const { answer, digest } = answerApproval.parse(request.body)
      const id = nameIn(request, 'id')
      approvals.answer(id, answer, byCommandLine, digest)
      return { id, answer }
    },
  }
}
