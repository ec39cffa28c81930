import { JitError, quote } from '../../core/errors.ts'
import { otherSpelling } from '../../core/fold.ts'
import { newId } from '../../core/ids.ts'
import { isJsonObject, type JsonObject } from '../../core/json.ts'
import { fromClient, fromServer } from '../protocol/methods.ts'
import type { GatewayDeps } from '../types.ts'

/** What a server may ask a client for, and the key of its config that says whether. */
const switches = { 'sampling/createMessage': 'sampling', 'elicitation/create': 'elicitation', 'roots/list': 'roots' } as const
const words = { sampling: 'use the client’s model', elicitation: 'ask the client’s user', roots: 'ask for the client’s folders' } as const

/** Questions that get a record each, in a minute: a server must not fill the disk by asking a client that answers by itself. */
const perMinute = 600

export interface QuestionsOptions {
  readonly server: string
  readonly connection: string
  readonly session: string
  /** Takes secrets out of what a server says. */
  scrub(text: string): string
}

/** By which way it came: a request of the server, a result that requires input, a task that does, or an error that names an address. */
export type Way = 'request' | 'input_required' | 'task' | 'error'

/** A question that went to the client. */
export interface Question {
  readonly id: string
  readonly method: string
  /** Monotonic milliseconds. */
  readonly since: number
}

export interface Asking {
  readonly method: string
  readonly params: JsonObject
  readonly way: Way
  readonly lane: string
  /** The call that it came up in, where that is known. */
  readonly call?: string
}

/**
 * What one server asks one client: policy, and the record of each question and its answer. The contents stay out of the trail:
 * they are between the server, the model and a person. Nor are a server's own words in an error of jit's: they may be a credential.
 */
export class Questions {
  readonly #deps: Pick<GatewayDeps, 'audit' | 'clock' | 'config'>
  readonly #options: QuestionsOptions
  #minute = 0
  #asked = 0

  constructor(deps: Pick<GatewayDeps, 'audit' | 'clock' | 'config'>, options: QuestionsOptions) {
    this.#deps = deps
    this.#options = options
  }

  /** Whether policy has a say in the method. */
  governs(method: string): method is keyof typeof switches {
    return method in switches
  }

  /**
   * Decides and records. Throws JitError `policy.denied` when the server may not ask that, `message.malformed` for an address that
   * no person should open, `server.busy` for too many, `audit.unwritable`.
   */
  ask({ method, params, way, lane, call }: Asking): Question {
    const since = this.#deps.clock.monotonic()
    this.#count(since)
    const question = { id: newId('question'), method, since }
    const refusal = this.#refusal(method, params)
    this.#deps.audit.append({
      type: 'client.asked',
      server: this.#options.server,
      detail: {
        question: question.id,
        connection: this.#options.connection,
        session: this.#options.session,
        lane,
        ...(call === undefined ? {} : { call }),
        method: nameOf(method),
        way,
        ...(method === 'elicitation/create' ? elicitationFacts(params, refusal === undefined) : {}),
        decision: refusal === undefined ? 'allow' : 'deny',
        ...(refusal === undefined ? {} : { reason: refusal.message }),
      },
    })
    if (refusal !== undefined) throw refusal
    return question
  }

  /** `answer`: the client's result, its error, or undefined when none will come. */
  answered(question: Question, answer: JsonObject | undefined): void {
    const { id, method, since } = question
    this.#deps.audit.append({
      type: 'client.answered',
      server: this.#options.server,
      detail: {
        question: id,
        connection: this.#options.connection,
        session: this.#options.session,
        method,
        answer: outcomeOf(method, answer),
        took: Math.round(this.#deps.clock.monotonic() - since),
      },
    })
  }

  #refusal(method: string, params: JsonObject): JitError | undefined {
    const { server } = this.#options
    if (!this.governs(method))
      return new JitError('policy.denied', `server ${server} asked for ${nameOf(method)}, which a server may not ask`)
    const key = switches[method]
    if (this.#deps.config().servers[server]?.[key] !== 'allow')
      return new JitError('policy.denied', `server ${server} may not ${words[key]}`, {
        hint: `Set \`${key}: allow\` for this server if it is meant.`,
      })
    if (method !== 'elicitation/create') return undefined
    const odd = otherSpelling(params, ['mode', 'url'])
    if (odd !== undefined)
      return new JitError('message.malformed', `server ${server} asked a person with ${quote(odd)}, in another spelling`)
    const { url } = { url: params['url'] }
    if (params['mode'] !== 'url' && url === undefined) return undefined
    if (!isWebAddress(url)) return new JitError('message.malformed', `server ${server} asked to open what is no web address`)
    return this.#options.scrub(url) === url
      ? undefined
      : new JitError('message.credential', `server ${server} asked to open an address that holds a credential`)
  }

  #count(now: number): void {
    if (now - this.#minute >= 60_000) {
      this.#minute = now
      this.#asked = 0
    }
    this.#asked += 1
    if (this.#asked > perMinute)
      throw new JitError('server.busy', `server ${this.#options.server} asked the client more than ${perMinute} times in a minute`)
  }
}

/** Neither the message nor the address: they may hold what only the person should see. */
function elicitationFacts(params: JsonObject, isAllowed: boolean): JsonObject {
  const { url } = { url: params['url'] }
  if (params['mode'] !== 'url') return { mode: 'form' }
  return { mode: 'url', ...(isAllowed && isWebAddress(url) ? { origin: new URL(url).origin } : {}) }
}

/** As the protocol calls it. */
function nameOf(method: string): string {
  return fromServer.requests.has(method) || fromClient.requests.has(method) ? method : 'a method that is none of MCP’s'
}

/** Other schemes can run programs or read files where a client opens them. */
export function isWebAddress(url: unknown): url is string {
  // A reader may leave such characters out, and see another scheme; a person may not see them, and read another name.
  if (typeof url !== 'string' || url.length > 8192 || /[\u0000-\u0020\u007f-\u009f\\\p{Z}\p{Cf}]/u.test(url)) return false
  // What stands before an "@" looks like the place that it leads to.
  return URL.canParse(url) && /^https?:\/\/[^/?#@]+([/?#]|$)/i.test(url)
}

function outcomeOf(method: string, answer: JsonObject | undefined): string {
  if (answer === undefined) return 'none'
  const { result } = { result: answer['result'] }
  if (!isJsonObject(result)) return 'error'
  const action = result['action']
  if (method !== 'elicitation/create') return 'result'
  return action === 'accept' || action === 'decline' || action === 'cancel' ? action : 'result'
}
