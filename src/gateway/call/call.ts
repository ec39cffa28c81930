import type { JitError } from '../../core/errors.ts'
import { newId } from '../../core/ids.ts'
import { isJsonObject, type Json, type JsonObject } from '../../core/json.ts'
import type { Scrubber } from '../../core/scrub.ts'
import type { Operation, Principal } from '../../core/types.ts'
import { makeOperation } from '../../policy/operation.ts'
import { Ending } from '../ending.ts'
import type { Id } from '../protocol/jsonrpc.ts'
import type { LanePool } from '../lane/lanes.ts'
import type { Questions } from '../lane/questions.ts'
import type { Rounds } from './rounds.ts'
import type { Tasks } from './tasks.ts'
import type { GatewayDeps } from '../types.ts'

/** A request that policy governs, as it came. */
export interface GovernedRequest {
  readonly id: Id
  readonly method: 'tools/call' | 'resources/read' | 'prompts/get'
  readonly params: JsonObject
}

/** What the steps of a call need of the connection that it came on. */
export interface CallContext {
  readonly deps: GatewayDeps
  readonly server: string
  readonly connection: string
  readonly principal: Principal
  readonly lanes: LanePool
  pin(): string
  /** SHA-256 of the tool's definition as last listed. */
  definition(tool: string): string
  scrubber(): Scrubber
  /** A message of a server as its client may get it. Throws JitError `message.credential`. */
  clean(line: string): string
  readonly questions: Questions
  readonly rounds: Rounds
  readonly tasks: Tasks
  /** Revision of the protocol that a request is of: its own word, or else what was agreed on; empty before that. */
  revision(params: JsonObject): string
  /** What the client said in its handshake that it can do. */
  capabilities(): Json | undefined
  /** A tool that may be used and names this page of its own, `ui://…`. */
  toolOfPage(uri: string): string | undefined
  /** A message goes no further: for the trail. */
  refused(error: JitError, from: 'client' | 'server'): void
  /** Registers a request, to be ended from outside (cancel, disconnect, lock); the returned function forgets it. */
  track(id: Id, ending: Ending): () => void
  answer(id: Id, line: string): void
  /** The client does not want an answer any more. */
  forget(id: Id): void
}

/** One governed request on its way: its id, its operation (arguments frozen, digest made), its principal, and how it is ended. */
export class Call {
  readonly id = newId('call')
  readonly request: GovernedRequest
  readonly operation: Operation
  readonly principal: Principal
  /** Monotonic milliseconds. */
  readonly started: number
  /** Digest of the policy that decides. */
  readonly policy: string
  /** What shaped its server when it was decided: another server's change does not end it. */
  readonly rules: string
  /** Cancelled, revoked, expired, locked, or the server's end. */
  readonly ending = new Ending()
  readonly #untrack: () => void

  constructor(context: CallContext, request: GovernedRequest) {
    this.request = request
    this.operation = operationOf(context, request)
    this.principal = context.principal
    this.started = context.deps.clock.monotonic()
    this.policy = context.deps.policy().digest
    this.rules = rulesOf(context)
    this.#untrack = context.track(request.id, this.ending)
  }

  /** Its request has been answered, and the call goes on. */
  detach(): void {
    this.#untrack()
  }

  /** Nothing ends it any more. */
  done(): void {
    this.#untrack()
    this.ending.unfollow()
  }
}

/** Digest of all that shapes the server of the call, as it is now; empty when there is none any more. */
export function rulesOf({ deps, server }: CallContext): string {
  return deps.policy().servers.get(server)?.digest ?? ''
}

function operationOf(context: CallContext, { method, params }: GovernedRequest): Operation {
  const kind = method === 'tools/call' ? 'tool' : method === 'resources/read' ? 'resource' : 'prompt'
  const name = params[kind === 'resource' ? 'uri' : 'name']
  const args = params['arguments'] ?? {}
  return makeOperation({
    server: context.server,
    kind,
    name: typeof name === 'string' ? name : '',
    args: kind !== 'resource' && isJsonObject(args) ? args : {},
    definition: typeof name === 'string' && kind === 'tool' ? context.definition(name) : '',
  })
}
