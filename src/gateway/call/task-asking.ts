import { isJsonObject, type Json, type JsonObject } from '../../core/json.ts'
import { isStateless } from '../protocol/jsonrpc.ts'

export const tasksExtension = 'io.modelcontextprotocol/tasks'

/** In which forms the client of a request takes a task in place of its result. */
export interface TaskForms {
  /** Nested in the result, as in 2025-11-25: the request names `task`. */
  readonly nested: boolean
  /** As the result itself, by the extension that the client declared. */
  readonly flat: boolean
}

/** What is known of who asks. */
interface Client {
  /** Revision of the protocol that a request is of: its own word, or else what was agreed on; empty before that. */
  revision(params: JsonObject): string
  /** What it said in its handshake that it can do. */
  capabilities(): Json | undefined
}

export const noTasks: TaskForms = { nested: false, flat: false }

export function taskFormsOf(client: Client, params: JsonObject): TaskForms {
  return { nested: params['task'] !== undefined && !isStateless(client.revision(params)), flat: declaresTasks(client, params) }
}

/** From 2026-07-28 on each request says so for itself; before, the handshake may have said so for all. */
export function declaresTasks(client: Client, params: JsonObject): boolean {
  const own = below(below(params, '_meta'), 'io.modelcontextprotocol/clientCapabilities')
  return knowsTasks(own) || (!isStateless(client.revision(params)) && knowsTasks(client.capabilities()))
}

function knowsTasks(capabilities: Json | undefined): boolean {
  const extensions = below(capabilities, 'extensions')
  return isJsonObject(extensions) && Object.hasOwn(extensions, tasksExtension)
}

function below(value: Json | undefined, key: string): Json | undefined {
  return isJsonObject(value) ? value[key] : undefined
}
