import { JitError, quote } from '../../core/errors.ts'
import { isJsonObject, type Json, type JsonObject } from '../../core/json.ts'
import type { Question } from './questions.ts'

/** A request of a server that the client has not answered. */
export interface Asked {
  readonly method: string
  /** JSON of its progress token. */
  readonly token: string
  /** Undefined for what policy has no say in. */
  readonly question: Question | undefined
  /** The server wants a task that it can ask for later. */
  readonly makesTask: boolean
}

const taskCap = 1024
const byTask = new Set(['tasks/get', 'tasks/result', 'tasks/cancel'])

/** Tasks that the client works on for one lane's server (2025-11-25): it may ask for those, which policy let it make, and no others. */
export class ClientTasks {
  readonly #ids = new Set<string>()

  has(id: unknown): boolean {
    return typeof id === 'string' && this.#ids.has(id)
  }

  /** Throws JitError `message.foreign` when the server asks for a task that was not made for it. */
  check(method: string, params: JsonObject): void {
    if (byTask.has(method) && !this.has(params['taskId']))
      throw new JitError('message.foreign', `the client has no task ${quote(params['taskId'])} of this server`)
  }

  /** The client's answer as the server gets it: a list holds its own tasks only. Remembers the task that it names. */
  answer(asked: Asked, answer: JsonObject): JsonObject {
    const { result } = { result: answer['result'] }
    if (!isJsonObject(result)) return answer
    const id = isJsonObject(result['task']) ? result['task']['taskId'] : undefined
    if (asked.makesTask && typeof id === 'string' && id.length <= 1024 && this.#ids.size < taskCap) this.#ids.add(id)
    if (asked.method !== 'tasks/list') return answer
    const tasks = Array.isArray(result['tasks']) ? result['tasks'] : []
    return { ...answer, result: { ...result, tasks: tasks.filter((task: Json) => isJsonObject(task) && this.has(task['taskId'])) } }
  }
}
