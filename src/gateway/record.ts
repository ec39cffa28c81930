import type { CallFields, CloseFields, LeaseFields, UpstreamRequest } from '../audit/event.ts'
import type { Lease } from '../broker/types.ts'
import type { JitError } from '../core/errors.ts'
import type { Json } from '../core/json.ts'
import type { Decision } from '../core/types.ts'
import type { Call, CallContext } from './call.ts'

/** One call's part in the trail. Each method that writes rejects with `audit.unwritable` when it could not. */
export interface Trail {
  decided(decision: Decision): void
  /** Before any effect upstream. */
  intend(): Promise<void>
  leased(lease: Lease | undefined): void
  requested(request: UpstreamRequest): void
  /** Before the answer is released. */
  close(result: CloseFields['result']): Promise<void>
  /** Closes with an error; false when even that could not be written. */
  fail(error: JitError): Promise<boolean>
}

export function record(context: CallContext, call: Call): Trail {
  const { deps } = context
  const requests: UpstreamRequest[] = []
  let decision: Decision | undefined
  let lease: LeaseFields | undefined
  let closed = false
  let intent: (CallFields & { readonly type: 'call.intent' }) | undefined

  const write = (result: CloseFields['result'], error?: JitError): Promise<void> => {
    if (closed) return Promise.resolve()
    closed = true
    call.done()
    return deps.audit.stage({
      ...(intent !== undefined && intent.pin === pinOf(context) ? intent : fieldsOf(context, call, decision)),
      type: 'call.close',
      result,
      ...(error === undefined ? {} : { error: { code: error.code, message: error.message } }),
      ...(lease === undefined ? {} : { lease }),
      requests,
      took: Math.round((deps.clock.monotonic() - call.started) * 1000) / 1000,
    })
  }
  return {
    decided: (made) => {
      decision = made
    },
    intend() {
      intent = fieldsOf(context, call, decision)
      return deps.audit.stage(intent)
    },
    leased: (made) => {
      if (made === undefined) return
      lease = leaseFields(made)
    },
    requested: (request) => void requests.push({ ...request, took: Math.round(request.took * 1000) / 1000 }),
    close: (result) => write(result),
    async fail(error) {
      try {
        await write(resultOf(error), error)
        return true
      } catch (failure) {
        deps.log.error('closing record not written', { call: call.id, error: String(failure) })
        return error.code === 'audit.unwritable'
      }
    },
  }
}

const known = new WeakMap<Lease, LeaseFields>()

/** The same for every call that has the lease. */
function leaseFields(lease: Lease): LeaseFields {
  const made = known.get(lease) ?? {
    id: lease.id,
    provider: lease.provider,
    scope: lease.scope,
    token: lease.fingerprint,
    ...(lease.upstreamHash === '' ? {} : { upstreamHash: lease.upstreamHash }),
    expiresAt: new Date(lease.expiresAt).toISOString(),
  }
  known.set(lease, made)
  return made
}

/** Undefined until a child has been started. */
function pinOf(context: CallContext): string | undefined {
  const pin = context.pin()
  return pin === '' ? undefined : pin
}

function fieldsOf(context: CallContext, call: Call, decision: Decision | undefined): CallFields & { readonly type: 'call.intent' } {
  const { operation } = call
  const pin = pinOf(context)
  const permission = decision === undefined || decision.effect === 'deny' ? undefined : decision
  return {
    type: 'call.intent',
    call: call.id,
    principal: call.principal,
    connection: context.connection,
    server: operation.server,
    ...(pin === undefined ? {} : { pin }),
    kind: operation.kind,
    tool: operation.name,
    resource: permission?.resource ?? '',
    digest: operation.digest,
    policy: call.policy,
    decision: decisionFields(decision),
    ...argumentFields(context.deps.config().audit.arguments, decision, operation.args),
    ...(permission === undefined || permission.grant.credential === 'none'
      ? {}
      : { provider: permission.grant.provider, scope: permission.grant.scope }),
  }
}

function resultOf({ code }: JitError): CloseFields['result'] {
  if (/^(policy|approval)\.|^locked$/.test(code)) return 'denied'
  if (code === 'lease.revoked') return 'revoked'
  return code === 'cancelled' ? 'aborted' : 'error'
}

function decisionFields(decision: Decision | undefined): CallFields['decision'] {
  if (decision === undefined) return { effect: 'deny', rule: { source: 'default', path: '' } }
  return { effect: decision.effect, rule: decision.rule, ...(decision.effect === 'deny' ? { reason: decision.reason } : {}) }
}

/** `digest`: the operation's digest stands in every record anyway; beside it the values that policy used. */
function argumentFields(mode: 'full' | 'digest' | 'none', decision: Decision | undefined, args: Json): { arguments?: Json } {
  if (mode === 'none') return {}
  return { arguments: mode === 'full' ? args : (decision?.used ?? {}) }
}
