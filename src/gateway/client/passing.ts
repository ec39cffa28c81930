import { JitError, toJitError } from '../../core/errors.ts'
import { isJsonObject, type JsonObject, scalarJson } from '../../core/json.ts'
import type { CompiledServer } from '../../policy/types.ts'
import type { CallContext } from '../call/context.ts'
import { Ending } from '../ending.ts'
import { errorAnswer, type Message } from '../protocol/jsonrpc.ts'
import type { Lane } from '../lane/lane.ts'
import type { Handshake } from '../lane/settings.ts'
import { listening } from '../lane/listening.ts'
import { filterList, isList, shortestTtl } from '../protocol/lists.ts'
import { inSession } from '../upstream/lost-session.ts'
import { Pages } from '../protocol/pages.ts'
import { changingLists } from './changing-lists.ts'
import { askForAddresses } from '../call/rounds.ts'
import { specialOf } from '../call/special.ts'

type Request = Message & { readonly kind: 'request' }

/** Requests of one connection that policy has no say in, and what is learnt from their answers. */
export class Passing {
  readonly #context: CallContext
  readonly #handshake: Handshake
  readonly #refused: (error: JitError) => void
  /** Tool → digest of its definition as last listed. */
  readonly #definitions = new Map<string, string>()
  readonly #pages = new Pages()
  /** Subscriptions under way (2026-07-28), by their id as JSON. */
  readonly #listening = new Map<string, Ending>()
  /** What tells the client that a list may have changed, of those of which the server said that they may. */
  #news: readonly string[] = []

  constructor(context: CallContext, handshake: Handshake, refused: (error: JitError) => void) {
    this.#context = context
    this.#handshake = handshake
    this.#refused = refused
  }

  definition(tool: string): string {
    return this.#definitions.get(tool) ?? ''
  }

  toolOfPage(uri: string): string | undefined {
    return this.#pages.toolOf(uri, (tool) => this.#policy?.visible(tool) === true)
  }

  /** Travels byte for byte; lists are filtered on their way back. `lane`: the first, unless given. */
  async pass(message: Request, bytes: Buffer, lane?: Lane, ending = new Ending()): Promise<void> {
    const { id, method } = message
    const { lanes } = this.#context
    const untrack = this.#context.track(id, ending)
    if (method === 'initialize') this.#handshake.initialize = undefined
    try {
      const { chosen, answer } = await inSession(async () => {
        const chosen = lane ?? (await lanes.primary(ending))
        return { chosen, answer: await chosen.request(id, method === 'initialize' ? JSON.stringify(message.value) : bytes, ending) }
      })
      this.#checkKind(method, answer.value, chosen)
      if (method === 'initialize') this.#agree(message.value, answer.value)
      if (method === 'logging/setLevel' && 'result' in answer.value) this.#setLevel(message.value, chosen)
      const plain = 'error' in answer.value ? JSON.stringify(answer.value) : answer.line
      const line = isList(method) ? this.#filtered(method, answer.value) : plain
      untrack()
      this.#context.answer(id, this.#context.clean(line))
    } catch (thrown) {
      untrack()
      const error = toJitError(thrown)
      if (error.code === 'cancelled') this.#context.forget(id)
      else this.#context.answer(id, JSON.stringify(errorAnswer(id, error)))
    }
  }

  /** A subscription lasts until one end closes it. */
  async listen(message: Request, bytes: Buffer): Promise<void> {
    const { lanes, tasks } = this.#context
    const { params, lane } = listening(message.params, {
      first: lanes.all.find((known) => lanes.isPrimary(known)),
      resourceVisible: (uri) => this.#policy?.resourceVisible(uri) === true,
      laneOf: (task) => tasks.laneOf(task),
    })
    const ending = new Ending()
    const id = scalarJson(message.id)
    this.#listening.set(id, ending)
    await this.pass(message, params === message.params ? bytes : Buffer.from(JSON.stringify({ ...message.value, params })), lane, ending)
    if (this.#listening.get(id) === ending) this.#listening.delete(id)
  }

  /** The server closed a subscription and said so, without an answer; `id` as JSON. */
  closed(id: string): void {
    this.#listening.get(id)?.end(new JitError('cancelled', 'the server closed the subscription'))
  }

  /** Policy changed, which decides what stands in lists: what a client that has one is to be told. */
  get newsOfLists(): readonly string[] {
    return this.#handshake.initialized ? this.#news : []
  }

  /** The servers are gone. */
  forget(): void {
    this.#definitions.clear()
    this.#pages.clear()
  }

  get #policy(): CompiledServer | undefined {
    return this.#context.deps.policy().servers.get(this.#context.server)
  }

  /** Input can be asked for in answer to governed requests alone; an address is policy wherever it stands. */
  #checkKind(method: string, answer: JsonObject, lane: Lane): void {
    const special = specialOf(answer)
    if (special?.kind === 'addresses') askForAddresses(this.#context.questions, special, lane.id)
    if (special?.kind !== 'input') return
    const error = new JitError('message.malformed', `the server asks for input in answer to ${method}, which has no such answer`)
    this.#refused(error)
    throw error
  }

  #agree(request: JsonObject, { result }: JsonObject): void {
    this.#handshake.initialize = request
    const revision = isJsonObject(result) ? result['protocolVersion'] : undefined
    this.#handshake.revision = typeof revision === 'string' ? revision : ''
    this.#news = changingLists(result)
  }

  /** What holds for one lane's log holds for the others, and for those that start later. */
  #setLevel(request: JsonObject, done: Lane): void {
    this.#handshake.level = request
    for (const lane of this.#context.lanes.all) if (lane !== done) lane.setLevel(request)
  }

  #filtered(method: string, value: JsonObject): string {
    const { deps, server } = this.#context
    const compiled = this.#policy
    if (compiled === undefined) throw new JitError('not-found', `there is no server ${JSON.stringify(server)} any more`)
    return JSON.stringify(
      filterList(method, value, compiled, {
        ttl: shortestTtl(deps.config(), server),
        isPage: (uri) => this.toolOfPage(uri) !== undefined,
        onTool: (tool, definition, entry) => {
          this.#pages.listed(tool, entry)
          const before = this.#definitions.get(tool)
          this.#definitions.set(tool, definition)
          if (before !== undefined && before !== definition)
            deps.audit.append({ type: 'server.changed', server, detail: { tool, before, after: definition } })
        },
      }),
    )
  }
}
