import type { Lease } from '../broker/types.ts'
import { JitError, toJitError } from '../core/errors.ts'
import type { JsonObject } from '../core/json.ts'
import type { Decision, Operation, Permission } from '../core/types.ts'
import { Call, type CallContext, type GovernedRequest } from './call.ts'
import { forward } from './forward.ts'
import { deniedResult, errorAnswer, unknownName } from './jsonrpc.ts'
import { Trail } from './record.ts'

/**
 * One governed request, from the client's message to its answer:
 *
 *     record( parse → identify → decide → lease → inject → forward → scrub )
 *
 * `parse` happened on the way in (jsonrpc.ts). Whatever ends the call, exactly one closing record is in the trail before the
 * answer leaves.
 */
export async function runCall(context: CallContext, request: GovernedRequest): Promise<void> {
  const call = new Call(context, request)
  const trail = new Trail(context, call)
  try {
    const decision = decide(context, call.operation)
    trail.decided(decision)
    const permission = decision.effect === 'allow' ? decision : await permit(context, call, decision)
    await trail.intend()
    const lease = await obtainLease(context, call, permission)
    if (lease !== undefined) {
      call.endWith(lease.signal)
      trail.leased(lease)
    }
    try {
      const answer = await forward(context, call, permission, lease, trail)
      const clean = context.scrubber().scrubText(answer.line)
      await trail.close(isToolError(answer.value) ? 'tool-error' : 'ok')
      context.answer(request.id, clean)
    } finally {
      if (lease !== undefined) context.deps.broker.release(lease)
    }
  } catch (thrown) {
    await refuse(context, call, trail, toJitError(thrown))
  }
}

/** A pure look-up; a locked daemon denies whatever the policy says. */
function decide({ deps }: CallContext, operation: Operation): Decision {
  if (!deps.broker.locked) return deps.policy().decide(operation)
  return { effect: 'deny', rule: { source: 'lock', path: 'jit lock' }, code: 'locked', reason: 'jit is locked', hidden: false, used: {} }
}

/** `ask` waits for a person, `deny` ends the call. Nothing is minted before. */
async function permit({ deps }: CallContext, call: Call, decision: Decision): Promise<Permission> {
  if (decision.effect === 'deny')
    throw new JitError(decision.code, decision.reason, { hint: hintFor(call, decision.code), details: { hidden: decision.hidden } })
  const { answer, by } = await deps.approvals.ask(
    { call: call.id, principal: call.principal, operation: call.operation, permission: decision },
    call.signal,
  )
  // Locked while the call waited: a yes from before does not outlive it.
  if (deps.broker.locked) throw new JitError('locked', 'jit was locked while this call waited')
  if (answer === 'approved') return decision
  throw answer === 'timeout'
    ? new JitError('approval.timeout', 'nobody approved this call in time')
    : new JitError('approval.denied', `${by} denied this call`)
}

/** The live lease of this scope and session, or a new one; none for tools that need none. Its end ends the call. */
function obtainLease({ deps }: CallContext, call: Call, { grant }: Permission): Lease | undefined | Promise<Lease> {
  if (grant.credential === 'none') return undefined
  const ask = { grant, call: call.id, principal: call.principal, server: call.operation.server, tool: call.operation.name }
  return deps.broker.cached(ask) ?? deps.broker.acquire(ask, call.signal)
}

async function refuse(context: CallContext, call: Call, trail: Trail, error: JitError): Promise<void> {
  const { id } = call.request
  const closed = await trail.fail(error)
  if (error.code === 'cancelled') return context.forget(id)
  if (!closed) return context.answer(id, JSON.stringify(errorAnswer(id, new JitError('audit.unwritable', 'the trail cannot be written'))))
  context.answer(id, JSON.stringify(answerFor(call, error)))
}

/** Hidden: as if it did not exist. Denied by policy or a person: a result that the model reads. Everything else: an error. */
function answerFor({ operation, request }: Call, error: JitError): JsonObject {
  if (error.details['hidden'] === true) return unknownName(request.id, operation.kind, operation.name)
  const readable = /^(policy|approval)\.|^locked$/.test(error.code) && operation.kind === 'tool'
  return readable ? deniedResult(request.id, error) : errorAnswer(request.id, error)
}

function hintFor({ operation }: Call, code: string): string {
  return code === 'locked'
    ? 'Everything is denied until `jit unlock`.'
    : `Ask the person who runs jit: \`jit explain ${operation.server} ${operation.name}\` shows the rule.`
}

function isToolError(value: JsonObject): boolean {
  const { result } = value
  return (
    'error' in value || (typeof result === 'object' && result !== null && 'isError' in result && Reflect.get(result, 'isError') === true)
  )
}
