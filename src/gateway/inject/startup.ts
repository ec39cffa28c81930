import type { AuditEvent } from '../../audit/event.ts'
import { type JitError, toJitError } from '../../core/errors.ts'
import { newId } from '../../core/ids.ts'
import type { InFlightCall } from '../../egress/types.ts'
import { RequestList } from '../request-list.ts'
import type { GatewayDeps } from '../types.ts'

/** What a server may do outside of any call, from its start until shortly after its handshake. */
export interface Startup {
  readonly call: InFlightCall
  /** Gives the lease back and closes the record. Call it once. */
  end(): void
}

/** `startup:` of the config: a lease for what the server does before any call; `$startup` in the trail. */
export async function beginStartup(deps: GatewayDeps, server: string, lane: string, signal: AbortSignal): Promise<Startup | undefined> {
  const { digest, servers } = deps.policy()
  const grant = servers.get(server)?.startup
  if (grant === undefined) return undefined
  const call = newId('call')
  const principal = { human: '', agent: { name: 'startup', pid: 0, startTime: 0, evidence: 'peer' as const }, session: lane }
  const fields = {
    call,
    principal,
    connection: lane,
    server,
    kind: 'startup' as const,
    tool: '$startup',
    resource: '',
    digest: '',
    policy: digest,
    decision: { effect: 'allow' as const, rule: { source: 'config' as const, path: `servers.${server}.startup` } },
    provider: grant.provider,
    scope: grant.scope,
  }
  const rules = (): string => deps.policy().servers.get(server)?.digest ?? ''
  const before = rules()
  const started = deps.clock.monotonic()
  const requests = new RequestList()
  const close = (outcome: { result: 'ok' } | { result: 'error'; error: JitError }): void => {
    const error = outcome.result === 'error' ? { error: { code: outcome.error.code, message: outcome.error.message } } : {}
    const took = deps.clock.monotonic() - started
    record(deps, { type: 'call.close', ...fields, result: outcome.result, ...error, ...requests.fields(), took })
  }
  deps.audit.append({ type: 'call.intent', ...fields })
  try {
    const lease = await deps.broker.acquire({ grant, call, principal, server, tool: '$startup' }, signal)
    return {
      call: {
        call,
        lease,
        requests: grant.requests,
        current: () => rules() === before,
        seen: new Map(),
        onRequest: (request) => requests.add(request),
      },
      end() {
        deps.broker.release(lease)
        close({ result: 'ok' })
      },
    }
  } catch (thrown) {
    const error = toJitError(thrown)
    close({ result: 'error', error })
    throw error
  }
}

/** It runs from a timer: there is nobody left to refuse when the trail cannot be written. */
function record(deps: GatewayDeps, event: AuditEvent): void {
  try {
    deps.audit.append(event)
  } catch (failure) {
    deps.log.error('closing record not written', { error: String(failure) })
  }
}
