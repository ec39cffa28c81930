import { JitError, toJitError } from '../../core/errors.ts'
import { isJsonObject, type JsonObject } from '../../core/json.ts'
import type { Decision, Operation, Permission } from '../../core/types.ts'
import { Call, type GovernedRequest } from './call.ts'
import type { CallContext } from './context.ts'
import { send } from './forward.ts'
import { Holding } from './holding.ts'
import { deniedResult, errorAnswer, unknownName } from '../protocol/jsonrpc.ts'
import type { Passage } from './passage.ts'
import { Trail } from './record.ts'
import { askForAddresses, askForInputs } from './rounds.ts'
import { type Special, specialOf } from './special.ts'
import { taskFormsOf } from './task-asking.ts'
import type { Held, Task } from './tasks.ts'
import { isToolNew, listFirst, noteMismatch } from './tool-lists.ts'

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
    if (decision.effect !== 'deny') context.rounds.enter(call.operation, request.params)
    const permission = decision.effect === 'allow' ? decision : await permit(context, call, decision)
    if (isToolNew(context, call)) await listFirst(context, call)
    await trail.intend()
    const holding = new Holding(context.deps.broker, call, permission, trail)
    await holding.acquire()
    let passage: Passage | undefined
    let task: Task | undefined
    try {
      const sent = await send(context, call, permission, holding, trail)
      passage = sent.passage
      const { answer } = sent
      noteMismatch(context, call, answer.value)
      const special = specialOf(answer.value, taskFormsOf(context, request.params))
      task =
        special === undefined
          ? undefined
          : goOn(context, special, { call, trail, passage, lease: holding.lease, token: progressTokenOf(request) })
      if (task === undefined) passage.leave()
      // What was looked at, where a key that stands there twice could be another answer for another reader.
      const same = special === undefined && !('error' in answer.value)
      const clean = context.clean(same ? answer.line : JSON.stringify(answer.value))
      if (task === undefined) await trail.close(isToolError(answer.value) ? 'tool-error' : 'ok')
      else await context.tasks.begin(task, trail)
      context.answer(request.id, clean)
    } finally {
      if (task === undefined) {
        passage?.leave()
        holding.release()
      }
    }
  } catch (thrown) {
    await refuse(context, call, trail, toJitError(thrown))
  }
}

/** An answer that is not the end of what was asked: what the server wants of the client is policy, and a task holds its call. */
function goOn(context: CallContext, special: Special, held: Held): Task | undefined {
  const { call, passage } = held
  const about = { lane: passage.lane.id, call: call.id }
  if (special.kind === 'addresses') {
    askForAddresses(context.questions, special, about.lane, about.call)
    return undefined
  }
  if (special.kind === 'input') {
    const asked = askForInputs(context.questions, special.requests, { way: 'input_required', ...about })
    context.rounds.leave(call.operation, special.state, asked)
    return undefined
  }
  // Nobody would ask how it goes: it would hold the lease for as long as the server likes.
  if (!special.asked) throw new JitError('message.malformed', 'the server made a task of a call whose client takes none')
  if (call.operation.kind !== 'tool') throw new JitError('message.malformed', 'only a tool call can become a task')
  // It stands in the trail.
  if (context.scrubber().scrubText(special.id) !== special.id)
    throw new JitError('message.malformed', 'the server made a task whose id holds a credential')
  const task = context.tasks.keep(special, held)
  call.detach()
  return task
}

/** A pure look-up; a locked daemon denies whatever the policy says. The page of a tool goes with the tool. */
export function decide(context: CallContext, operation: Operation): Decision {
  const { deps } = context
  if (deps.broker.locked)
    return { effect: 'deny', rule: { source: 'lock', path: 'jit lock' }, code: 'locked', reason: 'jit is locked', hidden: false, used: {} }
  const decision = deps.policy().decide(operation)
  if (decision.effect !== 'deny' || operation.kind !== 'resource' || !decision.hidden) return decision
  const tool = context.toolOfPage(operation.name)
  if (tool === undefined) return decision
  const rule = { source: 'config', path: `servers.${operation.server}: page of ${tool}` } as const
  return { effect: 'allow', rule, grant: { credential: 'none' }, used: {}, resource: operation.name }
}

/** `ask` waits for a person, `deny` ends the call. Nothing is minted before. */
async function permit({ deps }: CallContext, call: Call, decision: Decision): Promise<Permission> {
  if (decision.effect === 'deny')
    throw new JitError(decision.code, decision.reason, { hint: hintFor(call, decision.code), details: { hidden: decision.hidden } })
  const { answer, by } = await deps.approvals.ask(
    { call: call.id, principal: call.principal, operation: call.operation, permission: decision },
    call.ending.signal,
  )
  // Locked while the call waited: a yes from before does not outlive it.
  if (deps.broker.locked) throw new JitError('locked', 'jit was locked while this call waited')
  if (answer === 'approved') return decision
  throw answer === 'timeout'
    ? new JitError('approval.timeout', 'nobody approved this call in time')
    : new JitError('approval.denied', `a person said no (${by})`)
}

async function refuse(context: CallContext, call: Call, trail: Trail, error: JitError): Promise<void> {
  const { id } = call.request
  const closed = await trail.fail(error)
  if (error.code === 'cancelled') return context.forget(id)
  if (!closed) return context.answer(id, JSON.stringify(errorAnswer(id, new JitError('audit.unwritable', 'the trail cannot be written'))))
  context.answer(id, JSON.stringify(answerFor(call, error, context.revision(call.request.params))))
}

/** Hidden: as if it did not exist. Denied by policy or a person: a result that the model reads. Everything else: an error. */
function answerFor({ operation, request }: Call, error: JitError, revision: string): JsonObject {
  if (error.details['hidden'] === true) return unknownName(request.id, operation.kind, operation.name, revision)
  const readable = /^(policy|approval)\.|^locked$/.test(error.code) && operation.kind === 'tool'
  return readable ? deniedResult(request.id, error, revision) : errorAnswer(request.id, error)
}

function hintFor({ operation }: Call, code: string): string {
  return code === 'locked'
    ? 'Everything is denied until `jit unlock`.'
    : `Ask the person who runs jit: \`jit explain ${operation.server} ${operation.name}\` shows the rule.`
}

function progressTokenOf({ params }: Call['request']): string {
  const meta = params['_meta']
  return isJsonObject(meta) && meta['progressToken'] !== undefined ? JSON.stringify(meta['progressToken']) : ''
}

function isToolError(value: JsonObject): boolean {
  const { result } = value
  return (
    'error' in value || (typeof result === 'object' && result !== null && 'isError' in result && Reflect.get(result, 'isError') === true)
  )
}
