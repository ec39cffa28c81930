import type { CallFields, CallIntent, CloseFields, LeaseFields, UpstreamRequest } from '../../audit/event.ts'
import type { Lease } from '../../broker/types.ts'
import type { JitError } from '../../core/errors.ts'
import { deepFreeze, type Json } from '../../core/json.ts'
import type { Decision, Permission, RuleReference } from '../../core/types.ts'
import type { Call, Caller } from './call.ts'
import { RequestList } from '../request-list.ts'
import type { CallTrace } from '../tracing.ts'
import { provenanceOf } from './provenance.ts'

/** Requests of one call that are told to who traces it. */
const tracedCap = 200

/** One call's part in the trail: an intent before any effect upstream, and exactly one close. */
export class Trail {
  readonly #caller: Caller
  readonly #call: Call
  readonly #trace: CallTrace | undefined
  readonly #requests = new RequestList()
  #decision: Decision | undefined
  #intent: CallIntent | undefined
  #lease: LeaseFields | undefined
  #task: string | undefined
  #closed = false

  constructor(caller: Caller, call: Call) {
    this.#caller = caller
    this.#call = call
    const { tracer, config } = caller.deps
    this.#trace = tracer?.begin(call, caller.connection, config().audit.arguments)
  }

  decided(decision: Decision): void {
    this.#decision = decision
    this.#trace?.decided(decision)
  }

  /** Before any effect upstream. Rejects with `audit.unwritable`. */
  intend(): Promise<void> {
    this.#trace?.permitted()
    this.#intent = intentOf(this.#caller, this.#call, this.#decision)
    return this.#caller.deps.audit.stage(this.#intent)
  }

  leased(lease: Lease): void {
    this.#lease = leaseFields(lease)
    this.#trace?.leased()
  }

  requested(request: UpstreamRequest): void {
    if (this.#requests.count < tracedCap) this.#trace?.requested(request)
    if (!this.#closed) this.#requests.add({ ...request, took: microseconds(request.took) })
  }

  /** The call goes on as a task, and the client is told so: before that. Rejects with `audit.unwritable`. */
  release(task: string): Promise<void> {
    const intent = this.#intent ?? intentOf(this.#caller, this.#call, this.#decision)
    this.#task = task
    if (this.#closed) return Promise.resolve()
    return this.#caller.deps.audit.stage({ ...intent, type: 'call.release', task })
  }

  /** Before the answer is released. Rejects with `audit.unwritable`. */
  close(result: CloseFields['result'], error?: JitError): Promise<void> {
    if (this.#closed) return Promise.resolve()
    this.#closed = true
    this.#call.done()
    this.#trace?.ended(result, error)
    const { deps } = this.#caller
    const intent = this.#intent?.pin === pinOf(this.#caller) ? this.#intent : undefined
    return deps.audit.stageClose(intent ?? intentOf(this.#caller, this.#call, this.#decision), {
      result,
      ...(error === undefined ? {} : { error: { code: error.code, message: error.message } }),
      ...(this.#lease === undefined ? {} : { lease: this.#lease }),
      ...(this.#task === undefined ? {} : { task: this.#task }),
      ...this.#requests.fields(),
      took: microseconds(deps.clock.monotonic() - this.#call.started),
    })
  }

  /** Closes with an error; false when even that could not be written. */
  async fail(error: JitError): Promise<boolean> {
    try {
      await this.close(resultOf(error), error)
      return true
    } catch (failure) {
      this.#caller.deps.log.error('closing record not written', { call: this.#call.id, error: String(failure) })
      return error.code === 'audit.unwritable'
    }
  }
}

const leases = new WeakMap<Lease, LeaseFields>()

/** The same for every call that has the lease. */
function leaseFields(lease: Lease): LeaseFields {
  const known = leases.get(lease)
  if (known !== undefined) return known
  const made = Object.freeze({
    id: lease.id,
    provider: lease.provider,
    scope: deepFreeze(structuredClone(lease.scope)),
    token: lease.fingerprint,
    ...(lease.upstreamHash === '' ? {} : { upstreamHash: lease.upstreamHash }),
    expiresAt: new Date(lease.expiresAt).toISOString(),
  })
  leases.set(lease, made)
  return made
}

/** Undefined until a child has been started. */
function pinOf(caller: Caller): string | undefined {
  const pin = caller.pin()
  return pin === '' ? undefined : pin
}

function intentOf(caller: Caller, call: Call, decision: Decision | undefined): CallIntent {
  const { operation } = call
  const pin = pinOf(caller)
  const permission = decision === undefined || decision.effect === 'deny' ? undefined : decision
  const { audit } = caller.deps.config()
  const trace = provenanceOf(call.request.params, audit.meta)
  return {
    type: 'call.intent',
    call: call.id,
    principal: call.principal,
    connection: caller.connection,
    server: operation.server,
    ...(pin === undefined ? {} : { pin }),
    kind: operation.kind,
    tool: operation.name,
    resource: permission?.resource ?? '',
    digest: operation.digest,
    policy: call.policy,
    decision: decisionFields(decision),
    ...argumentFields(audit.arguments, decision, operation.args),
    ...(permission === undefined || permission.grant.credential === 'none'
      ? {}
      : { provider: permission.grant.provider, scope: permission.grant.scope }),
    ...(trace === undefined ? {} : { trace }),
  }
}

/** Milliseconds with three digits. */
function microseconds(milliseconds: number): number {
  return Math.round(milliseconds * 1000) / 1000
}

function resultOf({ code }: JitError): CloseFields['result'] {
  if (/^(policy|approval)\.|^locked$|^message\.foreign$/.test(code)) return 'denied'
  if (code === 'lease.revoked') return 'revoked'
  return code === 'cancelled' ? 'aborted' : 'error'
}

function decisionFields(decision: Decision | undefined): CallFields['decision'] {
  if (decision === undefined) return { effect: 'deny', rule: { source: 'default', path: '' } }
  if (decision.effect !== 'deny') return permissionFields(decision)
  return { effect: decision.effect, rule: decision.rule, reason: decision.reason }
}

const permissions = new WeakMap<RuleReference, CallFields['decision']>()

/** The same for every call that the rule lets through. */
function permissionFields({ effect, rule }: Permission): CallFields['decision'] {
  const known = permissions.get(rule)
  if (known?.effect === effect) return known
  const made = Object.freeze({ effect, rule: Object.freeze({ ...rule }) })
  permissions.set(rule, made)
  return made
}

/** `digest`: the operation's digest stands in every record anyway; beside it the values that policy used. */
function argumentFields(mode: 'full' | 'digest' | 'none', decision: Decision | undefined, args: Json): { arguments?: Json } {
  if (mode === 'none') return {}
  return { arguments: mode === 'full' ? args : (decision?.used ?? {}) }
}
