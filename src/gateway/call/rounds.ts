import { JitError } from '../../core/errors.ts'
import { otherSpelling } from '../../core/fold.ts'
import { digestOf, isJsonObject, type Json, type JsonObject } from '../../core/json.ts'
import type { Operation } from '../../core/types.ts'
import type { Question, Questions } from '../lane/questions.ts'
import type { AddressesRequired } from './special.ts'

/** Rounds that one connection may have open; of older ones the client has to begin anew. */
const roundsCap = 1000
/** Things that one result may ask for. */
export const inputsCap = 64
/** Characters of the key of each: the keys are kept until the client answers, which it may never do. */
const keyCap = 1024

interface Round {
  /** Digest of the request that may go on with it. */
  readonly request: string
  /** What was asked and not answered, by the server's key. */
  readonly questions: Map<string, Question>
}

/**
 * Requests that a server answered with a wish for input (2026-07-28). Each round is a governed call of its own; what connects
 * them is the server's state, which goes back with the request that it was given for, on this connection, and with no other.
 */
export class Rounds {
  readonly #questions: Questions
  readonly #rounds = new Map<string, Round>()

  constructor(questions: Questions) {
    this.#questions = questions
  }

  /** Before the request goes on. Throws JitError `message.foreign` for a state that was not given to it. */
  enter(operation: Operation, params: JsonObject): void {
    const { state, responses } = { state: params['requestState'], responses: params['inputResponses'] }
    if (state === undefined && responses === undefined) return
    const request = requestOf(operation)
    const round = this.#rounds.get(keyOf(state, request))
    if (state !== undefined && round?.request !== request)
      throw new JitError('message.foreign', 'the requestState was not given to this connection for this request')
    if (round === undefined || !isJsonObject(responses)) return
    for (const [key, question] of round.questions) {
      const response = Object.hasOwn(responses, key) ? responses[key] : undefined
      if (response === undefined) continue
      round.questions.delete(key)
      this.#questions.answered(question, { result: response })
    }
  }

  /** The result goes to the client, with these questions. */
  leave(operation: Operation, state: string | undefined, questions: Map<string, Question>): void {
    const request = requestOf(operation)
    const key = keyOf(state, request)
    this.#rounds.delete(key)
    this.#rounds.set(key, { request, questions })
    const [oldest] = this.#rounds.keys()
    if (this.#rounds.size > roundsCap && oldest !== undefined) this.#rounds.delete(oldest)
  }
}

/**
 * Asks, of a result's `inputRequests`, each under its key. Throws for the first that may not be asked: then none is.
 * Those of `known` were asked before, under
 * that key and in those words; the new ones are added to it.
 */
export function askForInputs(
  questions: Questions,
  requests: JsonObject,
  about: { readonly way: 'input_required' | 'task'; readonly lane: string; readonly call: string },
  known: Set<string> = new Set(),
): Map<string, Question> {
  const entries = Object.entries(requests)
  if (entries.length > inputsCap) throw new JitError('message.malformed', `the server asks for more than ${inputsCap} things at once`)
  if (entries.some(([key]) => key.length > keyCap))
    throw new JitError('message.malformed', `the server asks for something by a key of more than ${keyCap} characters`)
  const asked = new Map<string, Question>()
  for (const [key, request] of entries) {
    const name = digestOf({ key, request })
    if (known.has(name)) continue
    asked.set(key, questions.ask({ ...about, ...methodOf(request) }))
    known.add(name)
  }
  return asked
}

/** The same for web addresses that an error names (2025-11-25). */
export function askForAddresses(questions: Questions, { elicitations }: AddressesRequired, lane: string, call?: string): void {
  if (elicitations.length > inputsCap) throw new JitError('message.malformed', `the server names more than ${inputsCap} addresses`)
  for (const elicitation of elicitations) {
    const params = { ...(isJsonObject(elicitation) ? elicitation : {}), mode: 'url' }
    questions.ask({ method: 'elicitation/create', params, way: 'error', lane, ...(call === undefined ? {} : { call }) })
  }
}

function methodOf(request: Json): { method: string; params: JsonObject } {
  if (isJsonObject(request) && otherSpelling(request, ['method', 'params']) !== undefined)
    throw new JitError('message.ambiguous', 'the server asks for input with a key in another spelling')
  const { method, params } = isJsonObject(request) ? { method: request['method'], params: request['params'] } : {}
  return { method: typeof method === 'string' ? method : '', params: isJsonObject(params) ? params : {} }
}

function requestOf({ kind, name, args }: Operation): string {
  return digestOf({ kind, name, args })
}

/** Without a state, the request itself says which round it goes on with. */
function keyOf(state: unknown, request: string): string {
  return typeof state === 'string' ? `state:${digestOf(state)}` : `request:${request}`
}
