import { JitError, toJitError } from '../../core/errors.ts'
import { isJsonObject, type JsonObject, scalarJson } from '../../core/json.ts'
import type { CompiledServer } from '../../policy/types.ts'
import type { CallContext } from '../call/context.ts'
import { Ending } from '../ending.ts'
import { errorAnswer, type Id, isStateless, type Message } from '../protocol/jsonrpc.ts'
import type { Lane } from '../lane/lane.ts'
import { isForRoom } from '../lane/lanes.ts'
import type { Handshake } from '../lane/settings.ts'
import { listening } from '../lane/listening.ts'
import { filterList, isList, shortestTtl } from '../protocol/lists.ts'
import { inSession } from '../upstream/lost-session.ts'
import { Pages } from '../protocol/pages.ts'
import { changingLists } from './changing-lists.ts'
import { type News, Subscriptions } from './subscriptions.ts'
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
  readonly #subscriptions: Subscriptions
  /** What tells the client that a list may have changed, of those of which the server said that they may. */
  #news: readonly string[] = []

  constructor(context: CallContext, handshake: Handshake, refused: (error: JitError) => void) {
    this.#context = context
    this.#handshake = handshake
    this.#refused = refused
    this.#subscriptions = new Subscriptions(() => context.deps.config().servers[context.server])
  }

  definition(tool: string): string {
    return this.#definitions.get(tool) ?? ''
  }

  toolOfPage(uri: string): string | undefined {
    return this.#pages.toolOf(uri, (tool) => this.#policy?.visible(tool) === true)
  }

  /** Travels byte for byte; lists are filtered on their way back. */
  async pass(message: Request, bytes: Buffer): Promise<void> {
    const ending = new Ending()
    await this.#answering(message.id, ending, () => this.#ask(message, bytes, ending))
  }

  /** A subscription lasts until one end closes it. That jit ended the lane closes nothing: it goes on in the next one. */
  async listen(message: Request, bytes: Buffer): Promise<void> {
    const ending = new Ending()
    const subscription = this.#subscriptions.begin(message.id, scalarJson(message.id), message.params, ending)
    await this.#answering(message.id, ending, () => this.#hear(message, bytes, ending))
    subscription.end()
  }

  /** The server closed a subscription and said so, without an answer; `id` as JSON. */
  closed(id: string): void {
    this.#subscriptions.get(id)?.ending.end(new JitError('cancelled', 'the server closed the subscription'))
  }

  /** Whether the request of this id (as JSON) is a subscription that is open. */
  isListening(id: string): boolean {
    return this.#subscriptions.get(id) !== undefined
  }

  /** What a server says of the subscription of this id (as JSON), as its client gets it; undefined when it gets nothing. */
  ofSubscription(id: string, method: string, line: string): string | undefined {
    return this.#subscriptions.passing(id, method, line)
  }

  /** Policy changed, which decides what stands in lists: what a client that has one is to be told. */
  get newsOfLists(): readonly News[] {
    const unasked = this.#handshake.initialized ? this.#news.map((line) => ({ line, about: undefined })) : []
    return [...unasked, ...this.#subscriptions.news]
  }

  /** The servers are gone. */
  forget(): void {
    this.#definitions.clear()
    this.#pages.clear()
  }

  /** Whatever comes of the work is the answer to the request. */
  async #answering(id: Id, ending: Ending, work: () => Promise<string>): Promise<void> {
    const untrack = this.#context.track(id, ending)
    try {
      const line = await work()
      untrack()
      this.#context.answer(id, this.#context.clean(line))
    } catch (thrown) {
      untrack()
      const error = toJitError(thrown)
      if (error.code === 'cancelled') this.#context.forget(id)
      else this.#context.answer(id, JSON.stringify(errorAnswer(id, error)))
    }
  }

  /** `lane`: the first, unless given. */
  async #ask(message: Request, bytes: Buffer, ending: Ending, lane?: Lane): Promise<string> {
    const { id, method } = message
    const { lanes } = this.#context
    if (method === 'initialize') this.#handshake.initialize = undefined
    const { chosen, answer } = await inSession(async () => {
      const chosen = lane ?? (await lanes.primary(ending))
      return { chosen, answer: await chosen.request(id, method === 'initialize' ? JSON.stringify(message.value) : bytes, ending) }
    })
    this.#checkKind(method, answer.value, chosen)
    if (method === 'initialize') this.#agree(message.value, answer.value)
    if (method === 'logging/setLevel' && 'result' in answer.value) this.#setLevel(message.value, chosen)
    // Earlier revisions have no headers for arguments, and a server may list its tools to each as that has it.
    if (method === 'tools/list' && isStateless(this.#context.revision(message.params)))
      this.#context.tools.of(this.#context.server).learn(answer.value)
    const plain = 'error' in answer.value ? JSON.stringify(answer.value) : answer.line
    return isList(method) ? this.#filtered(method, answer.value) : plain
  }

  /** Each lane is asked for what policy admits by then. A lane that is asked for its own tasks alone has no other after it. */
  async #hear(message: Request, bytes: Buffer, ending: Ending): Promise<string> {
    const { lanes, tasks } = this.#context
    for (;;) {
      const { params, lane } = listening(message.params, {
        first: lanes.all.find((known) => lanes.isPrimary(known)),
        resourceVisible: (uri) => this.#policy?.resourceVisible(uri) === true,
        laneOf: (task) => tasks.laneOf(task),
      })
      const asked = params === message.params ? bytes : Buffer.from(JSON.stringify({ ...message.value, params }))
      try {
        return await this.#ask(message, asked, ending, lane)
      } catch (thrown) {
        const error = toJitError(thrown)
        const isOurs = error.code === 'policy.changed' || isForRoom(error)
        if (!isOurs || lane !== undefined || ending.reason !== undefined) throw error
      }
    }
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
