import { JitError, quote } from '../../core/errors.ts'
import { fold, otherSpelling } from '../../core/fold.ts'
import { isJsonObject, type Json, type JsonObject } from '../../core/json.ts'
import { noTasks, type TaskForms } from './task-asking.ts'

/** A task as the server made it: 2025-11-25 nests it, the extension does not. */
export interface CreatedTask {
  readonly kind: 'task'
  /** Whether the client takes a task in this form. */
  readonly asked: boolean
  readonly id: string
  readonly status: string
  /** Milliseconds, as the server says; undefined when it gives no end. */
  readonly ttl: number | undefined
  /** What it wants of the client already; undefined: nothing. */
  readonly requests: Json | undefined
}

/** The server wants something of the client before it goes on. */
export interface InputRequired {
  readonly kind: 'input'
  readonly requests: JsonObject
  readonly state: string | undefined
}

/** 2025-11-25: web addresses that the client's user should open before it tries again. */
export interface AddressesRequired {
  readonly kind: 'addresses'
  readonly elicitations: readonly unknown[]
}

export type Special = CreatedTask | InputRequired | AddressesRequired

/** What nearly every result is made of. */
const common = new Set(['content', 'isError', 'structuredContent', '_meta', 'contents', 'messages', 'description', 'ttlMs', 'cacheScope'])
const telling = new Set(['resulttype', 'inputrequests', 'requeststate', 'task', 'taskid'])
const known = new Set(['resultType', 'inputRequests', 'requestState', 'task', 'taskId'])
const urlElicitationRequired = -32042

/**
 * An answer to a governed request that is more than its result; undefined for all others. `forms`: those in which its client takes
 * a task. Throws JitError `message.ambiguous` or `message.malformed` for one that two readers would take for different things.
 */
export function specialOf({ result, error }: JsonObject, forms: TaskForms = noTasks): Special | undefined {
  if (isJsonObject(error)) {
    refuseSpelling(error, ['code', 'data'])
    if (error['code'] === urlElicitationRequired) return addressesIn(error['data'])
  }
  if (!isJsonObject(result)) return undefined
  let tells = false
  for (const key in result) {
    if (common.has(key)) continue
    const folded = fold(key)
    if (!telling.has(folded)) continue
    if (!known.has(key)) throw new JitError('message.ambiguous', `a result of the server holds the key ${quote(key)}, in another spelling`)
    tells = true
  }
  return tells ? kindOf(result, forms) : undefined
}

function addressesIn(data: Json | undefined): AddressesRequired {
  if (!isJsonObject(data)) return { kind: 'addresses', elicitations: [] }
  refuseSpelling(data, ['elicitations'])
  return { kind: 'addresses', elicitations: Array.isArray(data['elicitations']) ? data['elicitations'] : [] }
}

function refuseSpelling(error: JsonObject, names: readonly string[]): void {
  const key = otherSpelling(error, names)
  if (key !== undefined) throw new JitError('message.ambiguous', `an error of the server holds the key ${quote(key)}, in another spelling`)
}

function kindOf(result: JsonObject, { nested, flat }: TaskForms): Special | undefined {
  const type = result['resultType']
  const inner = nested && isJsonObject(result['task']) ? result['task'] : undefined
  if (type === 'task' || inner !== undefined) {
    if (type === 'task' && inner !== undefined) throw new JitError('message.ambiguous', 'the server made a task in two forms at once')
    const task = inner ?? result
    const ttl = milliseconds(task['ttl'] ?? task['ttlMs'])
    const { id, requests } = { id: taskId(task['taskId']), requests: task['inputRequests'] }
    return { kind: 'task', asked: inner !== undefined || flat, id, status: String(task['status']), ttl, requests }
  }
  if (type !== 'input_required' && !('inputRequests' in result)) return undefined
  const requests = result['inputRequests'] ?? {}
  const state = result['requestState']
  if (!isJsonObject(requests) || (state !== undefined && typeof state !== 'string'))
    throw new JitError('message.malformed', 'the server asked for input in a form that is not the protocol’s')
  return { kind: 'input', requests, state }
}

function taskId(id: unknown): string {
  if (typeof id === 'string' && id.length > 0 && id.length <= 1024) return id
  throw new JitError('message.malformed', `the server made a task without an id of 1 to 1024 characters`)
}

function milliseconds(value: unknown): number | undefined {
  return typeof value === 'number' && Number.isFinite(value) && value >= 0 ? value : undefined
}
