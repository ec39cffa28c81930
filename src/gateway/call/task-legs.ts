import type { UpstreamRequest } from '../../audit/event.ts'
import { JitError, toJitError } from '../../core/errors.ts'
import { isJsonObject, type Json, type JsonObject } from '../../core/json.ts'
import type { CallContext } from './context.ts'
import { Ending } from '../ending.ts'
import { errorAnswer, isStateless, type Message } from '../protocol/jsonrpc.ts'
import type { Lane } from '../lane/lane.ts'
import { decide } from './pipeline.ts'
import { askForAddresses } from './rounds.ts'
import { specialOf } from './special.ts'
import { declaresTasks, tasksExtension } from './task-asking.ts'
import type { Task } from './tasks.ts'

type Request = Message & { readonly kind: 'request' }

/**
 * A request about a task of this connection's: it goes to the lane that has the task, while policy still allows the call that
 * made it. To cancel is always allowed. What reaches no server is recorded as refused.
 */
export async function runTaskLeg(context: CallContext, message: Request): Promise<void> {
  const { id, method, params } = message
  const ending = new Ending()
  const untrack = context.track(id, ending)
  try {
    const line = await (method === 'tasks/list' ? list(context, message, ending) : ask(context, message, ending, params))
    untrack()
    context.answer(id, line)
  } catch (thrown) {
    untrack()
    const error = toJitError(thrown)
    if (error.code === 'cancelled' && error === ending.reason) context.forget(id)
    else
      context.answer(
        id,
        JSON.stringify((error.code === 'message.foreign' ? undeclared(context, message) : undefined) ?? errorAnswer(id, error)),
      )
  }
}

async function ask(context: CallContext, { id, method, value }: Request, ending: Ending, params: JsonObject): Promise<string> {
  const task = allowed(context, method, params)
  const { tasks, lanes } = context
  if (method === 'tasks/cancel') await tasks.cancel(task)
  if (method === 'tasks/update') tasks.answered(task, params['inputResponses'])
  lanes.hold(task.lane)
  try {
    const held =
      task.atWork && task.lease !== undefined
        ? { lease: task.lease, onRequest: (request: UpstreamRequest) => task.requested(request) }
        : undefined
    const answer = await task.lane.request(id, JSON.stringify(value), ending, held)
    checkKind(context, method, answer.value, task.lane, task)
    if (method === 'tasks/result') await tasks.finished(task, answer.value)
    else if (isJsonObject(answer.value['result'])) await tasks.heard(task, answer.value['result'])
    // What stands there twice is not what was looked at.
    return context.clean(JSON.stringify(answer.value))
  } finally {
    lanes.release(task.lane)
  }
}

/** Only the state of a task asks for input; its result does not, nor does a list of them. */
function checkKind(context: CallContext, method: string, answer: JsonObject, lane: Lane, task?: Task): void {
  const special = specialOf(answer)
  if (special?.kind === 'addresses') askForAddresses(context.questions, special, lane.id, task?.call.id)
  if (special?.kind === 'input' && method !== 'tasks/get')
    throw new JitError('message.malformed', `the server asks for input in answer to ${method}, which has no such answer`)
}

/**
 * News that a lane's server has of a task; false when it has none of that id. They wait for the record of the task's end, and what
 * they ask for is policy.
 */
export function newsOfTask(
  context: CallContext,
  lane: Lane,
  { params, value }: Message & { readonly kind: 'notification' },
  write: (line: string, about: string | undefined) => void,
): boolean {
  const task = context.tasks.of(lane, params['taskId'])
  if (task === undefined) return false
  const meta = params['_meta']
  const subscription = isJsonObject(meta) ? JSON.stringify(meta['io.modelcontextprotocol/subscriptionId']) : undefined
  const about = subscription !== undefined && lane.serves(subscription) ? subscription : undefined
  context.tasks
    .heard(task, params)
    .then(() => write(context.clean(JSON.stringify(value)), about))
    .catch((thrown: unknown) => context.refused(toJitError(thrown), 'server'))
  return true
}

/** From 2026-07-28 on, who does not say that it knows tasks learns that first (section "Required Capabilities" of the extension). */
function undeclared(context: CallContext, { id, params }: Request): JsonObject | undefined {
  if (!isStateless(context.revision(params)) || declaresTasks(context, params)) return undefined
  const data = { requiredCapabilities: { extensions: { [tasksExtension]: {} } } }
  return { jsonrpc: '2.0', id, error: { code: -32021, message: `The client did not declare ${tasksExtension}`, data } }
}

function allowed(context: CallContext, method: string, params: JsonObject): Task {
  try {
    const task = context.tasks.find(params['taskId'])
    const decision = method === 'tasks/cancel' ? undefined : decide(context, task.call.operation)
    if (decision?.effect === 'deny') throw new JitError(decision.code, decision.reason)
    return task
  } catch (thrown) {
    const error = toJitError(thrown)
    context.refused(error, 'client')
    throw error
  }
}

/** Each lane has a list of its own; they follow each other, and of each only this connection's tasks are shown. */
async function list(context: CallContext, { id, value, params }: Request, ending: Ending): Promise<string> {
  const { lanes, cursor } = whereToGoOn(context.tasks.lanes, params['cursor'])
  const [lane, next] = lanes
  if (lane === undefined) return JSON.stringify({ jsonrpc: '2.0', id, result: { tasks: [] } })
  const { cursor: _, ...rest } = params
  const asked = { ...value, params: { ...rest, ...(cursor === undefined ? {} : { cursor }) } }
  const answer = await lane.request(id, JSON.stringify(asked), ending)
  checkKind(context, 'tasks/list', answer.value, lane)
  const { result } = { result: answer.value['result'] }
  if (!isJsonObject(result)) return context.clean(JSON.stringify(answer.value))
  const tasks = Array.isArray(result['tasks']) ? result['tasks'] : []
  const shown = tasks.filter((task: Json) => isJsonObject(task) && context.tasks.of(lane, task['taskId']) !== undefined)
  const { nextCursor, ...others } = result
  const goOn = typeof nextCursor === 'string' ? cursorOf(lane, nextCursor) : next === undefined ? undefined : cursorOf(next, '')
  const answered = { ...others, tasks: shown, ...(goOn === undefined ? {} : { nextCursor: goOn }) }
  return context.clean(JSON.stringify({ jsonrpc: '2.0', id, result: answered }))
}

/** The lanes from the cursor's on, and the cursor as that lane's server gave it. Throws JitError `message.foreign` for none of ours. */
function whereToGoOn(lanes: readonly Lane[], cursor: unknown): { lanes: readonly Lane[]; cursor: string | undefined } {
  if (cursor === undefined) return { lanes, cursor: undefined }
  const match = typeof cursor === 'string' ? /^jit:(lane_[0-9a-z]+):(.*)$/s.exec(cursor) : null
  const index = lanes.findIndex(({ id }) => id === match?.[1])
  if (match?.[2] === undefined || index === -1) throw new JitError('message.foreign', 'the cursor is none that this connection was given')
  return { lanes: lanes.slice(index), cursor: match[2] === '' ? undefined : match[2] }
}

function cursorOf(lane: Lane, own: string): string {
  return `jit:${lane.id}:${own}`
}
