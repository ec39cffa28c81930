import type { UpstreamRequest } from '../../audit/event.ts'
import type { Lease } from '../../broker/types.ts'
import type { Clock } from '../../core/clock.ts'
import { JitError, quote, toJitError } from '../../core/errors.ts'
import { otherSpelling } from '../../core/fold.ts'
import { isJsonObject, type Json, type JsonObject } from '../../core/json.ts'
import type { Call } from './call.ts'
import type { Passage } from './passage.ts'
import type { Lane } from '../lane/lane.ts'
import type { Question, Questions } from '../lane/questions.ts'
import type { Trail } from './record.ts'
import { askForAddresses, askForInputs, inputsCap } from './rounds.ts'
import { type CreatedTask, specialOf } from './special.ts'

/** Tasks that one connection may have at work, and those that it may still ask for. */
const liveCap = 256
const knownCap = 2048
/** Of a task without an end of its own; one with a lease ends with that. */
const longest = 24 * 3600_000
/** How long a lane is kept for the result of a task that is over. */
const keptFor = 60_000
const terminal = new Set(['completed', 'failed', 'cancelled'])

/** What a call holds while its task is at work. */
export interface Held {
  readonly call: Call
  readonly trail: Trail
  readonly passage: Passage
  readonly lease: Lease | undefined
  /** JSON of the progress token that the call named; empty when it named none. */
  readonly token: string
}

type Outcome = JitError | 'ok' | 'tool-error'

/** A task that a server made of a call. */
export class Task {
  readonly id: string
  readonly lane: Lane
  readonly call: Call
  readonly token: string
  /** As the server made it. */
  readonly status: string
  /** Open ones, by the server's key. */
  readonly questions = new Map<string, Question>()
  /** All that it asked for, each key with its words, by digest. */
  readonly asked = new Set<string>()
  /** The call's; given back when the task is over. */
  readonly lease: Lease | undefined
  readonly #trail: Trail
  readonly #close: (outcome: Outcome) => Promise<void>
  #ended: Promise<void> | undefined

  constructor({ id, status }: CreatedTask, { call, trail, passage, lease, token }: Held, close: (outcome: Outcome) => Promise<void>) {
    this.id = id
    this.status = status
    this.lane = passage.lane
    this.call = call
    this.token = token
    this.lease = lease
    this.#trail = trail
    this.#close = close
  }

  get atWork(): boolean {
    return this.#ended === undefined
  }

  /** A remote server was asked about it, with its call's credential: for the call's closing record. */
  requested(request: UpstreamRequest): void {
    this.#trail.requested(request)
  }

  /** The first outcome counts. Resolves once it is on the record, or cannot be. */
  end(outcome: Outcome): Promise<void> {
    this.#ended ??= this.#close(outcome)
    return this.#ended
  }
}

export interface TasksOptions {
  readonly clock: Clock
  readonly questions: Questions
  /** Gives a lease back. */
  release(lease: Lease): void
}

/**
 * Tasks of one connection: each belongs to the call that made it. The call stays on the wire, with its lease, until its task is
 * over, its lease or its lane ends, or it is cancelled; only then it has its closing record. A task's id is good for the
 * connection that got it, and for nobody else.
 */
export class Tasks {
  readonly #options: TasksOptions
  readonly #tasks = new Map<string, Task>()
  #live = 0

  constructor(options: TasksOptions) {
    this.#options = options
  }

  /** The call's server made a task of it. Throws JitError when it cannot be told from another, or there are too many. */
  keep(created: CreatedTask, held: Held): Task {
    const { id, ttl } = created
    if (this.#tasks.has(id))
      throw new JitError('message.ambiguous', `the server made a task with the id ${quote(id)}, which another task has`)
    if (this.#live >= liveCap) throw new JitError('server.busy', `more than ${liveCap} tasks are at work`)
    const { clock } = this.#options
    const stop = (reason: JitError): void => void task.end(reason)
    const task = new Task(created, held, (outcome) => {
      this.#live -= 1
      cancelTimer()
      held.call.ending.off(stop)
      held.passage.lane.offEnd(stop)
      return this.#close(held, outcome)
    })
    if (created.requests !== undefined) this.#ask(task, created.requests)
    const tooLong = new JitError('server.unavailable', `task ${quote(id)} did not end in the time that it was given`)
    const cancelTimer = clock.after(Math.min(ttl ?? longest, longest), () => stop(tooLong))
    this.#live += 1
    this.#tasks.set(id, task)
    this.#forgetOldest()
    held.call.ending.on(stop)
    held.passage.lane.onEnd(stop)
    return task
  }

  /** The client hears of the task next. One that cannot be put on record ends with that. */
  async begin(task: Task, trail: Trail): Promise<void> {
    try {
      await trail.release(task.id)
    } catch (error) {
      await task.end(toJitError(error))
      throw error
    }
    if (terminal.has(task.status)) await task.end(resultOf(task.status))
  }

  /** Throws JitError `message.foreign` for a task that this connection was not given. */
  find(id: unknown): Task {
    const task = typeof id === 'string' ? this.#tasks.get(id) : undefined
    if (task === undefined) throw new JitError('message.foreign', `there is no task ${quote(id)} of this connection`)
    return task
  }

  /** News that a lane's server has of a task; undefined when the task is none of that lane's. */
  of(lane: Lane, id: unknown): Task | undefined {
    const task = typeof id === 'string' ? this.#tasks.get(id) : undefined
    return task?.lane === lane ? task : undefined
  }

  laneOf(id: string): Lane | undefined {
    return this.#tasks.get(id)?.lane
  }

  /** Lanes that have tasks, each once, the oldest task's first. */
  get lanes(): Lane[] {
    return [...new Set([...this.#tasks.values()].filter(({ lane }) => !lane.ended).map(({ lane }) => lane))]
  }

  hasProgress(lane: Lane, token: string): boolean {
    for (const task of this.#tasks.values()) if (task.lane === lane && task.atWork && task.token === token) return true
    return false
  }

  /**
   * What the server says of a task, on its way to the client: what it asks for is policy, and its end ends the call, on the
   * record, before the client hears of it. Throws JitError for what may not go on.
   */
  async heard(task: Task, state: JsonObject): Promise<void> {
    const { taskId, status, inputRequests } = { taskId: state['taskId'], status: state['status'], inputRequests: state['inputRequests'] }
    const key = otherSpelling(state, ['taskId', 'status', 'inputRequests', 'result', 'error'])
    if (key !== undefined) throw new JitError('message.ambiguous', `the server says of a task ${quote(key)}, in another spelling`)
    this.#checkEnd(task, state)
    if (taskId !== undefined && taskId !== task.id)
      throw new JitError('message.malformed', `the server answered for another task in place of ${quote(task.id)}`)
    if (inputRequests !== undefined) this.#ask(task, inputRequests)
    if (typeof status !== 'string' || !terminal.has(status)) return
    await task.end(status === 'completed' && toolFailed(state['result']) ? 'tool-error' : resultOf(status))
  }

  /** The result itself, where it is asked for by itself. */
  async finished(task: Task, answer: JsonObject): Promise<void> {
    await task.end('error' in answer || toolFailed(answer['result']) ? 'tool-error' : 'ok')
  }

  /** The client answers what the task asked for. */
  answered(task: Task, responses: Json | undefined): void {
    if (!isJsonObject(responses)) return
    for (const [key, response] of Object.entries(responses).slice(0, inputsCap)) {
      const question = task.questions.get(key)
      if (question === undefined) continue
      task.questions.delete(key)
      this.#options.questions.answered(question, { result: response })
    }
  }

  cancel(task: Task): Promise<void> {
    return task.end(new JitError('cancelled', 'the client cancelled the task'))
  }

  endAll(reason: JitError): void {
    for (const task of this.#tasks.values()) void task.end(reason)
  }

  /** Their servers are gone, and with them the tasks. */
  forget(): void {
    this.#tasks.clear()
  }

  /** Its result or error stands in its state: what it was a call for, and no question of its own. */
  #checkEnd(task: Task, { result = null, error = null }: JsonObject): void {
    const special = specialOf({ result, error })
    if (special?.kind === 'addresses') askForAddresses(this.#options.questions, special, task.lane.id, task.call.id)
    else if (special !== undefined) throw new JitError('message.malformed', 'the result of a task asks for more, which no such result does')
  }

  #ask(task: Task, requests: Json): void {
    if (!isJsonObject(requests)) throw new JitError('message.malformed', 'the server asks for input in a form that is not the protocol’s')
    const about = { way: 'task', lane: task.lane.id, call: task.call.id } as const
    if (task.asked.size > knownCap) throw new JitError('server.busy', 'a task asks for too many things')
    const asked = askForInputs(this.#options.questions, requests, about, task.asked)
    for (const [key, question] of asked) task.questions.set(key, question)
  }

  /** Off the wire first; the lane stays a while for the result. */
  async #close({ trail, passage, lease }: Held, outcome: Outcome): Promise<void> {
    passage.leaveWire()
    this.#options.clock.after(keptFor, () => passage.leave())
    try {
      if (outcome instanceof JitError) await trail.fail(outcome)
      else await trail.close(outcome)
    } finally {
      if (lease !== undefined) this.#options.release(lease)
    }
  }

  /** Those at work are never forgotten: there are fewer of them than are known. */
  #forgetOldest(): void {
    if (this.#tasks.size <= knownCap) return
    for (const task of this.#tasks.values()) {
      if (task.atWork) continue
      this.#tasks.delete(task.id)
      return
    }
  }
}

function resultOf(status: string): Outcome {
  if (status === 'cancelled') return new JitError('cancelled', 'the server says that the task was cancelled')
  return status === 'completed' ? 'ok' : 'tool-error'
}

function toolFailed(result: unknown): boolean {
  return isJsonObject(result) && result['isError'] === true
}
